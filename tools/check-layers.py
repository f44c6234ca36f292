#!/usr/bin/env python3
"""check-layers.py [ROOT]: every #include of the tree respects the layers and the homes of third-party headers.

docs/ARCHITECTURE.md explains the layers; the tables below are their definition."""

import pathlib
import re
import sys

# Layer -> layers it may include.  A public header belongs to the layer that implements it (PUBLIC).
LAYERS = {
    "base": {"base"},
    "arch": {"base", "arch"},
    "engine": {"base", "arch", "engine"},
    "engine/pool": {"base", "arch", "engine", "engine/pool"},
    "kms": {"base", "kms"},
    "envelope": {"base", "arch", "engine", "engine/pool", "envelope"},
}
# May include their own folder and public headers only.
USERS = {"cli", "integrations", "bench"}

PUBLIC = {
    "error.h": "base", "errors.def": "base", "export.h": "base", "memory.h": "base", "version.h": "base",
    "cpu.h": "arch", "record.h": "arch", "engine.h": "engine", "topology.h": "engine/pool", "pool.h": "engine/pool",
    "kms.h": "kms", "keystore.h": "envelope", "file.h": "envelope", "output.h": "envelope", "backends.h": "integrations", "sealane.h": "envelope",
}
# The envelope reaches key services by this one header.
PUBLIC_EXTRA = {("envelope", "kms.h"), ("envelope", "sealane.h")}

# Third-party header -> the only folders that may include it.
HOMES = [
    (r"[a-z]mmintrin\.h|x86(gpr)?intrin\.h|cpuid\.h|arm_(neon|acle|sve)\.h", {"arch"}),
    (r"hwloc\.h|hwloc/.*", {"engine/pool", "tests"}),
    (r"openssl/.*", {"envelope", "kms", "integrations", "tests", "bench"}),
    (r"jansson\.h", {"kms", "envelope", "cli", "bench", "tests"}),
    (r"intel-ipsec-mb\.h", {"integrations/backends", "bench"}),
    (r"lz4[a-z]*\.h|benchmark/.*", {"bench"}),
    (r"cmocka\.h|valgrind/.*", {"tests"}),
]
SYSTEM = re.compile(
    r"(assert|ctype|errno|fcntl|getopt|inttypes|limits|locale|math|poll|pthread|regex|sched|semaphore|setjmp|signal|stdalign|stdarg"
    r"|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|termios|time|unistd|dirent|link|dlfcn|libgen|ftw|glob|fnmatch|spawn|wchar"
    r"|langinfo|mntent|pwd|elf|(sys|linux|asm)/[a-z0-9_/-]+)\.h")
CXX = re.compile(r"[a-z_]+")  # <vector>
# Tables, and headers that the build generates from them.
TABLES = {"kernels.def": "arch", "providers.def": "kms", "benches.def": "bench", "benches_built.h": "bench", "bench_commit.h": "bench"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def layer_of(path: str) -> str:
    """The longest folder that is known, so that engine/pool is not engine."""
    parts = path.split("/")
    for n in (2, 1):
        folder = "/".join(parts[:n])
        if folder in LAYERS or (n == 1 and folder):
            return folder
    return ""


def lies_in(path: str, folders: set) -> bool:
    return any(path.startswith(f + "/") for f in folders) or ("engine/pool" not in folders and layer_of(path) in folders)


def fault(path: str, kind: str, name: str) -> str:
    """What is wrong with one include, or nothing."""
    top = path.split("/")[0]
    if kind == '"' or name.startswith("sealane/") or name in TABLES:
        return project_fault(path, top, name)
    for pattern, homes in HOMES:
        if re.fullmatch(pattern, name):
            return "" if lies_in(path, homes) else f"<{name}> belongs in {', '.join(sorted(homes))} only"
    if SYSTEM.fullmatch(name) or (path.endswith(".cc") and CXX.fullmatch(name)):
        return ""
    return f"<{name}> has no home: give it one in tools/check-layers.py"


def project_fault(path: str, top: str, name: str) -> str:
    if top == "tests":
        return ""
    public = name.startswith("sealane/")
    if top == "include":
        return "" if public else f'a public header includes "{name}", which is not installed'
    if top in USERS:
        own = name.split("/")[0] == top or TABLES.get(name) == top
        return "" if public or own else f'"{name}": {top} may include public headers only'
    mine = layer_of(path)
    if mine not in LAYERS:
        return f"unknown folder {mine}: give it a layer in tools/check-layers.py"
    if public:
        header = name[len("sealane/"):]
        if header not in PUBLIC:
            return f"public header {header} has no layer: give it one in tools/check-layers.py"
        theirs = PUBLIC[header]
        if (mine, header) in PUBLIC_EXTRA:
            return ""
    else:
        theirs = TABLES.get(name) or layer_of(name)
    return "" if theirs in LAYERS[mine] else f'"{name}": {mine} may not include {theirs}'


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    folders = sorted({l.split("/")[0] for l in LAYERS} | USERS | {"tests", "include"})
    files = [f for folder in folders for f in sorted((root / folder).rglob("*"))
             if f.suffix in {".c", ".h", ".cc", ".def"} and f.is_file()]
    faults = includes = 0
    for file in files:
        path = str(file.relative_to(root))
        for match in INCLUDE.finditer(file.read_text()):
            includes += 1
            why = fault(path, *match.groups())
            if why:
                faults += 1
                line = file.read_text()[:match.start()].count("\n") + 1
                print(f"{path}:{line}: {why}")
    print(f"{len(files)} files, {includes} includes, {faults} against the layers")
    return 1 if faults or not includes else 0


if __name__ == "__main__":
    sys.exit(main())
