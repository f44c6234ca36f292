#!/usr/bin/env bash
# bootstrap.sh [build|numa|ci]: installs the Debian packages that are missing.  `build` (the default): all that `make`, `make test` and
# `make bench` need; `numa`: also what `make test-numa` needs; `ci`: also what .ci/run needs.  With nothing missing it touches no
# network; without root it prints the line to run and exits 1.
set -eu

packages="make cmake ninja-build gcc g++ pkg-config git libssl-dev libjansson-dev libhwloc-dev libcmocka-dev libbenchmark-dev
    liblz4-dev python3 python3-cryptography"
guest="qemu-system-x86 cpio"
case "${1:-build}" in
build) ;;
numa) packages="$packages $guest" ;;
ci) packages="$packages $guest clang clang-tidy-14 clang-format-14 libclang-rt-14-dev llvm-14 llvm-19 valgrind binutils
    qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-i686-linux-gnu libc6-dev-i386-cross gcc-s390x-linux-gnu
    libc6-dev-s390x-cross" ;;
*)
    echo "usage: tools/bootstrap.sh [build|numa|ci]" >&2
    exit 2
    ;;
esac
# Intel's library is for x86-64 only: elsewhere the backend and the peer of that name are left out of the build.
[ "$(uname -m)" != x86_64 ] || packages="$packages libipsec-mb-dev"

command -v dpkg-query >/dev/null || {
    echo "bootstrap.sh: no Debian here; install the equivalents of:" $packages >&2
    exit 0
}
missing=""
for p in $packages; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "Some packages are missing. Run:  sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "bootstrap.sh: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends $missing
