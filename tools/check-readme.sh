#!/usr/bin/env bash
# check-readme.sh BUILD: what README.md shows works: its shell lines in a directory with the tree's files, its C program, its links.
set -eu
cd "$(dirname "$0")/.."
build=$(cd "$1" && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

block() { # LANGUAGE: the first block of that language
    awk -v start="^\`\`\`$1\$" '$0 ~ start {inside = 1; next} /^```$/ {if (inside) exit} inside' README.md
}

mkdir "$stage/home" "$stage/tree"
git ls-files -z LICENSE docs | xargs -0 cp --parents -t "$stage/tree"
ln -s "$build" "$stage/tree/build"
block sh >"$stage/lines"
[ "$(grep -c sealane "$stage/lines")" -gt 5 ]
(cd "$stage/tree" && HOME=$stage/home bash -eu -o pipefail "$stage/lines") >"$stage/out"
grep -x 'docs/FORMAT.md' "$stage/out"

block c >"$stage/example.c"
gcc -std=c99 -Wall -Wextra -Werror -pedantic -I include -I "$build/include" "$stage/example.c" -o "$stage/example" "$build/libsealane.so"
LD_LIBRARY_PATH=$build "$stage/example" | grep -x 'thirty-two gigabytes in, any offset'

for page in README.md CONTRIBUTING.md SECURITY.md CHANGELOG.md docs/*.md results/README.md; do
    while read -r target; do
        [ -e "$(dirname "$page")/$target" ] || { echo "$page: no such file: $target"; exit 1; }
    done < <(grep -oE '\]\([^)#:]+\)' "$page" | sed 's/^](//; s/)$//')
done
