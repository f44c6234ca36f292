#!/usr/bin/env bash
# run.sh PROGRAM: secrets decide no branch and no address, and the check notices when one does.
set -u
check() { valgrind -q --error-exitcode=99 "$@"; }
check "$1" || exit 1
check "$1" leak >/dev/null 2>&1
[ $? = 99 ] || { echo "the planted leak was not noticed"; exit 1; }
echo "the planted leak was noticed"
