#!/bin/bash
# sealane-bench: names, the results file and how it ends.  Nothing here looks at a time: budgets are tiny, figures are noise.
set -u

bench=$(dirname "$1")/sealane-bench
if [ ! -x "$bench" ]; then
    echo "skipped: sealane-bench is not part of this build"
    exit 77
fi
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect CODE ARGUMENTS...: standard output and error are kept in $scratch/out and $scratch/err.
expect() {
    local code=$1 got
    shift
    "$bench" "$@" >"$scratch/out" 2>"$scratch/err"
    got=$?
    [ "$got" -eq "$code" ] || fail "exit code $got instead of $code: sealane-bench $*: $(cat "$scratch/err")"
}

# --- names ---
expect 0 --benchmark_list_tests
for name in kernels/sealane/16 kernels/sealane/268435456 kernels/sealane/bytes:4096/random:67108864 \
    kernels/sealane:portable/65536 kernels/sealane:stream/1024 kernels/openssl:evp-iv/64 \
    kernels/openssl:clickhouse-way/4096 files/cp/copy files/sealane/seal files/sealane/unseal; do
    grep -qxF "$name" "$scratch/out" || fail "no row $name"
done
sort "$scratch/out" | uniq -d | grep . && fail "rows of the same name"
"$1" cpu >"$scratch/cpu" || fail "sealane cpu"
for kernel in vaes-avx512 vaes-avx2 aesni armv8 portable; do
    if grep -qF "sealane:$kernel/" "$scratch/out"; then
        expect 0 --kernel "$kernel" --benchmark_list_tests --benchmark_filter='kernels/sealane:[^s]'
        grep -qv "^kernels/sealane:$kernel/" "$scratch/out" && fail "--kernel $kernel lists another kernel"
        expect 0 --benchmark_list_tests
    else
        echo "not run here: kernel $kernel"
        expect 2 --kernel "$kernel"
        grep -qF KERNEL_UNUSABLE "$scratch/err" || fail "no KERNEL_UNUSABLE for $kernel"
        expect 0 --benchmark_list_tests
    fi
done
expect 0 --suite files --benchmark_list_tests
grep -qv '^files/' "$scratch/out" && fail "--suite files lists other suites"
expect 0 --suite kernels --benchmark_list_tests --benchmark_filter=-sealane
grep -q sealane "$scratch/out" && fail "a filter that excludes does not"

# --- a short run: the table, the results ---
small='kernels/(sealane:aesni|sealane:portable|openssl:evp-iv|ipsec-mb:.*)/(16|1024)$'
expect 0 --suite kernels --benchmark_filter="$small" --rounds 3 --benchmark_min_time=0.001 \
    --results "$scratch/results" --benchmark_out="$scratch/copy.json"
grep -q 'GB/s, median' "$scratch/out" || fail "no table"
[ "$(awk 'length > 120' "$scratch/out" | grep -vc '^Results: ')" -eq 0 ] || fail "lines longer than 120"
file=$(find "$scratch/results" -name '*.json')
[[ "$file" =~ /results/[a-z0-9-]+/[0-9]{8}T[0-9]{6}Z-[0-9a-z]+(-dirty)?\.json$ ]] || fail "name of the results: $file"
cmp -s "$file" "$scratch/copy.json" || fail "--benchmark_out differs from --results"
python3 - "$file" "$small" <<'PYTHON' || fail "results file"
import json, re, sys
with open(sys.argv[1]) as stream:
    results = json.load(stream)
context, runs = results["context"], results["benchmarks"]
for key in ("host_name", "executable"):
    assert key not in context, key
for key in ("date", "sealane_commit", "compiler", "flags", "cpu", "openssl", "google_benchmark", "cycles",
            "core_clock_ghz", "sealane_version", "timer_check"):
    assert context.get(key), key
assert context["date"].endswith("+00:00")
names = {run["run_name"] for run in runs}
assert "kernels/openssl:evp-iv/1024" in names and "kernels/sealane:portable/16" in names, names
assert all(re.search(sys.argv[2], name) for name in names), names
for name in names:
    rows = [run for run in runs if run["run_name"] == name]
    single = [run for run in rows if run["run_type"] == "iteration"]
    assert sorted(run["repetition_index"] for run in single) == [0, 1, 2], name
    assert {run["aggregate_name"] for run in rows if run["run_type"] == "aggregate"} == \
        {"mean", "median", "stddev", "cv", "min"}, name
    times = sorted(run["real_time"] for run in single)
    for run in rows:
        wanted = {"median": times[1], "min": times[0]}.get(run.get("aggregate_name"))
        assert wanted is None or abs(run["real_time"] - wanted) <= 1e-5 * wanted, (name, run)
        bytes_per_call = int(name.rsplit("/", 1)[1])
        if wanted or run["run_type"] == "iteration":
            rate = bytes_per_call / run["real_time"] * 1e9
            assert run["time_unit"] == "ns" and abs(run["bytes_per_second"] - rate) <= 1e-4 * rate, run
            assert run["cycles_per_byte"] > 0, run
PYTHON

# --- nothing of this machine's or this user's ---
for word in "$(hostname)" "$(id -un)" "$scratch" "$HOME" "$(dirname "$bench")"; do
    [ "${#word}" -ge 3 ] && [ "$word" != root ] || continue
    grep -qwF -- "$word" "$file" && fail "the results contain '$word'"
done
grep -E '"[^"]*/(home|root|usr|tmp|work|build)' "$file" && fail "the results contain a path"

# --- JSON on standard output ---
expect 0 --suite kernels --benchmark_filter='evp-iv/16$' --rounds 1 --benchmark_min_time=0.001 --benchmark_format=json
python3 -c 'import json, sys; json.load(sys.stdin)' <"$scratch/out" || fail "--benchmark_format=json is not JSON"

# --- files: sealed, unsealed and compared by the program itself ---
expect 0 --suite files --budget 0.2 --rounds 1
for row in 'cp copy' 'sealane seal' 'sealane unseal'; do
    grep -q "^$row" "$scratch/out" || fail "no row '$row' in the table"
done
find "$(dirname "$bench")" -maxdepth 1 -name 'bench-scratch.*' | grep . && fail "temporary files remain"

# --- bad arguments ---
expect 2 --suite nothing
expect 2 --kernel nothing
grep -qF KERNEL_UNKNOWN "$scratch/err" || fail "no KERNEL_UNKNOWN"
expect 2 --rounds 0
expect 2 --rounds 2x
expect 2 --budget -1
expect 2 --benchmark_no_such_flag=1
expect 2 --no-such-flag
expect 2 --benchmark_filter='('
expect 2 surplus
expect 1 --suite kernels --benchmark_filter='evp-iv/16$' --rounds 1 --benchmark_min_time=0.001 --results /dev/null/x
expect 0 --help
grep -q -- --suite "$scratch/out" || fail "--help"

# --- a signal cleans up ---
"$bench" --suite files --budget 20 --rounds 100 >/dev/null 2>&1 &
child=$!
for _ in $(seq 100); do
    find "$(dirname "$bench")" -maxdepth 1 -name 'bench-scratch.*' | grep -q . && break
    sleep 0.05
done
kill -TERM "$child"
wait "$child"
[ $? -eq 143 ] || fail "SIGTERM did not end it by that signal"
find "$(dirname "$bench")" -maxdepth 1 -name 'bench-scratch.*' | grep . && fail "temporary files remain after SIGTERM"

[ "$failures" -eq 0 ] && echo "all passed"
exit "$failures"
