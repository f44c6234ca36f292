#!/usr/bin/env bash
# sysroot.sh aarch64|i386|s390x: unpacks Debian's libraries of that architecture that Sealane and its tests link to (for the last two those of
# the core's tests alone) into build/sysroot-ARCHITECTURE.  Works on a private apt configuration with this machine's sources: needs no
# root and does not touch dpkg's architectures.
set -eu
cd "$(dirname "$0")/.."
packages="libssl-dev libssl3 libcmocka-dev libcmocka0"
debian=${1:-}
case $debian in
aarch64)
    debian=arm64
    packages="$packages libjansson-dev libjansson4 libhwloc-dev libhwloc15 libudev1 libxml2 zlib1g libicu72 liblzma5 libcap2 libltdl7 libltdl-dev
        libnuma1 libnuma-dev libstdc++6 libgcc-s1"
    ;;
i386 | s390x) ;;
*)
    echo "usage: tools/sysroot.sh aarch64|i386|s390x" >&2
    exit 2
    ;;
esac
root=$PWD/build/sysroot-$1
stamp=$root/.packages
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$packages" ] && exit 0

apt=$PWD/build/apt-$1
rm -rf "$root"
mkdir -p "$root"
. tools/private-apt.sh
private_apt "$debian" "$apt"
(cd "$apt/debs" && apt-get download -q $packages)
for deb in "$apt"/debs/*.deb; do
    dpkg -x "$deb" "$root"
done
rm -rf "$apt"
printf '%s' "$packages" >"$stamp"
