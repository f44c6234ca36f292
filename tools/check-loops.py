#!/usr/bin/env python3
"""check-loops.py [--update] [--kernels NAME,...] [--table FILE] LIBRARY...: what the innermost loops of the kernels consist of, by the machine code.

Counts per iteration of each loop with AES instructions, or with bitsliced rounds: instructions, AES instructions, loads, stores, accesses
to the stack, and bytes of data.  They have to be those of tools/loops/ARCHITECTURE-COMPILER-VERSION.table, which --update writes;
for another compiler there is no table, and it says so.  No loop touches the stack, except those of tools/loops/stack.table, which gives the
reasons."""

import argparse
import fnmatch
import pathlib
import sys

from asm import image, loops

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHOWN = 3  # accesses to the stack
COLUMNS = ("instructions", "aes", "loads", "stores", "stack", "bytes")


def read_rows(path):
    rows = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            words = line.split()
            rows[" ".join(words[:3])] = tuple(int(word) for word in words[3:])
    return rows


def write_rows(path, rows):
    names = [name.split() for name in rows]
    widths = [max([len(name[i]) for name in names] + [6]) for i in range(3)]
    lines = ["# Written by tools/check-loops.py --update.  Per iteration of the kernels' loops:",
             "# " + "  ".join(("kernel".ljust(widths[0] - 2), "member".ljust(widths[1]), "loop".ljust(widths[2]))) + "  " + "  ".join(COLUMNS)]
    for name, row in zip(names, rows.values()):
        cells = [cell.ljust(width) for cell, width in zip(name, widths)]
        lines.append("  ".join(cells) + "  " + "  ".join(str(n).rjust(len(column)) for n, column in zip(row, COLUMNS)))
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def excused(name, tool):
    for line in (ROOT / "tools/loops/stack.table").read_text(encoding="utf-8").splitlines():
        words = line.split(None, 3)
        if len(words) == 4 and words[0] != "#" and fnmatch.fnmatch(tool, words[0]) and \
                fnmatch.fnmatch(" ".join(name.split()[:2]), f"{words[1]} {words[2]}"):
            return words[3]
    return None


def check(path, arguments):
    """The number of failures in one library."""
    library = image.Image(path)
    tool = library.compiler
    kernels = arguments.kernels.split(",") if arguments.kernels else None
    table = pathlib.Path(arguments.table or ROOT / f"tools/loops/{tool}.table")
    found = loops.kernel_loops(library, ROOT / "arch/kernel.h", kernels)
    rows = {f"{loop.function} {loop.number}": (loop.total, loop.aes, loop.loads, loop.stores, len(loop.stack), loop.bytes_of_data)
            for _, loop in found}
    print(f"{path}: {tool}: {len(rows)} loops")
    failed = 0
    if not rows:
        print("  no loop found")
        failed += 1
    for _, loop in found:
        reason = excused(loop.function, tool)
        if loop.stack and not reason:
            print(f"  {loop.function} {loop.number} touches the stack {len(loop.stack)} times:")
            for i in loop.stack[:SHOWN]:
                print(f"    {library.name_of(i.address)}: {i.mnemonic} {i.text}")
            failed += 1
    if arguments.update:
        write_rows(table, rows)
        return failed
    if not table.exists():
        print(f"  no table for this compiler ({table.name}): counts not checked, only that no loop touches the stack")
        return failed
    expected = read_rows(table)
    for name in list(expected) + [name for name in rows if name not in expected]:
        old, new = expected.get(name), rows.get(name)
        if old != new:
            print(f"  {name}: " + ("no longer there" if new is None else "not in the table" if old is None else
                                   ", ".join(f"{column} {a} -> {b}" for column, a, b in zip(COLUMNS, old, new) if a != b)))
            failed += 1
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write the table instead")
    parser.add_argument("--kernels", help="only these")
    parser.add_argument("--table", help="instead of the one of architecture and compiler")
    parser.add_argument("library", nargs="+")
    arguments = parser.parse_args()
    try:
        failed = sum(check(path, arguments) for path in arguments.library)
    except image.Error as e:
        sys.exit(f"check-loops.py: {e}")
    if failed:
        print(f"check-loops.py: {failed} differences; if they are meant: tools/check-loops.py --update {' '.join(arguments.library)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
