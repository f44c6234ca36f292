"""On a terminal: no ciphertext, a progress bar that goes away."""
import os
import pty
import subprocess
import time

from harness import Place, case, check, equal, run, start


def read_all(fd):
    got = b""
    while True:
        try:
            more = os.read(fd, 65536)
        except OSError:  # the other side is closed
            return got
        if not more:
            return got
        got += more


@case
def ciphertext_to_a_terminal_is_refused():
    with Place() as p:
        for target in ("-", "device"):
            ours, theirs = pty.openpty()
            out = os.ttyname(theirs) if target == "device" else "-"
            result = run("seal", "-k", p.keystore, "--suite=ctr", p.source, out, stdout=theirs)
            os.close(theirs)
            equal(read_all(ours), b"", "on the terminal")
            os.close(ours)
            equal((result.returncode, result.stderr.count(b"\n")), (2, 1), f"{result.stderr!r}")
            check(result.stderr.endswith(b" [TERMINAL]\n"), f"{result.stderr!r}")


@case
def plaintext_to_a_terminal_is_allowed():
    with Place() as p:
        p.write("IN", b"hello\n")
        sealed = p.seal()
        ours, theirs = pty.openpty()
        result = run("unseal", "-k", p.keystore, sealed, "-", stdout=theirs)
        os.close(theirs)
        equal((result.returncode, read_all(ours)), (0, b"hello\r\n"), "exit code and terminal")
        os.close(ours)


def seal_slowly(p, stderr):
    process = start("seal", "-k", p.keystore, "--suite=ctr", "-", p / "OUT", stdin=subprocess.PIPE, stderr=stderr)
    for _ in range(12):
        process.stdin.write(bytes(1 << 20))
        process.stdin.flush()
        time.sleep(0.1)
    process.stdin.close()
    equal(process.wait(timeout=30), 0, "exit code")
    os.remove(p / "OUT")


@case
def long_work_shows_progress_on_a_terminal_only():
    with Place() as p:
        ours, theirs = pty.openpty()
        seal_slowly(p, theirs)
        os.close(theirs)
        shown = read_all(ours)
        os.close(ours)
        check(b"MiB" in shown and b"/s" in shown, f"on the terminal: {shown!r}")
        check(shown.endswith(b"\r\x1b[K"), f"the bar is still there: {shown[-80:]!r}")
        reader, writer = os.pipe()
        seal_slowly(p, writer)
        os.close(writer)
        equal(read_all(reader), b"", "on a pipe")
        os.close(reader)
