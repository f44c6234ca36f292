#!/usr/bin/env bash
# not-run.sh BUILD: what the last run of the tests left out, and why, in their own words: ctest shows no output of a test that passed.
set -u
log=$1/Testing/Temporary/LastTest.log
[ -f "$log" ] || exit 0
lines=$(grep -hE '^(NOT RUN|skipped|not checked)[: ]' "$log" | LC_ALL=C sort -u)
[ -z "$lines" ] || printf 'Not run here:\n%s\n' "$(sed 's/^/  /' <<<"$lines")"
