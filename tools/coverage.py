#!/usr/bin/env python3
"""coverage.py SOURCE_DIR BUILD_DIR: line coverage of each file from gcov's data, lowest first, and the total."""

import collections
import json
import os
import pathlib
import subprocess
import sys


def main() -> int:
    source, build = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
    hits = collections.defaultdict(lambda: collections.defaultdict(int))
    for data in build.rglob("*.gcda"):
        out = subprocess.run(["gcov", "--json-format", "--stdout", data], cwd=build, check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        for line in out.splitlines():
            for entry in json.loads(line)["files"]:
                path = pathlib.Path(os.path.normpath(build / entry["file"]))
                if not path.is_relative_to(source) or path.is_relative_to(build):
                    continue
                name = str(path.relative_to(source))
                if name.startswith("tests/"):
                    continue
                for l in entry["lines"]:
                    hits[name][l["line_number"]] += l["count"]
    if not hits:
        print("no coverage data: run the tests of a build with SEALANE_COVERAGE=ON first", file=sys.stderr)
        return 1
    rows = [(sum(1 for n in lines.values() if n) / len(lines), len(lines), name) for name, lines in hits.items()]
    for share, count, name in sorted(rows):
        print(f"{share:7.1%} of {count:5} lines  {name}")
    total = sum(count for _, count, _ in rows)
    print(f"{sum(share * count for share, count, _ in rows) / total:7.1%} of {total:5} lines  in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
