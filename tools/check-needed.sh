#!/usr/bin/env bash
# check-needed.sh BUILD: each library asks the loader for what its layer may use, and nothing more.
set -u
build=$1
failed=0
libc='libc\.so\.6|libpthread\.so\.0|ld-linux-[a-z0-9-]+\.so\.[0-9]|ld-musl-.*|libc\.musl-.*'
check() { # LIBRARY ALLOWED
    local needed
    needed=$(readelf -d "$build/$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p')
    [ -n "$needed" ] || { echo "$1: no NEEDED entries to be read"; failed=1; return; }
    for n in $needed; do
        grep -qxE "$2" <<<"$n" || { echo "$1 needs $n, which its layers may not use"; failed=1; }
    done
    echo "$1:" $needed
}
check libsealane-core.so "$libc"
check libsealane.so "$libc|libcrypto\.so\.3|libjansson\.so\.4|libhwloc\.so\.15"
exit $failed
