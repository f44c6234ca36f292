"""Files that are not what they should be."""
import os

from harness import Place, case, check, equal, fails, run, snapshot, works

# Which error is right depends on what a damage hits; the exit code says the class.
NAMES = ("NOT_SEALED", "DAMAGED", "TRUNCATED", "TRAILING_DATA", "UNSUPPORTED", "NO_SUCH_KEY", "OTHER_STORE")


def refused(p, path, what, codes=(3,)):
    for line in (["unseal", "-k", p.keystore, path, p / "OUT"], ["unseal", "-k", p.keystore, "--offset=1", path, p / "OUT"]):
        before = snapshot(p.path)
        result = run(*line)
        said = result.stderr.decode(errors="replace")
        check(result.returncode in codes, f"{what}: exit code {result.returncode}, it says {said!r}")
        equal(said.count("\n"), 1, f"{what}: lines")
        check(any(said.endswith(f" [{name}]\n") for name in NAMES), f"{what}: {said!r}")
        check(snapshot(p.path) == before, f"{what}: something was left behind")


@case
def foreign_and_empty_files():
    with Place() as p:
        for name, data in [("empty", b""), ("one", b"x"), ("text", b"hello\n" * 1000), ("zeros", bytes(100000)), ("random", os.urandom(50000)),
                           ("gzip", b"\x1f\x8b\x08" + bytes(5000))]:
            path = p.write(name, data)
            fails(3, "NOT_SEALED", "unseal", "-k", p.keystore, path, p / "OUT", directory=p.path)
            fails(3, "NOT_SEALED", "inspect", path, directory=p.path)
            fails(3, "NOT_SEALED", "unseal", "-k", p.keystore, "-", p / "OUT", input=data, directory=p.path)


@case
def cut_files():
    with Place(size=10000) as p:
        whole = p.read(os.path.basename(p.seal()))
        lengths = {1, 7, 8, 9, 100, 4095, 4096, 4097, 8191, 8192, 8193, len(whole) - 4097, len(whole) - 4096, len(whole) - 4095,
                   len(whole) - 33, len(whole) - 2, len(whole) - 1}
        for length in sorted(lengths):
            path = p.write("CUT", whole[:length])
            refused(p, path, f"cut to {length}")
            result = run("unseal", "-k", p.keystore, "-", p / "OUT", input=whole[:length])
            check(result.returncode == 3 and not os.path.exists(p / "OUT"), f"cut to {length} in a pipe: {result}")
        fails(3, "TRUNCATED", "unseal", "-k", p.keystore, p.write("CUT", whole[:-1]), p / "OUT", directory=p.path)
        said = fails(3, "TRUNCATED", "inspect", p / "CUT", directory=p.path)
        check("cut short, or something was added" in said, f"both look the same to a reader: {said!r}")


@case
def flipped_bytes_of_header_and_commit_record():
    with Place(size=100) as p:
        whole = p.read(os.path.basename(p.seal()))
        places = set(range(0, 4096, 61)) | set(range(0, 200, 3)) | set(range(4064, 4096, 5))
        places |= {len(whole) - 1 - at for at in range(0, 4096, 61)} | {len(whole) - 4096 + at for at in range(0, 100, 5)}
        for at in sorted(places):
            damaged = whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1:]
            path = p.write("FLIPPED", damaged)
            result = run("unseal", "-k", p.keystore, path, p / "OUT")
            check(result.returncode in (3, 4), f"flip at {at}: exit code {result.returncode}")
            check(result.stderr.count(b"\n") == 1 and not os.path.exists(p / "OUT"), f"flip at {at}: {result}")
        refused(p, p.write("FLIPPED", whole[:4000] + b"\x01" + whole[4001:]), "padding of the header")
        print(f"         {len(places)} flips refused", flush=True)


@case
def trailing_bytes():
    with Place() as p:
        whole = p.read(os.path.basename(p.seal()))
        for extra in (b"\0", b"x", bytes(4096), whole):
            path = p.write("LONG", whole + extra)
            refused(p, path, f"{len(extra)} bytes after the end")
            result = run("unseal", "-k", p.keystore, "-", p / "OUT", input=whole + extra)
            check(result.returncode == 3 and not os.path.exists(p / "OUT"), f"{len(extra)} bytes after the end of a pipe")
        fails(3, "TRAILING_DATA", "unseal", "-k", p.keystore, p.write("LONG", whole + b"\0"), p / "OUT", directory=p.path)


@case
def the_wrong_keystore():
    with Place() as p, Place() as q:
        sealed = p.seal()
        fails(4, "OTHER_STORE", "unseal", "-k", q.keystore, sealed, p / "OUT", directory=p.path)
        fails(4, "OTHER_STORE", "unseal", "-k", q.keystore, "-", p / "OUT", input=p.read("SEALED"), directory=p.path)


@case
def already_sealed():
    with Place() as p:
        sealed = p.seal()
        fails(1, "ALREADY_SEALED", "seal", "-k", p.keystore, "--suite=ctr", sealed, p / "OUT", directory=p.path)
        fails(1, "ALREADY_SEALED", "seal", "-k", p.keystore, "--suite=ctr", "-", p / "OUT", input=p.read("SEALED"),
              directory=p.path)
