"""Runs the program and judges it strictly: exit code, the one line it says, and that it left nothing behind."""
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

REDUCED = os.environ.get("SEALANE_TEST_REDUCED") == "1"
cases = []
program = None


class Failure(Exception):
    pass


class Skipped(Exception):
    pass


def case(function):
    cases.append(function)
    return function


def check(condition, message):
    if not condition:
        raise Failure(message)


def equal(actual, expected, what):
    check(actual == expected, f"{what}: {actual!r}, not {expected!r}")


def is_sanitized():
    """Sanitizers make mlock do nothing, and AddressSanitizer traces the program itself."""
    with open(program, "rb") as file:
        content = file.read()
    return b"__asan_init" in content or b"__tsan_init" in content


def is_emulated():
    """A script that starts an emulator stands for the program."""
    with open(program, "rb") as file:
        return file.read(4) != b"\x7fELF"


def preparation(limits, default_signals, closed):
    def prepare():
        for what, value in limits.items():
            resource.setrlimit(what, (value, value))
        for number in default_signals:
            signal.signal(number, signal.SIG_DFL)
        for fd in closed:
            os.close(fd)

    return prepare


def command(arguments, without=()):
    """The program's command line, without the capabilities named, which only root would have."""
    line = [program, *arguments]
    if without and os.geteuid() == 0:
        dropped = ",".join("-" + name for name in without)
        line = ["setpriv", "--bounding-set=" + dropped, "--inh-caps=" + dropped, "--", *line]
    return line


def start(*arguments, limits={}, without=(), closed=(), **options):
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    options.setdefault("preexec_fn", preparation(limits, ending, closed))
    return subprocess.Popen(command(arguments, without), **options)


def run(*arguments, input=None, limits={}, without=(), closed=(), **options):
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    if input is None:
        options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("timeout", 120)
    return subprocess.run(command(arguments, without), input=input, preexec_fn=preparation(limits, (), closed), **options)


def works(*arguments, warnings=0, **options):
    """Runs what must succeed and say nothing but `warnings` lines; returns its standard output."""
    result = run(*arguments, **options)
    said = (result.stderr or b"").decode(errors="replace")
    equal(result.returncode, 0, f"exit code of {arguments} (it says {said!r})")
    lines = said.splitlines()
    equal(len(lines), warnings, f"lines on standard error of {arguments}: {said!r}")
    for line in lines:
        check(line.startswith(("sealane: warning: ", "sealane: note: ")), f"line {line!r}")
    return result.stdout


def snapshot(directory):
    """Everything under a directory: kind, mode, size, modification time, content."""
    found = {}
    for path, directories, files in os.walk(os.fsencode(directory)):
        for name in directories + files:
            full = os.path.join(path, name)
            st = os.lstat(full)
            content = None
            if os.path.isfile(full) and not os.path.islink(full):
                with open(full, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
            kind = (st.st_mode, st.st_nlink, st.st_ino)
            found[full] = (kind, st.st_size, st.st_mtime_ns, content) if content else kind
    return found


def fails(code, name, *arguments, directory, **options):
    """Runs what must fail with this exit code and error name, in one line, leaving `directory` as it was."""
    before = snapshot(directory)
    result = run(*arguments, **options)
    said = (result.stderr or b"").decode(errors="replace")
    equal((result.returncode, said.count("\n")), (code, 1), f"exit code and lines of {arguments}: {said!r}")
    check(said.startswith("sealane: ") and said.endswith(f" [{name}]\n"), f"{arguments} says {said!r}, not [{name}]")
    check(not result.stdout, f"{arguments} wrote to standard output")
    after = snapshot(directory)
    check(before == after, f"{arguments} changed {sorted(set(before.items()) ^ set(after.items()))}")
    return said


class Place:
    """A directory with a keystore K and a source IN, removed afterwards."""

    def __init__(self, size=10000, parent=None):
        self.path = tempfile.mkdtemp(prefix="sealane cli ", dir=parent)
        self.keystore = self / "K"
        self.source = self / "IN"
        self.data = os.urandom(size)
        self.write("IN", self.data)
        works("keystore", "create", self.keystore, warnings=1)

    def __truediv__(self, name):
        if isinstance(name, bytes):
            return os.path.join(os.fsencode(self.path), name)
        return os.path.join(self.path, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name, data):
        with open(self / name, "wb") as file:
            file.write(data)
        return self / name

    def read(self, name):
        with open(self / name, "rb") as file:
            return file.read()

    def seal(self, source=None, out="SEALED", **options):
        works("seal", "-k", self.keystore, "--suite", "ctr", source or self.source, self / out, **options)
        return self / out


def main(path):
    global program
    program = os.path.abspath(path)
    failed = skipped = 0
    for function in cases:
        name = function.__module__ + ": " + function.__name__.replace("_", " ")
        try:
            function()
            print(f"ok       {name}", flush=True)
        except Skipped as reason:
            skipped += 1
            print(f"skipped  {name}: {reason}", flush=True)
        except (Failure, OSError, subprocess.SubprocessError, ValueError, KeyError) as reason:
            failed += 1
            print(f"FAILED   {name}: {reason}", flush=True)
    print(f"{len(cases)} cases: {len(cases) - failed - skipped} ok, {skipped} skipped, {failed} failed")
    return 1 if failed or not cases else 0
