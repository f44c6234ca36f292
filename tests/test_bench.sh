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
    kernels/openssl:clickhouse-way/4096 files/cp:sync/268435456 files/sealane:seal/268435456 \
    files/sealane:unseal/268435456; do
    grep -qxF "$name" "$scratch/out" || fail "no row $name"
done
# <suite>/<implementation>/<case>: implementations are sealane, sealane:<variant> or <peer>:<way>, cases a size or key:value pairs.
grep -qvxE '[a-z]+/(sealane|[a-z0-9-]+:[a-z0-9-]+)/([0-9]+|[a-z]+:[a-z0-9]+(/[a-z]+:[a-z0-9]+)*)' "$scratch/out" &&
    fail "names out of order: $(grep -vxE '[a-z]+/(sealane|[a-z0-9-]+:[a-z0-9-]+)/([0-9]+|[a-z]+:[a-z0-9]+(/[a-z]+:[a-z0-9]+)*)' "$scratch/out")"
overhead=1
if ! grep -q '^overhead/' "$scratch/out"; then
    overhead=0
    echo "not run here: suite overhead (this build has no LZ4)"
fi
if [ $overhead = 1 ]; then
    for implementation in plain:read plain:control openssl:clickhouse-way openssl:in-place plain:copies-only sealane; do
        for kase in workload:decode workload:lookup; do
            grep -qxF "overhead/$implementation/$kase" "$scratch/out" || fail "no row overhead/$implementation/$kase"
        done
    done
fi
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
grep -q '^batch/' "$scratch/out" && fail "suite batch is listed without --suite"
expect 0 --suite batch --benchmark_list_tests
for name in batch/sealane/bytes:16/keys:one batch/sealane/bytes:64/keys:own batch/openssl:evp-iv/bytes:16/keys:own; do
    grep -qxF "$name" "$scratch/out" || fail "no row $name"
done
expect 0 --suite small --suite dram --benchmark_list_tests
for name in small/sealane/16 small/sealane:stream/1500 small/openssl:evp-iv/100 dram/copy:memcpy/bytes:268435456/inplace:0 \
    dram/sealane/bytes:16777216/inplace:1 dram/openssl:evp-iv/bytes:268435456/inplace:0; do
    grep -qxF "$name" "$scratch/out" || fail "no row $name"
done
expect 0 --suite scaling --benchmark_list_tests
for name in scaling/sealane:direct/threads:1/bytes:268435456/inplace:0 scaling/sealane/threads:1/bytes:268435456/inplace:1 scaling/copy:memcpy/threads:1/bytes:268435456/inplace:0; do
    grep -qxF "$name" "$scratch/out" || fail "no row $name"
done
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

# --- batches: every row proven by OpenSSL before it is timed ---
expect 0 --suite batch --rounds 2 --benchmark_min_time=0.0005
grep -q '^sealane  *bytes:16/keys:own' "$scratch/out" || fail "no table of batches"

# --- single short calls, and what is larger than the caches: proven in the same way ---
expect 0 --suite small --rounds 2 --benchmark_min_time=0.0001 --benchmark_filter='/(sealane|sealane:stream|openssl:.*|ipsec-mb:.*)/'
grep -q 'Nanoseconds a call, median' "$scratch/out" || fail "no table of short calls"
[ "$(awk 'length > 120' "$scratch/out" | wc -l)" -eq 0 ] || fail "small: lines longer than 120"
expect 0 --suite dram --rounds 1 --benchmark_filter='dram/(copy:.*|sealane|sealane:stream|openssl:evp-iv)/bytes:16777216'
grep -q '^sealane  *bytes:16777216/inplace:1 .*[0-9]' "$scratch/out" || fail "no table of large calls"
grep -q '^copy:memcpy .*inplace:1' "$scratch/out" && fail "a copy in place"
[ "$(awk 'length > 120' "$scratch/out" | wc -l)" -eq 0 ] || fail "dram: lines longer than 120"

