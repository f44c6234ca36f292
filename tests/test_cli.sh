#!/usr/bin/env bash
# test_cli.sh SEALANE: the program as its user meets it.  Prints every case and a total; fails if any case does.
# SEALANE_TEST_LARGE_BYTES sets the size of the largest round trip (1 GiB).
set -eu
exec python3 "$(dirname "$0")/cli/run.py" "$1"
