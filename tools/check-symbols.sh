#!/usr/bin/env bash
# check-symbols.sh BUILD: the shared libraries export exactly what cmake/*.symbols lists, and every global symbol inside the static
# one is sealane_ or sl_.  With --update it writes the lists instead: review the difference, exported is for ever.
set -u
cd "$(dirname "$0")/.."
update=
[ "$1" != --update ] || { update=1; shift; }
build=$1
failed=0

for library in sealane-core:core sealane:sealane; do
    file=$build/lib${library%:*}.so
    list=cmake/${library#*:}.symbols
    found=$(nm -D --defined-only --format=posix "$file" | awk '$2 != "A" {sub(/@.*/, "", $1); print $1}' | LC_ALL=C sort)
    [ -n "$found" ] || { echo "$file exports nothing"; failed=1; continue; }
    if [ -n "$update" ]; then
        printf '%s\n' "$found" >"$list"
    elif ! diff -u --label "$list" --label "$file" "$list" - <<<"$found"; then
        failed=1
    fi
    echo "$file: $(wc -l <<<"$found") exported symbols"
done

foreign=$(nm -g --defined-only --format=posix "$build/libsealane.a" 2>/dev/null |
    awk 'NF >= 2 && $1 !~ /^(sl_|sealane_|__asan_|__odr_asan|DW\.ref\.)/ && $1 !~ /:$/ {print $1}' | LC_ALL=C sort -u)
[ -z "$foreign" ] || { echo "global symbols without a prefix in libsealane.a:" $foreign; failed=1; }
exit $failed
