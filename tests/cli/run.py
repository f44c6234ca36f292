import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness

# Each module adds its cases to harness.cases.
import usage  # noqa: F401
import machine  # noqa: F401
import keystores  # noqa: F401
import roundtrips  # noqa: F401
import files  # noqa: F401
import damage  # noqa: F401
import limits  # noqa: F401
import surroundings  # noqa: F401
import signals  # noqa: F401
import terminals  # noqa: F401

if len(sys.argv) != 2:
    sys.exit("usage: test_cli.sh SEALANE")
sys.exit(harness.main(sys.argv[1]))
