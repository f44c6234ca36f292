"""What goes in comes out: every size, pipes, ranges, every kernel."""
import json
import os
import random
import shutil
import subprocess

from harness import REDUCED, Place, Skipped, case, check, equal, fails, start, works

PAGE = 4096
CHUNK = 65536


@case
def sizes():
    sizes = {0, 1, 15, 16, 17, 100, 1 << 20, (1 << 20) + 1, 5 * (1 << 20) + 12345}
    for near in (PAGE, CHUNK, 1 << 20):
        sizes |= {near - 1, near, near + 1, near + 16}
    with Place() as p:
        for size in sorted(sizes):
            data = os.urandom(size)
            p.write("IN", data)
            p.seal()
            sealed = p.read("SEALED")
            check(len(sealed) >= size and (size < 16 or data not in sealed), f"{size} bytes: plaintext in the sealed file")
            works("unseal", "-k", p.keystore, p / "SEALED", p / "PLAIN")
            check(p.read("PLAIN") == data, f"{size} bytes: another plaintext")
            equal(json.loads(works("inspect", "--json", p / "SEALED"))["plaintext_bytes"], size, "inspect")
            equal(p.read("IN"), data, "the source")
            os.remove(p / "SEALED")
            os.remove(p / "PLAIN")


@case
def sealing_twice_gives_two_ciphertexts():
    with Place() as p:
        a, b = p.read(os.path.basename(p.seal(out="A"))), p.read(os.path.basename(p.seal(out="B")))
        equal(len(a), len(b), "length")
        same = sum(x == y for x, y in zip(a[PAGE:PAGE + 10000], b[PAGE:PAGE + 10000]))
        check(same < 200, f"{same} of 10000 ciphertext bytes are the same")


@case
def pipes():
    with Place(size=3 * CHUNK + 5) as p:
        sealed = works("seal", "-k", p.keystore, "--suite", "ctr", "-", "-", input=p.data)
        equal(works("unseal", "-k", p.keystore, "-", "-", input=sealed), p.data, "pipes on both sides")
        p.write("SEALED", sealed)
        equal(works("unseal", "-k", p.keystore, p / "SEALED", "-"), p.data, "file to pipe")
        works("unseal", "-k", p.keystore, "-", p / "PLAIN", input=sealed)
        equal(p.read("PLAIN"), p.data, "pipe to file")
        one = start("seal", "-k", p.keystore, "--suite", "ctr", p.source, "-", stdout=subprocess.PIPE)
        two = start("unseal", "-k", p.keystore, "-", "-", stdin=one.stdout, stdout=subprocess.PIPE)
        one.stdout.close()
        equal(two.communicate(timeout=60)[0], p.data, "one program into the other")
        equal((one.wait(), two.wait()), (0, 0), "exit codes")


@case
def long_files_on_all_numbers_of_threads():
    processors = len(os.sched_getaffinity(0))
    with Place(size=40 * (1 << 20) + 77) as p:
        for threads in (None, 1, processors):
            option = ["--threads", str(threads)] if threads else []
            works("seal", "-k", p.keystore, "--suite=ctr", *option, p.source, p / "SEALED")
            for back in (None, 1, processors):
                option = ["--threads", str(back)] if back else []
                works("unseal", "-k", p.keystore, *option, p / "SEALED", p / "PLAIN")
                check(p.read("PLAIN") == p.data, f"{threads} threads, {back} back: another plaintext")
                os.remove(p / "PLAIN")
            os.remove(p / "SEALED")


@case
def long_files_without_a_topology():
    with Place(size=17 << 20) as p:
        nowhere = {"env": dict(os.environ, HWLOC_SYNTHETIC="node:2 core:4 pu:2")}
        works("seal", "-k", p.keystore, "--suite=ctr", p.source, p / "SEALED", **nowhere)
        equal(works("unseal", "-k", p.keystore, p / "SEALED", "-"), p.data, "plaintext")
        fails(1, "IO", "seal", "-k", p.keystore, "--suite=ctr", "--threads=2", p.source, p / "OUT", directory=p.path, **nowhere)


@case
def without_suite_it_warns_once():
    with Place() as p:
        works("seal", "-k", p.keystore, p.source, p / "OUT", warnings=1)
        equal(works("unseal", "-k", p.keystore, p / "OUT", "-"), p.data, "plaintext")


