"""Little memory, little disk."""
import os
import platform
import resource
import subprocess

import harness
from harness import Place, Skipped, case, check, equal, fails, run, works

PLAIN_USER = ("ipc_lock", "sys_resource")


def lockable(kib):
    return {"limits": {resource.RLIMIT_MEMLOCK: kib * 1024}, "without": PLAIN_USER}


@case
def sixty_four_kib_of_lockable_memory_suffice():
    with Place(size=3000000) as p:
        works("kms", "create", "file:" + (p / "kek"), **lockable(64))
        works("keystore", "create", p / "K2", "--kms", "file:" + (p / "kek"), **lockable(64))
        works("keystore", "verify", p / "K2", **lockable(64))
        works("seal", "-k", p / "K2", "--suite=ctr", p.source, p / "OUT", **lockable(64))
        equal(works("unseal", "-k", p / "K2", p / "OUT", "-", **lockable(64)), p.data, "plaintext")


@case
def no_lockable_memory_is_an_error_or_a_warning():
    if harness.is_sanitized():
        raise Skipped("sanitizers make mlock do nothing")
    with Place() as p:
        sealed = p.seal()
        lines = [
            ["seal", "-k", p.keystore, "--suite=ctr", p.source, p / "OUT"],
            ["unseal", "-k", p.keystore, sealed, p / "PLAIN"],
            ["keystore", "verify", p.keystore],
            ["keystore", "create", p / "K2"],
            ["kms", "create", "file:" + (p / "kek")],
        ]
        for line in lines:
            fails(1, "MEMORY_LOCK", *line, directory=p.path, **lockable(0))
        for line in lines:
            result = run(*line, "--allow-unlocked-memory", **lockable(0))
            equal(result.returncode, 0, f"exit code of {line}: {result.stderr!r}")
            check(b"warning: " in result.stderr and b"RLIMIT_MEMLOCK" in result.stderr, f"{line} warns: {result.stderr!r}")
        equal(p.read("PLAIN"), p.data, "plaintext")


@case
def a_thread_that_cannot_be_started():
    if harness.is_sanitized() or harness.is_emulated():
        raise Skipped("sanitizers and emulators need a stack of their own")
    if platform.libc_ver(harness.program)[0] != "glibc":
        raise Skipped("only glibc takes a thread's stack from the limit")
    if resource.getrlimit(resource.RLIMIT_STACK)[1] != resource.RLIM_INFINITY:
        raise Skipped("the stack's hard limit is too low")
    with Place() as p:
        # glibc gives a thread a stack of this size, more than there are addresses.
        line = ["seal", "-k", p.keystore, "--suite=ctr", p.source, p / "OUT"]
        fails(1, "THREAD", *line, directory=p.path, limits={resource.RLIMIT_STACK: 1 << 47})


@case
def workers_that_nobody_asked_for_are_done_without():
    if harness.is_sanitized() or harness.is_emulated():
        raise Skipped("sanitizers and emulators need address space of their own")
    refused = 0
    with Place(size=17 << 20) as p:
        # Stacks of workers take what little address space there is; one thread more may fit.
        for mib in range(16, 80, 4):
            limit = {"limits": {resource.RLIMIT_AS: mib << 20}}

            def seal(*threads):
                return run("seal", "-k", p.keystore, "--suite=ctr", *threads, "--force", p.source, p / "OUT", **limit)

            if seal("--threads", "1").returncode == 0:
                equal(seal().returncode, 0, f"exit code by default with {mib} MiB of addresses")
                equal(works("unseal", "-k", p.keystore, p / "OUT", "-"), p.data, "plaintext")
                refused += os.cpu_count() > 1 and seal("--threads", "2").returncode == 1
    if refused == 0:
        raise Skipped("no limit was found at which one thread fits and workers do not")


