#!/usr/bin/env bash
# check-text.sh: what clang-format does not see: files of at most 500 lines, no white space at the ends of lines, no left-overs.
set -u
cd "$(dirname "$0")/.."
failed=0
say() { echo "$1"; failed=1; }

while read -r lines file; do
    [ "$lines" -le 500 ] || say "$file: $lines lines; 500 is the most"
done < <(git ls-files '*.c' '*.h' '*.cc' '*.py' '*.sh' | grep -v '^tests/vectors/' | xargs wc -l | grep -v ' total$')

text=$(git ls-files '*.c' '*.h' '*.cc' '*.def' '*.py' '*.sh' '*.cmake' '*.md' '*CMakeLists.txt' Makefile .ci/run)
found=$(grep -nE '[[:space:]]+$' $text) && say "white space at the end of a line:
$found"
found=$(grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $text | grep -v '^tools/check-text.sh:') && say "left-overs:
$found"
exit $failed
