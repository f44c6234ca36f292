"""The command line itself, and what is generated from its tables."""
import os
import re
import shutil
import subprocess
import tempfile

import harness
from harness import Skipped, case, check, equal, fails, run, works

ABSENT = ["authenticated", "clickhouse", "rotate", "add-key", "import-key", "migrate", "backup", "guard"]


@case
def usage_errors():
    lines = [
        [], ["nothing"], ["--nothing"], ["-x"], ["-"], ["keystore"], ["keystore", "nothing"], ["kms"], ["cpu", "extra"],
        ["cpu", "-k", "K"], ["cpu", "--json=yes"], ["cpu", "--", "--json"], ["seal"], ["seal", "-k"], ["seal", "-k", "K"],
        ["seal", "-k", "K", "IN"], ["seal", "IN", "OUT"], ["seal", "-k", "K", "IN", "OUT", "MORE"],
        ["seal", "-k", "", "IN", "OUT"], ["seal", "-k", "A", "-k", "B", "IN", "OUT"], ["seal", "--keystore=", "IN", "OUT"],
        ["seal", "-k", "K", "--suite", "nothing", "IN", "OUT"], ["seal", "-k", "K", "--format", "nothing", "IN", "OUT"],
        ["seal", "-k", "K", "--offset", "1", "IN", "OUT"], ["seal", "-k", "K", "--forc", "IN", "OUT"],
        ["keystore", "create", "A", "B"], ["keystore", "create", "A", "--context", "novalue"],
        ["keystore", "create", "A", "--context", "=v"], ["keystore", "create", "A", "--context", "a=1", "--context", "a=2"],
        ["keystore", "create", "A", "--context", "k=" + "v" * 256],
        ["keystore", "create", "A"] + ["--context=a%d=b" % i for i in range(17)],
        ["keystore", "show", "A", "--kms", "file:x"], ["inspect"], ["inspect", "A", "B"], ["help", "nothing"],
        ["help", "keystore", "nothing"], ["help", "cpu", "extra"], ["kms", "create"], [""],
        ["seal", "-k", "K", "IN", ""], ["seal", "-k", "K", "", "OUT"], ["keystore", "create", ""],
    ]
    with tempfile.TemporaryDirectory() as empty:
        for line in lines:
            said = fails(2, "ARGUMENT", *line, directory=empty, cwd=empty)
            check("--help" in said, f"{line}: no hint at --help")


@case
def byte_counts_that_are_none():
    bad = ["", "-1", "+1", " 1", "1 ", "1k", "1KiB", "0x10", "1e3", "1.5", "K", "18446744073709551616", "16777216T", "1KK"]
    with tempfile.TemporaryDirectory() as empty:
        for option in ["--offset", "--length"]:
            for text in bad:
                fails(2, "ARGUMENT", "unseal", "-k", "K", option, text, "IN", "OUT", directory=empty, cwd=empty)


@case
def threads_that_are_none():
    with tempfile.TemporaryDirectory() as empty:
        for name in ("IN", "K"):
            open(os.path.join(empty, name), "w").close()
        for command in ("seal", "unseal"):
            for text in ("", "0", "-1", "two", "1.5", "1K", "1B", "100000", "18446744073709551616"):
                with tempfile.TemporaryDirectory() as out:
                    fails(2, "ARGUMENT", command, "-k", "K", "--threads", text, "IN", os.path.join(out, "OUT"), directory=out, cwd=empty)
                    fails(2, "ARGUMENT", command, "-k", "K", "--threads", text, "MISSING", os.path.join(out, "OUT"), directory=out, cwd=empty)


@case
def suites_and_formats_of_other_versions():
    with tempfile.TemporaryDirectory() as empty:
        fails(2, "SUITE_UNAVAILABLE", "seal", "-k", "K", "--suite", "authenticated", "IN", "OUT", directory=empty, cwd=empty)
        said = fails(2, "SUITE_UNAVAILABLE", "seal", "-k", "K", "--format=clickhouse", "IN", "OUT", directory=empty, cwd=empty)
        check("--suite" not in said, f"a suite does not mend a format: {said!r}")


