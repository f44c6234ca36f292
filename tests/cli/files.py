"""Names, modes, times, links, devices: what becomes of IN and OUT."""
import os
import stat
import subprocess

from harness import Place, case, check, equal, fails, run, start, works


@case
def mode_and_time_come_from_the_source():
    with Place() as p:
        for mode in (0o600, 0o644, 0o640, 0o755, 0o400, 0o4755):
            os.chmod(p.source, mode)
            os.utime(p.source, ns=(10**18, 1234567890123456789))
            sealed = p.seal(out="S%o" % mode)
            works("unseal", "-k", p.keystore, sealed, p / ("P%o" % mode))
            for path in (sealed, p / ("P%o" % mode)):
                st = os.stat(path)
                equal((stat.S_IMODE(st.st_mode), st.st_mtime_ns), (mode & 0o777, 1234567890123456789), path)
        works("seal", "-k", p.keystore, "--suite=ctr", "-", p / "PIPED", input=b"data", umask=0)
        equal(stat.S_IMODE(os.stat(p / "PIPED").st_mode), 0o600, "from a pipe")
        works("unseal", "-k", p.keystore, "-", p / "PIPED2", input=p.read("PIPED"), umask=0)
        equal(stat.S_IMODE(os.stat(p / "PIPED2").st_mode), 0o600, "from a pipe")


@case
def what_is_unsealed_gets_no_more_than_the_umask_allows():
    with Place() as p:
        os.chmod(p.source, 0o644)
        sealed = p.seal(umask=0o077)
        equal(stat.S_IMODE(os.stat(sealed).st_mode), 0o644, "ciphertext is as its source")
        for umask, mode in ((0o077, 0o600), (0o027, 0o640), (0o022, 0o644), (0, 0o644)):
            out = p / ("P%o" % umask)
            works("unseal", "-k", p.keystore, sealed, out, umask=umask)
            equal(stat.S_IMODE(os.stat(out).st_mode), mode, "with umask %o" % umask)
            works("unseal", "-k", p.keystore, "--force", sealed, out, umask=umask)
            equal(stat.S_IMODE(os.stat(out).st_mode), mode, "replaced, with umask %o" % umask)


@case
def an_existing_output_is_refused_before_anything_else():
    with Place() as p:
        sealed = p.seal()
        p.write("OUT", b"precious")
        fails(1, "EXISTS", "seal", "-k", p.keystore, p.source, p / "OUT", directory=p.path)
        fails(1, "EXISTS", "unseal", "-k", p.keystore, sealed, p / "OUT", directory=p.path)
        # Neither the keystore nor the input's content was looked at for that.
        fails(1, "EXISTS", "seal", "-k", p / "none", p.source, p / "OUT", directory=p.path)
        fails(1, "EXISTS", "unseal", "-k", p / "none", p.source, p / "OUT", directory=p.path)
        os.symlink("nowhere", p / "DANGLING")
        fails(1, "EXISTS", "seal", "-k", p / "none", p.source, p / "DANGLING", directory=p.path)
        os.symlink("OUT", p / "LINK")
        fails(1, "EXISTS", "seal", "-k", p.keystore, p.source, p / "LINK", directory=p.path)
        works("seal", "-k", p.keystore, "--suite=ctr", "--force", p.source, p / "OUT")
        equal(works("unseal", "-k", p.keystore, p / "OUT", "-"), p.data, "plaintext after --force")
        works("unseal", "-k", p.keystore, "--force", sealed, p / "OUT")
        equal(p.read("OUT"), p.data, "unseal --force")


@case
def a_failure_with_force_keeps_the_old_output():
    with Place() as p:
        p.write("OUT", b"precious")
        fails(3, "NOT_SEALED", "unseal", "-k", p.keystore, "--force", p.source, p / "OUT", directory=p.path)
        fails(1, "NOT_FOUND", "seal", "-k", p.keystore, "--force", p / "none", p / "OUT", directory=p.path)


@case
def the_keystore_is_no_place_for_output():
    with Place() as p:
        sealed = p.seal()
        os.symlink("K", p / "LINK")
        os.symlink("K/kek", p / "LINK TO KEK")
        for force in ([], ["--force"]):
            for out in ("K/kek", "K/keystore", "K/new", "K/../K/./new", "LINK/new", "LINK TO KEK"):
                fails(2, "ARGUMENT", "unseal", "-k", p.keystore, *force, sealed, p / out, directory=p.path)
                fails(2, "ARGUMENT", "seal", "-k", p.keystore, *force, p.source, p / out, directory=p.path)
        fails(2, "ARGUMENT", "seal", "-k", ".", "--force", "../IN", "kek", directory=p.path, cwd=p.keystore)
        works("keystore", "verify", p.keystore)