# --- the pool: proven on every number of threads, in both places ---
expect 0 --suite scaling --scaling-bytes 5000000 --rounds 1 --benchmark_min_time=0.001
for row in 'sealane  *threads:1/bytes:4997120/inplace:1' 'copy:nt  *threads:1/bytes:4997120/inplace:0' \
    'sealane:direct  *threads:1/bytes:4997120/inplace:1' 'sealane:batch  *threads:[0-9]*/requests:1000/bytes:4096/inplace:1'; do
    grep -q "^$row .*[0-9]" "$scratch/out" || fail "scaling: no row '$row'"
done
grep -qE '^sealane  *threads:1/bytes:4997120/inplace:0  +(0|none) +[0-9]' "$scratch/out" || fail "scaling: no table by node"
[ "$(awk 'length > 120' "$scratch/out" | wc -l)" -eq 0 ] || fail "scaling: lines longer than 120"

# --- calibration ---
expect 0 --calibrate --rounds 1
for row in 'table of a key' 'table of a stream' 'stores past the caches' portable; do
    grep -q "^$row  " "$scratch/out" || fail "--calibrate says nothing of '$row'"
done
grep -qE '^(Better here:|The defaults are right here\.)' "$scratch/out" || fail "--calibrate draws no conclusion"
[ "$(awk 'length > 120' "$scratch/out" | wc -l)" -eq 0 ] || fail "--calibrate: lines longer than 120"
expect 0 --calibrate --rounds 1 --kernel portable
[ "$(grep -c 'this kernel has none' "$scratch/out")" -eq 1 ] || fail "--calibrate --kernel portable: $(cat "$scratch/out")"
expect 2 --calibrate --suite kernels
expect 2 --calibrate --kernel nothing

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
mkdir "$scratch/temporary"
expect 0 --suite files --budget 0.2 --rounds 1 --scratch "$scratch/temporary"
for row in cp:sync sealane:seal sealane:seal-1-thread sealane:unseal; do
    grep -q "^$row " "$scratch/out" || fail "no row '$row' in the table"
done
grep -qF "$scratch/temporary" "$scratch/out" || fail "the output does not say where the files were"
grep -q "on $(df --output=fstype "$scratch/temporary" | tail -1);" "$scratch/out" || fail "no type of the file system"
expect 0 --suite files --files-bytes 3M --benchmark_list_tests
[ "$(cat "$scratch/out")" = "$(printf 'files/%s/3145728\n' cp:sync sealane:seal sealane:seal-1-thread sealane:unseal)" ] || fail "--files-bytes in the names"
expect 0 --suite files --files-bytes 3M --rounds 2 --scratch "$scratch/temporary" --benchmark_format=json
python3 - "$scratch/out" <<'PYTHON' || fail "--files-bytes"
import json, sys
results = json.load(open(sys.argv[1]))
assert results["context"]["files_bytes"] == "3145728" and results["context"]["files_filesystem"], results["context"]
assert {run["run_name"] for run in results["benchmarks"]} == {"files/%s/3145728" % name for name in
    ("cp:sync", "sealane:seal", "sealane:seal-1-thread", "sealane:unseal")}
assert len([run for run in results["benchmarks"] if run["run_type"] == "iteration"]) == 4 * 2
PYTHON
for bytes in 0 1 4X -4M M 99999999999999999999 ''; do
    expect 2 --suite files --files-bytes "$bytes"
done
for bytes in 0 4194303 4095K X -8M 2T ''; do
    expect 2 --suite scaling --scaling-bytes "$bytes"
done

# --- overhead: every sum is compared with what was generated ---
if [ $overhead = 1 ]; then
    expect 0 --suite overhead --rounds 1 --scratch "$scratch/temporary"
    for row in plain:read plain:control openssl:clickhouse-way openssl:in-place plain:copies-only sealane; do
        [ "$(grep -c "^  $row " "$scratch/out")" -eq 2 ] || fail "no two rows '$row' in the table"
    done
    grep -q 'not known from so few rounds' "$scratch/out" || fail "a cost from a single round"
fi
[ -z "$(ls -A "$scratch/temporary")" ] || fail "temporary files remain"