@case
def hostile_arguments_stay_on_one_line():
    with tempfile.TemporaryDirectory() as empty:
        said = fails(2, "ARGUMENT", "a\nb\x1b[2J\r\x7f\u0085\u202e", directory=empty)
        check(not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]", said), f"control characters in {said!r}")
        said = fails(2, "ARGUMENT", b"--\xff\xfe", directory=empty)
        check("\\xff\\xfe" in said, f"{said!r}")


@case
def help_everywhere():
    everything = works("--help").decode()
    equal(works("help").decode(), everything, "help")
    equal(works("-h").decode(), everything, "-h")
    commands = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  +\S", everything, re.M)
    check(len(commands) >= 9, f"commands in --help: {commands}")
    for text in [everything] + [works(*name.split(), "--help").decode() for name in commands]:
        check(all(len(line) <= 90 for line in text.splitlines()), "a line is too long")
        for word in ABSENT:
            check(word not in text, f"help names {word}, which does not exist")
    for name in commands:
        text = works("help", *name.split()).decode()
        equal(works("--help", *name.split()).decode(), text, name)
        check(text.startswith("Usage: sealane " + name), f"{name}: {text[:40]!r}")
        for option in re.findall(r"^ +(?:-., )?(--[a-z-]+)", text, re.M):
            check(option in ("--help",) or b"unknown option" not in run(*name.split(), option).stderr, f"{name} {option}")


def option_help(command, option):
    text = works(*command.split(), "--help").decode()
    return " ".join(re.split(r"^ +(?:-., )?--", text.split(f"--{option} ")[-1], flags=re.M)[0].split())


@case
def options_are_explained_as_the_command_means_them():
    check("already sealed" in option_help("seal", "force") or "sealed already" in option_help("seal", "force"), "seal --force")
    check("sealed" not in option_help("unseal", "force"), "unseal --force seals nothing")
    check("refused" not in option_help("keystore create", "kms"), "keystore create --kms pins nothing")
    for command in ("keystore verify", "seal", "unseal"):
        check("refused" in option_help(command, "kms"), f"{command} --kms")
    for command in ("keystore create", "keystore verify", "seal", "unseal"):
        check("relative" in option_help(command, "kms"), f"{command} --kms says nothing of relative paths")
    for command in ("seal", "unseal"):
        text = " ".join(works(command, "--help").decode().split())
        check("position" in text and "0600" in text, f"{command} --help on pipes and positions")
    page = generated("sealane.1")
    with open(page) as file:
        section = file.read().split('.SS "sealane unseal')[1].split(".SS")[0]
    check("sealed already" not in section, "the manual page's unseal --force")


@case
def an_argument_that_is_wrong_is_named():
    many = [f"--context=a{i}=b" for i in range(14)]
    lines = [
        (["keystore", "create", "K", "--context", "sealane:x="], "sealane:x"),
        (["keystore", "create", "K", "--context", b"a=\xff"], "\\xff"),
        (["keystore", "create", "K", "--context", b"\xfe=a"], "\\xfe"),
        (["keystore", "create", "K", *many], "--context"),
        (["keystore", "create", "K", "--kms", "file:"], "--kms"),
        (["keystore", "create", "K", "--kms", b"file:\xff\n"], "\\xff\\x0a"),
        (["keystore", "create", "."], "DIR"),
        (["keystore", "create", "K/.."], "DIR"),
        (["keystore", "create", "x" * 256], "DIR"),
        (["keystore", "verify", "K", "--kms", "file:"], "--kms"),
        (["seal", "-k", "K", "--kms", "file://host/kek", "IN", "OUT"], "--kms"),
        (["kms", "create", "file:"], "URI"),
        (["kms", "create", b"file:\xff\n"], "\\xff\\x0a"),
    ]
    with tempfile.TemporaryDirectory() as d:
        open(os.path.join(d, "IN"), "wb").close()
        for line, named in lines:
            said = fails(2, "ARGUMENT", *line, directory=d, cwd=d)
            check(named in said and "--help" in said, f"{line} does not name {named}: {said!r}")