@case
def no_key_is_overwritten_wherever_it_lies():
    with Place() as p:
        os.mkdir(p / "safe")
        works("kms", "create", "file:" + p / "safe/kek")
        works("kms", "create", "file:" + p / "unrelated kek")
        works("keystore", "create", p / "K2", "--kms", "file:" + p / "safe/kek")
        works("keystore", "create", p / "K3", warnings=1)
        sealed = p.seal()
        os.symlink("safe/kek", p / "LINK")
        os.link(p / "safe/kek", p / "HARD")
        p.write("K3/notes", b"")
        # A damaged KEK file is one still: a backup may mend it.
        p.write("damaged", p.read("unrelated kek")[:20])
        outs = ["safe/kek", "unrelated kek", "damaged", "LINK", "HARD", "K3/kek", "K3/keystore", "K3/notes"]
        for out in outs:
            for keystore in (p.keystore, p / "K2"):
                fails(2, "ARGUMENT", "seal", "-k", keystore, "--force", p.source, p / out, directory=p.path)
                fails(2, "ARGUMENT", "unseal", "-k", keystore, "--force", sealed, p / out, directory=p.path)
        # Known by its place in the keystore, not by its looks.
        p.write("safe/kek", b"overwritten by something else")
        fails(2, "ARGUMENT", "seal", "-k", p / "K2", "--force", p.source, p / "HARD", directory=p.path)
        works("seal", "-k", p.keystore, "--suite=ctr", "--force", p.source, p / "HARD")


@case
def one_file_as_input_and_output_is_refused():
    with Place() as p:
        sealed = p.seal()
        for command, source in (("seal", p.source), ("unseal", sealed)):
            os.link(source, p / "HARD")
            os.symlink(source, p / "SOFT")
            for force in ([], ["--force"]):
                for pair in ([source, source], [source, p / "HARD"], [source, p / "SOFT"], [p / "SOFT", source],
                             [source, os.path.join(p.path, ".", os.path.basename(source))]):
                    fails(1, "SAME_FILE", command, "-k", p.keystore, *force, *pair, directory=p.path)
                with open(source, "rb") as into, open(source, "ab") as onto:
                    fails(1, "SAME_FILE", command, "-k", p.keystore, *force, "-", source, stdin=into, directory=p.path)
                    fails(1, "SAME_FILE", command, "-k", p.keystore, *force, source, "-", stdout=onto, directory=p.path)
                    fails(1, "SAME_FILE", command, "-k", p.keystore, *force, "-", "-", stdin=into, stdout=onto, directory=p.path)
            os.remove(p / "HARD")
            os.remove(p / "SOFT")


@case
def inputs_and_outputs_that_are_none():
    with Place() as p:
        sealed = p.seal()
        for command, source in (("seal", p.source), ("unseal", sealed)):
            fails(1, "NOT_FOUND", command, "-k", p.keystore, p / "none", p / "OUT", directory=p.path)
            fails(1, "NOT_REGULAR", command, "-k", p.keystore, p.path, p / "OUT", directory=p.path)
            fails(1, "NOT_REGULAR", command, "-k", p.keystore, source, p.path, directory=p.path)
            fails(1, "NOT_REGULAR", command, "-k", p.keystore, "--force", source, p.keystore, directory=p.path)
            fails(1, "NOT_FOUND", command, "-k", p.keystore, source, p / "none/OUT", directory=p.path)
        fails(1, "NOT_FOUND", "inspect", p / "none", directory=p.path)
        fails(1, "NOT_REGULAR", "inspect", p.path, directory=p.path)
        os.mkfifo(p / "FIFO")
        fails(1, "NOT_REGULAR", "inspect", p / "FIFO", directory=p.path, timeout=10)
        fails(1, "NOT_REGULAR", "inspect", "/dev/null", directory=p.path)
        equal(works("inspect", "--json", "-", stdin=open(sealed, "rb")), works("inspect", "--json", sealed), "inspect -")


