#!/usr/bin/env python3
"""model-loops.py [--update] [--all] LIBRARY...: cycles that llvm-mca gives the kernels' main loops, on CPUs that it models.

A static model: caches, branch prediction and the decoders are not in it, nor are fused pairs of AESE and AESMC.  Its Zen 4 begins two
512-bit AES instructions a cycle, as Zen 5 does; its Ice Lake one of any width, where its Sapphire Rapids begins two of up to 256 bits.  So its
figures rank versions of one loop on one CPU and are no measurement.  They are the same on every machine, and may not differ by more
than TOLERANCE from tools/loops/model.table, which --update writes.  --all: short loops, too."""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

from asm import image, loops

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "tools/loops/model.table"
CPUS = {
    image.X86_64: ("x86_64", ["znver4", "icelake-server", "sapphirerapids"]),
    image.AARCH64: ("aarch64", ["neoverse-n1", "neoverse-n2", "neoverse-v1", "neoverse-v2"]),
}
VERSION = "19"  # the table's; other versions have other models
TOLERANCE = 0.03
ITERATIONS = 200
MAIN = 48  # AES instructions


def source_of(loop, machine):
    """The loop for llvm-mca; its branches lead nowhere, as it repeats all lines anyway."""
    lines = [".intel_syntax noprefix"] if machine == image.X86_64 else []
    for i in loop.body:
        if loops.PADDING.match(i.mnemonic):
            continue
        text = i.text
        if i.target is not None:
            text = re.sub(r"(0x)?[0-9a-f]+$", "out", text)
        lines.append(f"{i.mnemonic} {text}")
    return "\n".join(lines) + "\nout:\n"


def cycles(loop, machine, cpu):
    architecture = CPUS[machine][0]
    command = [f"llvm-mca-{VERSION}", f"-mtriple={architecture}-linux-gnu", f"-mcpu={cpu}", f"-iterations={ITERATIONS}", "-instruction-info=0",
               "-resource-pressure=0"]
    if architecture == "aarch64":
        command.append("-mattr=+aes")
    run = subprocess.run(command, input=source_of(loop, machine), capture_output=True, text=True, check=False)
    total = re.search(r"Total Cycles: +(\d+)", run.stdout)
    if run.returncode or not total:
        raise image.Error(f"llvm-mca failed on {loop.function} {loop.number} for {cpu}: {run.stderr.strip()[:500]}")
    return int(total[1]) / ITERATIONS


def model(path, everything):
    """{row name: (instructions, cycles per iteration, cycles per block)}"""
    library = image.Image(path)
    rows = {}
    for _, loop in loops.kernel_loops(library, ROOT / "arch/kernel.h"):
        if loop.bytes_of_data == 0 or (loop.aes < MAIN and not everything):
            continue
        for cpu in CPUS[library.machine][1]:
            per_iteration = cycles(loop, library.machine, cpu)
            name = f"{library.compiler} {loop.function} {loop.number} {cpu}"
            rows[name] = (loop.total, per_iteration, per_iteration * 16 / loop.bytes_of_data)
    return rows


def write(rows):
    lines = ["# Written by tools/model-loops.py --update: llvm-mca " + VERSION + ", a model, not a measurement.",
             f"# {'compiler':18}  {'kernel':12}  {'member':13}  {'loop':>4}  {'cpu':15}  instructions  cycles  cycles per block"]
    for name, row in rows.items():
        tool, kernel, member, number, cpu = name.split()
        lines.append(f"{tool:20}  {kernel:12}  {member:13}  {number:>4}  {cpu:15}  {row[0]:12}  {row[1]:6.1f}  {row[2]:16.2f}")
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read():
    rows = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            words = line.split()
            rows[" ".join(words[:5])] = float(words[7])
    return rows


def compare(rows):
    """The number of rows that differ, among those of the compilers at hand."""
    tools = {name.split()[0] for name in rows}
    expected = {name: value for name, value in read().items() if name.split()[0] in tools}
    if not expected:
        print(f"no rows for {' '.join(sorted(tools))} in {TABLE.name}: not compared")
        return 0
    failed = 0
    for name in list(expected) + [name for name in rows if name not in expected]:
        old, new = expected.get(name), rows[name][2] if name in rows else None
        if old is None or new is None or abs(new - old) > TOLERANCE * old + 0.005:
            print(f"{name}: cycles per block {old} -> {None if new is None else round(new, 2)}")
            failed += 1
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write the table")
    parser.add_argument("--all", action="store_true", help="print short loops too, and compare nothing")
    parser.add_argument("library", nargs="+")
    arguments = parser.parse_args()
    if not shutil.which(f"llvm-mca-{VERSION}"):
        sys.exit(f"model-loops.py: needs llvm-mca-{VERSION}: tools/bootstrap.sh ci")
    rows = {}
    try:
        for path in arguments.library:
            rows.update(model(path, arguments.all))
    except image.Error as e:
        sys.exit(f"model-loops.py: {e}")
    for name, row in rows.items():
        print(f"{name:60} {row[0]:5} instructions {row[1]:7.1f} cycles {row[2]:6.2f} per block")
    if not rows:
        sys.exit("model-loops.py: no loop found")
    if arguments.update:
        write(rows)
        return 0
    failed = 0 if arguments.all else compare(rows)
    if failed:
        print(f"model-loops.py: {failed} rows differ; if they are meant: tools/model-loops.py --update LIBRARY...")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