@case
def options_stand_anywhere():
    plain = works("cpu", "--kernel", "portable")
    for line in [["--kernel", "portable", "cpu"], ["--kernel=portable", "cpu"], ["cpu", "--kernel=portable", "--"]]:
        equal(works(*line), plain, f"{line}")


@case
def version():
    plain = works("--version")
    check(re.fullmatch(rb"sealane \d+\.\d+\.\d+\n", plain), "--version")
    for line in (["--version", "seal"], ["seal", "--version"], ["cpu", "--version"], ["--version", "keystore"], ["-k", "K", "--version"]):
        equal(works(*line), plain, f"{line}")


def generated(name):
    path = os.path.join(os.path.dirname(harness.program), "cli", name)
    if not os.path.exists(path):
        raise Skipped(f"{name} is not beside this program")
    return path


def commands_and_options():
    """Each command with the options its help lists."""
    names = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  +\S", works("--help").decode(), re.M)
    return {name: re.findall(r"^ +(?:-., )?(--[a-z-]+)", works(*name.split(), "--help").decode(), re.M) for name in names}


@case
def the_manual_page_has_every_command_and_option():
    path = generated("sealane.1")
    with open(path) as file:
        page = file.read().replace("\\-", "-")
    for name, options in commands_and_options().items():
        check(f'.SS "sealane {name}' in page, f"{name} is missing")
        section = page.split(f'.SS "sealane {name}')[1].split(".SS")[0]
        for option in options:
            check(option == "--help" or f"\\fB{option}\\fR" in section, f"{name} {option} is missing")
    if not shutil.which("groff"):
        raise Skipped("groff is not installed, so the page was only read")
    result = subprocess.run(["groff", "-man", "-Tascii", "-ww", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    equal(result.stderr, b"", "groff")


def bash_completes(*words):
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _sealane; echo "${COMPREPLY[@]}"'
    result = subprocess.run(["bash", "-c", script, "bash", generated("sealane.bash"), "sealane", *words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
    equal(result.stderr, b"", "bash")
    return set(result.stdout.decode().split())


@case
def bash_completes_commands_and_options():
    table = commands_and_options()
    equal(bash_completes("") - {"--help", "--version"}, {name.split()[0] for name in table}, "commands")
    for name, options in table.items():
        words = name.split()
        check(words[-1] in bash_completes(*words[:-1], words[-1][:-1]), f"{name} is not completed")
        if name != "help":
            equal({w for w in bash_completes(*words, "-") if w.startswith("--")}, set(options), f"options of {name}")
    equal(bash_completes("seal", "--suite", ""), {"ctr"}, "suites")
    equal(bash_completes("-k", "K", "seal", "--fo"), {"--format", "--force"}, "options after another option's argument")


@case
def zsh_and_fish_completions_parse():
    shells = [shell for shell in ("zsh", "fish") if shutil.which(shell)]
    for shell, name in (("zsh", "_sealane"), ("fish", "sealane.fish")):
        path = generated(name)
        with open(path) as file:
            text = file.read()
        for command, options in commands_and_options().items():
            for option in options:
                mark = option if shell == "zsh" else "-l " + option[2:]
                check(mark in text, f"{shell}: {option} of {command} is missing")
        if shell in shells:
            equal(subprocess.run([shell, "-n", path]).returncode, 0, f"{shell} -n")
    if len(shells) < 2:
        raise Skipped(f"shells that could parse theirs: {shells or 'neither zsh nor fish is installed'}; options were compared")
