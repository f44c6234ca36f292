#!/usr/bin/env bash
# selfcheck.sh: the checks can fail.  Plants one violation after the other into a copy of the tree and expects each to be found.
set -u
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
failed=0

fresh() {
    rm -rf "$copy/tree"
    mkdir "$copy/tree"
    git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$copy/tree"
}
expect_failure() { # WHAT PATTERN COMMAND...: fails, and says why in a line that matches PATTERN
    local what=$1 pattern=$2 out line
    shift 2
    if ! out=$("$@" 2>&1) && line=$(grep -m 1 -E "$pattern" <<<"$out"); then
        echo "noticed: $what: $line"
    else
        echo "not noticed: $what"
        failed=1
    fi
}

plant_include() { # FILE INCLUDE
    fresh
    sed -i "1i #include $2" "$copy/tree/$1"
    expect_failure "$1 includes $2" "^$1:1: " tools/check-layers.py "$copy/tree"
}
plant_include base/wipe.c '"envelope/format.h"'
plant_include arch/cpu.c '"engine/internal.h"'
plant_include kms/kms.c '"sealane/keystore.h"'
plant_include engine/ctr.c '<openssl/evp.h>'
plant_include engine/engine.c '<hwloc.h>'
plant_include engine/key.c '<immintrin.h>'
plant_include "$(git ls-files 'cli/*.c' | head -n 1)" '"base/wipe.h"'
plant_include include/sealane/file.h '"base/wipe.h"'

fresh
tools/check-layers.py "$copy/tree" >/dev/null || { echo "the unchanged copy fails the layers check"; failed=1; }

# One build of the libraries with three violations: an export, an internal symbol without a prefix, a library too many.
cat >>"$copy/tree/base/wipe.c" <<'C'
#include "sealane/export.h"
SEALANE_API int sealane_planted(void);
int sealane_planted(void)
{
    return 0;
}
int planted_helper(void);
int planted_helper(void)
{
    return 1;
}
C
sed -i 's/LINK Threads::Threads/LINK -Wl,--push-state,--no-as-needed -lm -Wl,--pop-state Threads::Threads/
    s/-Wl,--as-needed//' "$copy/tree/CMakeLists.txt" "$copy/tree/cmake/SealaneLibraries.cmake"
if cmake -S "$copy/tree" -B "$copy/build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DSEALANE_TESTS=OFF -DSEALANE_BENCH=OFF \
    >"$copy/log" 2>&1 && cmake --build "$copy/build" >>"$copy/log" 2>&1; then
    expect_failure "an export that is not listed" '^\+sealane_planted' "$copy/tree/tools/check-symbols.sh" "$copy/build"
    expect_failure "an internal symbol without a prefix" 'without a prefix.*planted_helper' \
        "$copy/tree/tools/check-symbols.sh" "$copy/build"
    expect_failure "a core that needs libm" 'sealane-core.so needs libm' "$copy/tree/tools/check-needed.sh" "$copy/build"
else
    echo "the copy with planted violations did not build:"
    tail -n 20 "$copy/log"
    failed=1
fi

# Kernels that break their word, compiled like the real ones.
plant_kernel() { # COMPILER WHAT
    local flags=$x86_flags
    [[ $1 != aarch64* ]] || flags=$aarch64_flags
    $1 -std=c17 -O3 -DNDEBUG $flags -fPIC -shared -I. -Iinclude "-DPLANT=PLANT_$2" tests/taint/planted.c -o "$copy/planted.so" ||
        { echo "$1 does not compile $2"; failed=1; }
}
expect_taint() { # COMPILER WHAT PATTERN
    plant_kernel "$1" "$2"
    expect_failure "$1: $2" "$3" tools/check-taint.py --kernels planted "$copy/planted.so"
}
expect_loops() { # COMPILER WHAT PATTERN
    plant_kernel "$1" "$2"
    expect_failure "$1: $2" "$3" tools/check-loops.py --kernels planted --table "$copy/loops" "$copy/planted.so"
}
flags_of() { # KERNEL
    sed -nE "s/^KERNEL\($1, .*\"([^\"]*)\"\)\$/\1/p" arch/kernels.def
}
x86_flags=$(flags_of vaes_avx512)
aarch64_flags=$(flags_of armv8)
for compiler in gcc clang aarch64-linux-gnu-gcc; do
    plant_kernel $compiler NOTHING
    tools/check-taint.py --kernels planted "$copy/planted.so" >/dev/null ||
        { echo "$compiler: check-taint.py finds something where nothing is"; failed=1; }
    tools/check-loops.py --kernels planted --table "$copy/loops" --update "$copy/planted.so" >/dev/null ||
        { echo "$compiler: check-loops.py finds something where nothing is"; failed=1; }

    expect_taint $compiler BRANCH 'planted.*the branch depends on a secret'
    expect_taint $compiler INDEX 'planted.*the address depends on a secret'
    expect_taint $compiler SPILL 'planted.*the branch depends on a secret'
    expect_taint $compiler STACK_ARRAY 'planted.*the branch depends on a secret'
    expect_taint $compiler CALLEE 'callee.*the branch depends on a secret'
    expect_taint $compiler DIVISION 'the time of a division depends on a secret'
    expect_taint $compiler SHIFT 'a shift count depends on a secret'
    expect_taint $compiler INDIRECT 'an indirect branch, which is not followed'
    expect_taint $compiler UNKNOWN 'I do not know (xgetbv|mrs)'
    if [[ $compiler != aarch64* ]]; then
        expect_taint $compiler VECTOR_MASK 'planted.*the branch depends on a secret'
        expect_taint $compiler STORE_MASK 'the mask of a memory access depends on a secret'
    fi
    expect_loops $compiler STACK_IN_LOOP 'touches the stack'
    expect_loops $compiler LONGER_LOOP 'instructions [0-9]+ -> [0-9]+'
done
exit $failed