@case
def ranges():
    seeded = random.Random(20)
    with Place(size=3 * CHUNK + 1000) as p:
        sealed, size = p.seal(), len(p.data)
        pairs = [(0, 0), (0, 1), (1, 1), (15, 2), (size - 1, 1), (size - 1, 100), (size, 0), (4095, 2), (CHUNK - 1, 2), (0, size + 1)]
        pairs += [(seeded.randrange(size), seeded.randrange(size)) for _ in range(20)]
        for offset, length in pairs:
            got = works("unseal", "-k", p.keystore, "--offset", str(offset), f"--length={length}", sealed, "-")
            check(got == p.data[offset:offset + length], f"offset {offset}, length {length}")
        equal(works("unseal", "-k", p.keystore, "--offset", "64K", sealed, "-"), p.data[CHUNK:], "--offset 64K")
        equal(works("unseal", "-k", p.keystore, "--length", "1K", sealed, "-"), p.data[:1024], "--length 1K")
        equal(works("unseal", "-k", p.keystore, "--offset", "70000", "--length=9", "-", "-", input=p.read("SEALED")),
              p.data[70000:70009], "a range of a pipe")
        for offset in (size + 1, 1 << 40, (1 << 64) - 1):
            fails(2, "RANGE", "unseal", "-k", p.keystore, "--offset", str(offset), sealed, p / "OUT", directory=p.path)


@case
def every_kernel_gives_the_same():
    kernels = [k["name"] for k in json.loads(works("cpu", "--json"))["kernels"] if k["state"] == "ready"]
    with Place(size=100003) as p:
        for one in kernels:
            sealed = p.seal(out="S " + one)
            for other in kernels:
                equal(works("unseal", "-k", p.keystore, "--kernel", other, sealed, "-"), p.data, f"{one} and {other}")
        fails(2, "KERNEL_UNKNOWN", "seal", "-k", p.keystore, "--kernel", "nothing", p.source, p / "OUT", directory=p.path)
        fails(2, "KERNEL_UNKNOWN", "unseal", "-k", p.keystore, "--kernel=nothing", sealed, p / "OUT", directory=p.path)


@case
def reseal_with_force():
    with Place() as p:
        once = p.seal(out="ONCE")
        fails(1, "ALREADY_SEALED", "seal", "-k", p.keystore, "--suite=ctr", once, p / "TWICE", directory=p.path)
        works("seal", "-k", p.keystore, "--suite=ctr", "--force", once, p / "TWICE")
        works("unseal", "-k", p.keystore, p / "TWICE", p / "BACK")
        equal(p.read("BACK"), p.read("ONCE"), "sealed once")


@case
def a_sparse_file_and_one_that_was_half_read():
    with Place() as p:
        with open(p / "SPARSE", "wb") as file:
            file.truncate(40 << 20)
            file.seek(20 << 20)
            file.write(b"island")
        sealed = p.seal(p / "SPARSE")
        check(os.stat(sealed).st_blocks * 512 >= 40 << 20, "holes must become encrypted zeros")
        works("unseal", "-k", p.keystore, sealed, p / "PLAIN")
        equal(subprocess.run(["cmp", p / "SPARSE", p / "PLAIN"]).returncode, 0, "cmp")
        with open(p.source, "rb") as file:
            os.lseek(file.fileno(), 1000, os.SEEK_SET)
            part = works("seal", "-k", p.keystore, "--suite=ctr", "-", "-", stdin=file)
        equal(works("unseal", "-k", p.keystore, "-", "-", input=part), p.data[1000:], "from where standard input stood")


def roomy_directory(bytes_needed):
    for directory in (os.environ.get("TMPDIR"), "/dev/shm", "/tmp", "."):
        if directory and os.access(directory, os.W_OK) and shutil.disk_usage(directory).free > bytes_needed:
            return directory
    raise Skipped(f"no directory has {bytes_needed >> 20} MiB free")


@case
def a_large_file_in_little_memory():
    size = int(os.environ.get("SEALANE_TEST_LARGE_BYTES", (1 << 24) if REDUCED else (1 << 30)))
    with Place(parent=roomy_directory(3 * size + (256 << 20))) as p:
        block = os.urandom(1 << 20)
        with open(p / "LARGE", "wb") as file:
            for i in range(size >> 20):
                file.write(i.to_bytes(8, "little"))
                file.write(block[8:])
            file.write(block[: size & 0xFFFFF])
        for line in [["seal", "--suite=ctr", p / "LARGE", p / "SEALED"], ["unseal", p / "SEALED", p / "PLAIN"]]:
            process = start(line[0], "-k", p.keystore, *line[1:])
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            equal(process.returncode, 0, f"{line[0]} of {size} bytes")
            if not REDUCED:
                check(usage.ru_maxrss < 64 << 10, f"{line[0]} took {usage.ru_maxrss} KiB")
        equal(subprocess.run(["cmp", p / "LARGE", p / "PLAIN"]).returncode, 0, f"cmp of {size} bytes")
        print(f"         {size} bytes there and back", flush=True)
