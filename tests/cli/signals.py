"""Signals in the middle: the program dies by them and leaves nothing."""
import os
import signal
import subprocess
import time

import harness
from harness import Place, Skipped, case, check, equal, snapshot, start


def wait_for_temporary(directory, known, process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if set(os.listdir(directory)) - known:
            return
        time.sleep(0.01)
    check(False, f"no temporary appeared (exit code {process.poll()})")


def in_the_middle(p, arguments, data, act, **options):
    """Starts the program on a pipe that stays open after `data`, waits for its temporary, then acts."""
    before = snapshot(p.path)
    known = set(os.listdir(p.path))
    process = start(*arguments, stdin=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    try:
        process.stdin.write(data)
        process.stdin.flush()
        wait_for_temporary(p.path, known, process)
        check(not os.path.exists(p / "OUT"), "the final name exists already")
        act(process)
        code = process.wait(timeout=30)
    finally:
        process.kill()
        process.stdin.close()
    return code, process.stderr.read(), snapshot(p.path) == before


@case
def ending_signals_leave_nothing():
    with Place(size=500000) as p:
        sealed = p.read(os.path.basename(p.seal()))
        seal = ["seal", "-k", p.keystore, "--suite=ctr", "-", p / "OUT"]
        unseal = ["unseal", "-k", p.keystore, "-", p / "OUT"]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            for line, data in ((seal, p.data), (unseal, sealed[:300000])):
                code, said, clean = in_the_middle(p, line, data, lambda process: process.send_signal(number))
                equal(code, -number, f"{line[0]} after {number!r}")
                check(clean, f"{line[0]} after {number!r} left something behind")
                # An emulator has a word of its own about SIGQUIT.
                equal(b"" if harness.is_emulated() else said, b"", "standard error")


@case
def an_existing_output_survives_a_signal():
    with Place(size=500000) as p:
        p.write("PRECIOUS", b"precious")
        line = ["seal", "-k", p.keystore, "--suite=ctr", "--force", "-", p / "PRECIOUS"]
        code, _, clean = in_the_middle(p, line, p.data, lambda process: process.terminate())
        equal((code, clean, p.read("PRECIOUS")), (-signal.SIGTERM, True, b"precious"), "code, clean, content")


@case
def many_signals_at_once():
    with Place(size=500000) as p:
        line = ["seal", "-k", p.keystore, "--suite=ctr", "-", p / "OUT"]

        def act(process):
            for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP] * 5:
                if process.poll() is None:
                    process.send_signal(number)

        for _ in range(10):
            code, _, clean = in_the_middle(p, line, p.data, act)
            check(code in (-signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP), f"exit code {code}")
            check(clean, "something was left behind")


@case
def a_signal_at_any_instant():
    with Place(size=2000000) as p:
        for i in range(40):
            before = snapshot(p.path)
            process = start("seal", "-k", p.keystore, "--suite=ctr", p.source, p / "OUT", stderr=subprocess.DEVNULL)
            time.sleep(i * 0.0005)
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=30)
            check(code in (0, -signal.SIGTERM), f"exit code {code}")
            if code == 0:
                os.remove(p / "OUT")
            elif os.path.exists(p / "OUT"):
                # The signal may come right after the name appeared: then the file must be whole.
                whole = start("unseal", "-k", p.keystore, p / "OUT", "-", stdout=subprocess.PIPE)
                equal(whole.communicate(timeout=30)[0], p.data, "a file that was committed before the signal")
                os.remove(p / "OUT")
            check(snapshot(p.path) == before, f"round {i}: something was left behind")


@case
def an_ignored_hangup_stays_ignored():
    with Place(size=300000) as p:
        line = ["seal", "-k", p.keystore, "--suite=ctr", "-", p / "OUT"]

        def act(process):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.2)
            check(process.poll() is None, "it died of an ignored signal")
            process.stdin.close()

        def ignore():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

        code, said, _ = in_the_middle(p, line, p.data, act, preexec_fn=ignore)
        equal((code, said), (0, b""), "exit code and standard error")
        whole = start("unseal", "-k", p.keystore, p / "OUT", "-", stdout=subprocess.PIPE)
        equal(whole.communicate(timeout=30)[0], p.data, "plaintext")


@case
def no_core_dump_and_no_debugger():
    if not os.path.exists("/proc/self/limits"):
        raise Skipped("there is no /proc")
    with Place(size=300000) as p:
        user = os.geteuid()
        options = {}
        if user == 0:
            # What belongs to root anyway tells nothing: run as somebody else.
            user = 65534
            for path in [p.path, p.keystore] + [os.path.join(p.keystore, name) for name in os.listdir(p.keystore)]:
                os.chown(path, user, user)
            options = {"user": user, "group": user, "extra_groups": []}

        def act(process):
            with open(f"/proc/{process.pid}/limits") as file:
                core = next(line for line in file if line.startswith("Max core file size"))
            equal(core.split()[4:6], ["0", "0"], "limits of core files")
            # Linux gives the /proc files of what its user must not trace to root.
            if not harness.is_sanitized():
                equal(os.stat(f"/proc/{process.pid}/environ").st_uid, 0, "owner of its /proc files")
            process.stdin.close()

        line = ["seal", "-k", p.keystore, "--suite=ctr", "-", p / "OUT"]
        try:
            code, _, _ = in_the_middle(p, line, p.data, act, **options)
        except PermissionError:
            raise Skipped(f"user {user} may not run {harness.program}")
        equal(code, 0, "exit code")