@case
def names_that_are_unusual():
    names = [b"with space", b"new\nline", b"tab\tand \x1b[31mred", b"--force", b"-k", b"-", b"\xff\xfe not UTF-8",
             "Größe-Δ-文".encode(), b"'\"$(x)`;&|*?", b"x" * 255]
    with Place() as p:
        for name in names:
            with open(p / name, "wb") as file:
                file.write(p.data)
            below = [b"./" + name] if name == b"-" else [b"--", name]
            os.mkdir(p / "out")
            works("seal", "-k", p.keystore, "--suite=ctr", *below, b"out/" + name, cwd=p.path)
            works("unseal", "-k", p.keystore, "--", b"out/" + name, b"out/plain", cwd=p.path)
            equal(p.read("out/plain"), p.data, f"{name!r}")
            equal(len(os.listdir(p / "out")), 2, "files")
            fails(1, "EXISTS", "seal", "-k", p.keystore, b"./" + name, b"out/" + name, cwd=p.path, directory=p.path)
            fails(3, "NOT_SEALED", "inspect", b"./" + name, cwd=p.path, directory=p.path)
            subprocess.run(["rm", "-r", p / "out"], check=True)
        said = run("keystore", "create", p / b"new\nstore\xff")
        equal((said.returncode, said.stderr.count(b"\n")), (0, 1), "a keystore with an unusual name")
        works("keystore", "verify", "--json", p / b"new\nstore\xff")
        works("keystore", "show", "--json", p / b"new\nstore\xff")
        works("keystore", "show", p / b"new\nstore\xff")


@case
def a_name_too_long_is_a_clear_error():
    with Place() as p:
        fails(2, "ARGUMENT", "seal", "-k", p.keystore, "--suite=ctr", p.source, p / ("x" * 256), directory=p.path)


@case
def devices_and_fifos_are_written_directly():
    with Place() as p:
        sealed = p.seal()
        works("seal", "-k", p.keystore, "--suite=ctr", p.source, "/dev/null")
        works("unseal", "-k", p.keystore, sealed, "/dev/null")
        check(stat.S_ISCHR(os.stat("/dev/null").st_mode), "/dev/null was replaced")
        fails(1, "NO_SPACE", "unseal", "-k", p.keystore, sealed, "/dev/full", directory=p.path)
        fails(1, "NO_SPACE", "seal", "-k", p.keystore, "--suite=ctr", p.source, "/dev/full", directory=p.path)
        with open("/dev/full", "wb") as full:
            fails(1, "NO_SPACE", "unseal", "-k", p.keystore, sealed, "-", stdout=full, directory=p.path)
            fails(1, "NO_SPACE", "seal", "-k", p.keystore, "--suite=ctr", p.source, "-", stdout=full, directory=p.path)
        os.mkfifo(p / "FIFO")
        reader = subprocess.Popen(["cat", p / "FIFO"], stdout=subprocess.PIPE)
        works("unseal", "-k", p.keystore, sealed, p / "FIFO")
        equal(reader.communicate(timeout=60)[0], p.data, "through a FIFO")
        check(stat.S_ISFIFO(os.stat(p / "FIFO").st_mode), "the FIFO was replaced")


@case
def a_reader_that_goes_away_is_an_error():
    with Place(size=4 << 20) as p:
        sealed = p.seal()
        for line in (["unseal", "-k", p.keystore, sealed, "-"], ["seal", "-k", p.keystore, "--suite=ctr", p.source, "-"]):
            reader, writer = os.pipe()
            os.close(reader)
            with os.fdopen(writer, "wb") as pipe:
                said = fails(1, "BROKEN_PIPE", *line, stdout=pipe, directory=p.path)
                check(said.startswith("sealane: standard output: "), f"{said!r}")


@case
def closed_standard_descriptors_take_no_file():
    with Place() as p:
        for closed in ([0], [1], [2], [0, 1, 2]):
            name = "S%d" % sum(x + 1 for x in closed)
            process = start("seal", "-k", p.keystore, "--suite=ctr", p.source, p / name, closed=closed)
            equal(process.wait(timeout=60), 0, f"exit code with {closed} closed")
            equal(works("unseal", "-k", p.keystore, p / name, "-"), p.data, f"{closed} closed")
        said = fails(1, "READ_FAILED", "seal", "-k", p.keystore, "--suite=ctr", "-", p / "OUT", closed=[0], stdin=None, directory=p.path)
        check(said.startswith("sealane: standard input: "), f"{said!r}")
        said = fails(1, "WRITE_FAILED", "seal", "-k", p.keystore, "--suite=ctr", p.source, "-", closed=[1], stdout=None, directory=p.path)
        check(said.startswith("sealane: standard output: "), f"{said!r}")


@case
def a_read_only_target_directory():
    with Place() as p:
        sealed = p.seal()
        os.mkdir(p / "ro")
        os.chmod(p / "ro", 0o555)
        privileged = ("dac_override", "dac_read_search")
        for line in (["seal", "-k", p.keystore, "--suite=ctr", p.source], ["unseal", "-k", p.keystore, sealed]):
            fails(1, "PERMISSION", *line, p / "ro/OUT", directory=p.path, without=privileged)
        os.chmod(p.source, 0)
        fails(1, "PERMISSION", "seal", "-k", p.keystore, "--suite=ctr", p.source, p / "OUT", directory=p / "ro", without=privileged)
        os.chmod(p.source, 0o600)
        os.chmod(p / "ro", 0o755)
