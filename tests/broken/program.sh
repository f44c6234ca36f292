#!/usr/bin/env bash
# program.sh [EMULATOR...] PROGRAM: `sealane cpu` over the table with the wrong kernel says so and names another one as chosen.
set -u
json=$("$@" cpu --json) || { echo "sealane cpu failed"; exit 1; }
text=$("$@" cpu) || { echo "sealane cpu failed"; exit 1; }
printf '%s\n' "$text"
printf '%s\n' "$json" | python3 -c '
import json, sys
kernels = json.load(sys.stdin)["kernels"]
wrong = [k for k in kernels if k["name"] == "wrong"]
chosen = [k["name"] for k in kernels if k["chosen"]]
assert len(wrong) == 1 and not wrong[0]["chosen"], wrong
assert len(chosen) == 1 and chosen != ["wrong"], chosen
' || exit 1
grep -E '^ *wrong .*self-test' <<<"$text" >/dev/null || { echo "the table does not say that the kernel failed its self-test"; exit 1; }
grep -E '^ *shy .*avoided' <<<"$text" >/dev/null || { echo "the table does not say that the kernel is avoided"; exit 1; }
