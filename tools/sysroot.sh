#!/usr/bin/env bash
# sysroot.sh aarch64: unpacks Debian's aarch64 libraries that Sealane and its tests link to into build/sysroot-aarch64.  Works on a
# private apt configuration with this machine's sources: needs no root and does not touch dpkg's architectures.
set -eu
cd "$(dirname "$0")/.."
[ "${1:-}" = aarch64 ] || {
    echo "usage: tools/sysroot.sh aarch64" >&2
    exit 2
}
packages="libssl-dev libssl3 libcmocka-dev libcmocka0 libjansson-dev libjansson4 libhwloc-dev libhwloc15 libudev1 libxml2 zlib1g
    libicu72 liblzma5 libcap2 libltdl7 libltdl-dev libnuma1 libnuma-dev libstdc++6 libgcc-s1"
root=$PWD/build/sysroot-aarch64
stamp=$root/.packages
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$packages" ] && exit 0

apt=$PWD/build/apt-aarch64
rm -rf "$root" "$apt"
mkdir -p "$root" "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
: >"$apt/status"
cat >"$apt/apt.conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Acquire::Languages "none";
CONF
export APT_CONFIG=$apt/apt.conf

# A source that has no arm64 (other software beside Debian) may be unreachable or empty: what counts is that the packages come.
apt-get update -q || echo "sysroot.sh: some sources failed; going on"
(cd "$apt/debs" && apt-get download -q $packages)
for deb in "$apt"/debs/*.deb; do
    dpkg -x "$deb" "$root"
done
rm -rf "$apt"
printf '%s' "$packages" >"$stamp"