@case
def a_failure_without_a_suite_is_one_line():
    with Place(size=100000) as p:
        limit = {"limits": {resource.RLIMIT_FSIZE: 10000}}
        fails(1, "FILE_SIZE_LIMIT", "seal", "-k", p.keystore, p.source, p / "OUT", directory=p.path, **limit)
        fails(1, "NO_SPACE", "seal", "-k", p.keystore, p.source, "/dev/full", directory=p.path)
        works("seal", "-k", p.keystore, p.source, p / "OUT", warnings=1)


@case
def a_file_size_limit():
    with Place(size=3000000) as p:
        sealed = p.seal()
        limit = {"limits": {resource.RLIMIT_FSIZE: 1000000}}
        fails(1, "FILE_SIZE_LIMIT", "seal", "-k", p.keystore, "--suite=ctr", p.source, p / "OUT", directory=p.path, **limit)
        fails(1, "FILE_SIZE_LIMIT", "unseal", "-k", p.keystore, sealed, p / "OUT", directory=p.path, **limit)
        # The data fits, what comes after it does not.
        limit = {"limits": {resource.RLIMIT_FSIZE: 3000000 + 4096}}
        fails(1, "FILE_SIZE_LIMIT", "seal", "-k", p.keystore, "--suite=ctr", p.source, p / "OUT", directory=p.path, **limit)
        fails(1, "FILE_SIZE_LIMIT", "keystore", "create", p / "K2", directory=p.path, limits={resource.RLIMIT_FSIZE: 10})


FULL_DISK = """
mount -t tmpfs -o size=1m none "$2" || exit 99
"$1" "$3" -k "$4" $6 "$5" "$2/OUT"
echo "exit $? left $(ls -A "$2" | wc -l)"
"""


@case
def a_full_disk():
    if subprocess.run(["unshare", "-rm", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skipped("unshare -rm is not permitted; the file size limit above stands for it")
    with Place(size=3000000) as p:
        sealed = p.seal()
        os.mkdir(p / "mnt")
        for name, source, options in (("seal", p.source, "--suite=ctr"), ("unseal", sealed, "")):
            result = subprocess.run(["unshare", "-rm", "sh", "-c", FULL_DISK, "sh", harness.program, p / "mnt", name, p.keystore,
                                     source, options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
            if result.returncode == 99:
                raise Skipped("a tmpfs cannot be mounted; the file size limit above stands for it")
            equal(result.stdout, b"exit 1 left 0\n", f"{name} on a full tmpfs of 1 MiB: {result.stderr!r}")
            check(result.stderr.endswith(b" [NO_SPACE]\n") and result.stderr.count(b"\n") == 1, f"{result.stderr!r}")
        print("         with unshare -rm and a tmpfs of 1 MiB", flush=True)


READ_ONLY = """
mount -t tmpfs -o ro none "$2" || exit 99
"$1" seal -k "$3" --suite=ctr "$4" "$2/OUT"
echo "exit $? left $(ls -A "$2" | wc -l)"
"""


@case
def a_read_only_file_system():
    if subprocess.run(["unshare", "-rm", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skipped("unshare -rm is not permitted")
    with Place() as p:
        os.mkdir(p / "mnt")
        result = subprocess.run(["unshare", "-rm", "sh", "-c", READ_ONLY, "sh", harness.program, p / "mnt", p.keystore, p.source],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        if result.returncode == 99:
            raise Skipped("a tmpfs cannot be mounted")
        equal(result.stdout, b"exit 1 left 0\n", f"{result.stderr!r}")
        check(result.stderr.endswith(b" [PERMISSION]\n"), f"{result.stderr!r}")


@case
def no_descriptors_left():
    if harness.is_emulated():
        raise Skipped("the emulator needs descriptors as well")
    with Place() as p:
        for count in range(3, 9):
            result = run("seal", "-k", p.keystore, "--suite=ctr", p.source, p / "OUT", limits={resource.RLIMIT_NOFILE: count})
            if result.returncode == 0:
                break
            check(not os.path.exists(p / "OUT") and result.returncode in (1, 127), f"{count} descriptors: {result}")
        equal(works("unseal", "-k", p.keystore, p.seal(out="AGAIN"), "-"), p.data, "plaintext")