# --- temporary files: only where needed, and then wherever there is room for an ordinary user ---
expect 1 --suite files --budget 0.2 --rounds 1 --scratch "$scratch/none"
grep -q "$scratch/none" "$scratch/err" || fail "--scratch that does not exist: $(cat "$scratch/err")"
expect 2 --suite files --scratch ''
expect 0 --suite kernels --benchmark_filter='evp-iv/16$' --rounds 1 --benchmark_min_time=0.001 --scratch "$scratch/none"
# As installed: the directory of the program is another's.  A build directory of another's must not stop it either.
mkdir "$scratch/bin" "$scratch/tmp"
cp -P "$bench" "$(dirname "$bench")"/libsealane*.so* "$scratch/bin"
touch "$scratch/bin/CMakeCache.txt"
chmod 555 "$scratch/bin"
chmod 1777 "$scratch/tmp"
chmod 755 "$scratch"
ordinary=()
[ "$(id -u)" -ne 0 ] || ordinary=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if ! "${ordinary[@]}" test ! -w "$scratch/bin"; then
    echo "not run here: an unwritable program directory (no other user to be)"
else
    run() {
        (cd / && TMPDIR=$1 LD_LIBRARY_PATH=$scratch/bin "${ordinary[@]}" "$scratch/bin/sealane-bench" "${@:2}") \
            >"$scratch/out" 2>"$scratch/err"
    }
    run /nonexistent --suite kernels --benchmark_filter='evp-iv/16$' --rounds 1 --benchmark_min_time=0.001 ||
        fail "kernels needs no temporary files: $(cat "$scratch/err")"
    run "$scratch/tmp" --suite files --files-bytes 1M --rounds 1 || fail "files: $(cat "$scratch/err")"
    grep -qF "Temporary files: $scratch/tmp/" "$scratch/out" || fail "not in TMPDIR"
    run /nonexistent --suite files --files-bytes 1M --rounds 1 || fail "files: $(cat "$scratch/err")"
    grep -qF "Temporary files: /var/tmp/" "$scratch/out" || fail "not in /var/tmp"
fi
chmod 755 "$scratch/bin"

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
expect 2 --suite kernels --benchmark_filter='evp-iv/16$' --rounds 1 --results ''
expect 2 --benchmark_out=
expect 2 --suite kernels --rounds
for flag in benchmark_out_format=csv benchmark_format=csv benchmark_time_unit=ms benchmark_perf_counters=CYCLES \
    benchmark_enable_random_interleaving=false benchmark_min_warmup_time=1 benchmark_context=nothing benchmark_counters_tabular=true \
    benchmark_display_aggregates_only=true benchmark_color=true benchmark_list_tests=perhaps; do
    expect 2 --suite kernels --benchmark_filter='evp-iv/16$' --rounds 1 --benchmark_min_time=0.001 "--$flag"
    grep -qF -- "--${flag%%=*}" "$scratch/err" || fail "--$flag is refused without a word of it: $(cat "$scratch/err")"
done
expect 2 --benchmark_filter=nothing-of-this-name
grep -q 'no row matches' "$scratch/err" || fail "a filter that matches nothing: $(cat "$scratch/err")"
expect 2 --benchmark_filter=nothing-of-this-name --benchmark_list_tests
expect 2 --suite files --benchmark_filter=kernels/

# --- what is asked for of Google Benchmark's flags happens ---
expect 0 --suite kernels --benchmark_filter='evp-iv/16$' --benchmark_repetitions=2 --benchmark_min_time=0.001 \
    --benchmark_format=json --benchmark_out_format=json --benchmark_report_aggregates_only --benchmark_context=colour=green \
    --benchmark_context=shape=round --benchmark_enable_random_interleaving=true
