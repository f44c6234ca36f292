#!/usr/bin/env python3
"""check-taint.py [--kernels NAME,...] LIBRARY...: in the machine code of the kernels no branch, no address and no time of an instruction
depends on a secret.

Takes the linked library as it is shipped, finds the functions that each struct sl_kernel refers to, and follows what depends on keys,
schedules, tables and data through registers, flags, masks and the stack, along all paths and calls, to a fixed point (asm/taint.py).  It fails
on a conditional branch whose flags depend on a secret, an address or a mask of a memory access that does, a division or a shift count
that does, an indirect branch, and on any instruction or callee that it does not know.  Conditional moves and multiplications take the
same time whatever their operands are.  tools/taint.table says which arguments are secrets.  Every kernel of arch/kernels.def for the
library's architecture has to be there; with --kernels those named instead."""

import fnmatch
import pathlib
import re
import sys

from asm import aarch64, image, taint, x86

ROOT = pathlib.Path(__file__).resolve().parent.parent
MACHINES = {image.X86_64: ("x86_64", x86.Machine), image.AARCH64: ("aarch64", aarch64.Machine)}
KINDS = {"public": "any", "secret*": "any", "public*": "public", "records*": "records"}


def read_table(path):
    entries, externals, skips = {}, {}, []
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or words[0] == "#":
            continue
        if words[0] == "entry":
            entries[words[1]] = [KINDS[kind] for kind in words[2:]]
        elif words[0] == "external":
            externals[words[1]] = words[2:]
        elif words[0] == "skip":
            skips.append((words[1], words[2], " ".join(words[3:])))
        else:
            sys.exit(f"{path}: not understood: {line}")
    return entries, externals, skips


def expected_kernels(architecture):
    rows = re.findall(r'^KERNEL\((\w+), "[^"]*", (\w+),', (ROOT / "arch/kernels.def").read_text(encoding="utf-8"), flags=re.M)
    return [name for name, of in rows if of in (architecture, "any")]


def check(path, named, table):
    """The number of failures in one library."""
    entries, externals, skips = table
    library = image.Image(path)
    architecture, machine_of = MACHINES[library.machine]
    machine, failed = machine_of(library), 0
    points = image.entry_points(library, ROOT / "arch/kernel.h")
    expected = named or expected_kernels(architecture)
    print(f"{path} ({architecture})")
    for kernel in expected:
        if not any(point[0] == kernel for point in points):
            print(f"  {kernel}: not found, or without functions")
            failed += 1
    for kernel, member, name, address in points:
        if kernel not in expected:
            continue
        reason = next((why for pattern, what, why in skips if what == member and fnmatch.fnmatch(kernel, pattern)), None)
        if reason:
            print(f"  {kernel} {name}: not analysed: {reason}")
            continue
        if member not in entries:
            print(f"  {kernel} {name}: tools/taint.table does not say which arguments of {member} are secrets")
            failed += 1
            continue
        analysis = taint.Analysis(library, machine, externals)
        analysis.run(address, machine.enter(entries[member]))
        seen = {what: len(at) for what, at in analysis.checked.items()}
        print(f"  {kernel} {name}: {len(analysis.visited)} instructions, {seen['load']} loads, {seen['store']} stores, "
              f"{seen['branch']} branches")
        if len(analysis.visited) < 10 or not seen["load"] or not seen["store"]:
            print("    that cannot be all of it")
            failed += 1
        for at in sorted(analysis.findings):
            print(f"    {analysis.findings[at]}")
            failed += 1
    return failed


def main(arguments):
    named = None
    if arguments and arguments[0] == "--kernels":
        named, arguments = arguments[1].split(","), arguments[2:]
    if not arguments:
        sys.exit(__doc__.splitlines()[0])
    table = read_table(ROOT / "tools/taint.table")
    try:
        failed = sum(check(path, named, table) for path in arguments)
    except image.Error as e:
        sys.exit(f"check-taint.py: {e}")
    print(f"check-taint.py: {failed} failures" if failed else "check-taint.py: nothing depends on a secret")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
