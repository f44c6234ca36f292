#!/usr/bin/env bash
# qemu-without-aes.sh BUILD: the tests of an aarch64 build once more, on a CPU that seems to have no AES instructions; and the proof
# that it is so: no aese is translated then, and some are otherwise.
set -eu
cd "$(dirname "$0")/.."
build=$(cd "$1" && pwd)
preload=$build/no_hwcap_aes.so
aarch64-linux-gnu-gcc -std=c17 -O1 -Wall -Wextra -Werror -shared -fPIC \
    -o "$preload" tests/no_hwcap_aes.c
emulator="qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=$PWD/build/sysroot-aarch64/usr/lib/aarch64-linux-gnu:$PWD/build/sysroot-aarch64/lib/aarch64-linux-gnu"

aese() { # [EMULATOR OPTIONS]: how many aese instructions a run of the wrong-kernel test translates
    $emulator "$@" -d in_asm -D "$build/in_asm.log" "$build/tests/test_broken" >"$build/in_asm.out" 2>&1 || {
        cat "$build/in_asm.out"
        exit 1
    }
    grep -cw aese "$build/in_asm.log" || true
}
with=$(aese)
without=$(aese -E LD_PRELOAD="$preload")
rm -f "$build/in_asm.log"
echo "aese translated: $with with AES, $without without"
[ "$with" -gt 0 ] && [ "$without" = 0 ]
grep -qE 'portable[a-z0-9-]* serves' "$build/in_asm.out"

QEMU_SET_ENV=LD_PRELOAD=$preload ctest --test-dir "$build" -j"$(nproc)" --output-on-failure --no-tests=error
tools/not-run.sh "$build"