python3 - "$scratch/out" <<'PYTHON' || fail "Google Benchmark's flags"
import json, sys
results = json.load(open(sys.argv[1]))
assert results["context"]["colour"] == "green" and results["context"]["shape"] == "round", results["context"]
assert {run["run_type"] for run in results["benchmarks"]} == {"aggregate"}
assert {run["repetitions"] for run in results["benchmarks"]} == {2}
PYTHON
expect 0 --suite kernels --benchmark_list_tests=false --benchmark_filter='evp-iv/16$' --rounds 1 --benchmark_min_time=0.001
grep -q 'GB/s' "$scratch/out" || fail "--benchmark_list_tests=false lists"
BENCHMARK_LIST_TESTS=1 BENCHMARK_FILTER=none expect 0 --suite kernels --benchmark_filter='evp-iv/16$' --rounds 1 --benchmark_min_time=0.001
grep -q '^openssl:evp-iv  *[0-9]' "$scratch/out" || fail "the environment steers a run"

# --- help, version, manual page: one table ---
for help in --help -h; do
    expect 0 $help
    grep -q -- --suite "$scratch/out" || fail "$help"
    [ "$(awk 'length > 120' "$scratch/out" | wc -l)" -eq 0 ] || fail "$help: lines longer than 120"
done
expect 0 --version
grep -qE '^sealane-bench [0-9]+\.[0-9]+\.[0-9]+ ' "$scratch/out" || fail "--version"
page=$(dirname "$bench")/bench/sealane-bench.1
"$bench" --help | grep -oE -- '--[a-z_-]+' | sort -u >"$scratch/options"
for option in $(cat "$scratch/options"); do
    grep -qF -- "${option//-/\\-}" "$page" || fail "the manual page lacks $option"
done
[ "$(wc -l <"$scratch/options")" -gt 12 ] || fail "the help lacks options"
if command -v man >/dev/null && ! man --help 2>&1 | grep -q 'minimized'; then
    [ -z "$(LC_ALL=C.UTF-8 MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)" ] || fail "the manual page has warnings"
else
    echo "not run here: man --warnings (no man)"
fi

# --- results that cannot be written: known before anything is measured ---
for flag in --results=/dev/null/x --benchmark_out=/dev/null/x "--benchmark_out=$scratch/none/x"; do
    expect 1 --suite kernels --benchmark_filter='evp-iv/16$' --rounds 1 --benchmark_min_time=0.001 "$flag"
    grep -q 'GB/s, median' "$scratch/out" && fail "$flag: measured first"
    grep -q "${flag#*=}" "$scratch/err" || fail "$flag: $(cat "$scratch/err")"
done
# Those that fail at the end cost the file, not the table.
(ulimit -f 0 && "$bench" --suite kernels --benchmark_filter='evp-iv/16$' --rounds 1 --benchmark_min_time=0.001 \
    --results "$scratch/full" 2>&1
 echo "exit $?") | cat >"$scratch/out"
grep -q 'GB/s, median' "$scratch/out" || fail "no table because the results could not be written: $(cat "$scratch/out")"
grep -qx 'exit 1' "$scratch/out" || fail "results that could not be written: $(tail -1 "$scratch/out")"

# --- standard output that fails ---
for arguments in --help --version --benchmark_list_tests "--suite kernels --benchmark_filter=evp-iv/16$ --rounds 1 --benchmark_min_time=0.001" \
    "--suite kernels --benchmark_filter=evp-iv/16$ --rounds 1 --benchmark_min_time=0.001 --benchmark_format=json"; do
    # shellcheck disable=SC2086
    "$bench" $arguments >/dev/full 2>"$scratch/err"
    code=$?
    [ "$code" -eq 1 ] || fail "exit code $code instead of 1: sealane-bench $arguments >/dev/full"
    grep -q 'No space left on device' "$scratch/err" || fail "$arguments >/dev/full: $(cat "$scratch/err")"
done

# --- a signal cleans up ---
"$bench" --suite files --budget 20 --rounds 100 --scratch "$scratch/temporary" >/dev/null 2>&1 &
child=$!
for _ in $(seq 100); do
    [ -z "$(ls -A "$scratch/temporary")" ] || break
    sleep 0.05
done
kill -TERM "$child"
wait "$child"
[ $? -eq 143 ] || fail "SIGTERM did not end it by that signal"
[ -z "$(ls -A "$scratch/temporary")" ] || fail "temporary files remain after SIGTERM"

[ "$failures" -eq 0 ] && echo "all passed"
exit "$failures"
