"""keystore and kms commands."""
import json
import os
import re
import shutil
import stat
import tempfile

from harness import Place, Skipped, case, check, equal, fails, run, works


@case
def create_show_verify():
    with Place() as p:
        equal(stat.S_IMODE(os.stat(p.keystore).st_mode), 0o700, "mode of the keystore")
        check(os.path.getsize(p / "K/kek") > 0, "no kek")
        for name in os.listdir(p.keystore):
            equal(stat.S_IMODE(os.stat(os.path.join(p.keystore, name)).st_mode) & 0o077, 0, f"mode of {name}")
        check(b"not verified" in works("keystore", "show", p.keystore), "show does not say `not verified`")
        shown = json.loads(works("keystore", "show", "--json", p.keystore))
        verified = json.loads(works("keystore", "verify", "--json", p.keystore))
        equal((shown["verified"], verified["verified"]), (False, True), "verified")
        equal({**shown, "verified": True}, verified, "show and verify")
        equal((verified["generation"], len(verified["data_keys"])), (1, 1), "generation and data keys")
        key = verified["data_keys"][0]
        equal((key["purpose"], key["state"], key["key_bytes"]), ("envelope", "active", 32), "data key")
        check(re.fullmatch("[0-9a-f]{32}", key["id"]), f"id {key['id']}")
        check(b"not verified" not in works("keystore", "verify", p.keystore), "verify")


@case
def two_keystores_share_nothing():
    with Place() as p, Place() as q:
        a, b = (json.loads(works("keystore", "show", "--json", x.keystore)) for x in (p, q))
        check(a["uuid"] != b["uuid"] and a["data_keys"][0]["id"] != b["data_keys"][0]["id"], "ids are the same")


@case
def create_says_that_a_kek_beside_the_data_is_for_trials():
    with tempfile.TemporaryDirectory() as d:
        result = run("keystore", "create", d + "/K")
        equal(result.returncode, 0, "exit code")
        check(b"trials" in result.stderr and result.stderr.count(b"\n") == 1, f"{result.stderr!r}")


@case
def kms_beside_the_keystore():
    with tempfile.TemporaryDirectory() as d:
        works("kms", "create", "file:" + d + "/kek")
        equal(stat.S_IMODE(os.stat(d + "/kek").st_mode), 0o600, "mode of the kek")
        fails(1, "EXISTS", "kms", "create", "file:" + d + "/kek", directory=d)
        works("keystore", "create", d + "/K", "--kms", "file:" + d + "/kek", "--context", "team=a", "--context=site=b=c")
        check(not os.path.exists(d + "/K/kek"), "a kek beside the data")
        works("keystore", "verify", d + "/K", "--kms", "file:" + d + "/kek")
        works("keystore", "verify", d + "/K")
        pairs = json.loads(works("keystore", "show", "--json", d + "/K"))["data_keys"][0]["context"]
        check({"key": "team", "value": "a"} in pairs and {"key": "site", "value": "b=c"} in pairs, f"context {pairs}")
        works("kms", "create", "file:" + d + "/other")
        fails(4, "KMS_MISMATCH", "keystore", "verify", d + "/K", "--kms", "file:" + d + "/other", directory=d)
        fails(4, "KMS_MISMATCH", "keystore", "verify", d + "/K", "--kms", "file:" + d + "/none", directory=d)
        with open(d + "/IN", "wb") as file:
            file.write(b"data")
        fails(4, "KMS_MISMATCH", "seal", "-k", d + "/K", "--kms", "file:" + d + "/other", d + "/IN", d + "/OUT", directory=d)
        works("seal", "-k", d + "/K", "--kms", "file:" + d + "/kek", "--suite=ctr", d + "/IN", d + "/OUT")
        equal(works("unseal", "-k", d + "/K", "--kms", "file:" + d + "/kek", d + "/OUT", "-"), b"data", "plaintext")
        shutil.copy(d + "/other", d + "/kek")
        fails(4, "KEY_REFUSED", "keystore", "verify", d + "/K", directory=d)
        fails(4, "KEY_REFUSED", "unseal", "-k", d + "/K", d + "/OUT", d + "/PLAIN", directory=d)


@case
def relative_kms_path_is_relative_to_the_current_directory():
    with tempfile.TemporaryDirectory() as d:
        works("kms", "create", "file:kek", cwd=d)
        works("keystore", "create", "K", "--kms", "file:kek", cwd=d)
        check(not os.path.exists(d + "/K/kek"), "a kek inside the keystore")
        works("keystore", "verify", "K", "--kms", "file:kek", cwd=d)
        works("keystore", "verify", d + "/K", cwd="/")


@case
def bad_uris():
    with tempfile.TemporaryDirectory() as d:
        fails(2, "KMS_SCHEME", "kms", "create", "nothing:there", directory=d)
        fails(2, "KMS_SCHEME", "keystore", "create", d + "/K", "--kms", "plainpath", directory=d)
        fails(2, "ARGUMENT", "kms", "create", "file:", directory=d, cwd=d)
        fails(2, "ARGUMENT", "kms", "create", "file:" + "x" * 5000, directory=d, cwd=d)
        fails(1, "NOT_FOUND", "kms", "create", "file:" + d + "/none/kek", directory=d)
        fails(1, "KEK_MISSING", "keystore", "create", d + "/K", "--kms", "file:" + d + "/none", directory=d)


@case
def create_never_overwrites():
    with Place() as p:
        for line in (["keystore", "create", p.keystore], ["kms", "create", "file:" + p / "K/kek"]):
            said = fails(1, "EXISTS", *line, directory=p.path)
            check("use --force" not in said, f"{line} has no such option: {said!r}")
        os.mkdir(p / "full")
        p.write("full/file", b"x")
        fails(1, "EXISTS", "keystore", "create", p / "full", directory=p.path)
        os.mkdir(p / "empty")
        works("keystore", "create", p / "empty", warnings=1)
        works("keystore", "verify", p / "empty")
        fails(1, "NOT_FOUND", "keystore", "create", p / "none/K", directory=p.path)


@case
def missing_and_foreign_keystores():
    with Place() as p:
        fails(1, "NOT_FOUND", "keystore", "show", p / "none", directory=p.path)
        fails(1, "NOT_FOUND", "keystore", "verify", p / "none", directory=p.path)
        fails(1, "NOT_FOUND", "seal", "-k", p / "none", p.source, p / "OUT", directory=p.path)
        fails(1, "NOT_REGULAR", "seal", "-k", p.source, p.source, p / "OUT", directory=p.path)
        os.mkdir(p / "empty", 0o700)
        for line in (["keystore", "show", p / "empty"], ["keystore", "verify", p / "empty"],
                     ["seal", "-k", p / "empty", p.source, p / "OUT"]):
            said = fails(1, "NO_KEYSTORE", *line, directory=p.path)
            check(said.startswith(f"sealane: {p / 'empty'}: ") and "sealane keystore create" in said, f"{said!r}")


@case
def a_missing_kek():
    with Place() as p:
        sealed = p.seal()
        os.rename(p / "K/kek", p / "kek elsewhere")
        for line in [["keystore", "verify", p.keystore], ["seal", "-k", p.keystore, p.source, p / "OUT"],
                     ["unseal", "-k", p.keystore, sealed, p / "OUT"]]:
            fails(1, "KEK_MISSING", *line, directory=p.path)
        works("keystore", "show", p.keystore)
        p.write("K/kek", b"")
        os.chmod(p / "K/kek", 0o600)
        fails(1, "KEK_INVALID", "keystore", "verify", p.keystore, directory=p.path)
        p.write("K/kek", b"x" * 100)
        fails(1, "KEK_INVALID", "keystore", "verify", p.keystore, directory=p.path)
        os.remove(p / "K/kek")
        os.rename(p / "kek elsewhere", p / "K/kek")
        works("keystore", "verify", p.keystore)


@case
def show_writes_a_relative_key_out():
    with Place() as p:
        works("kms", "create", "file:" + p / "kek")
        works("keystore", "create", p / "K2", "--kms", "file:kek", cwd=p.path)
        for name in ("K", "./K/"):
            text = works("keystore", "show", name, cwd=p.path).decode()
            check(f"file:kek (file:{p.keystore}/kek)\n" in text, text)
            key = json.loads(works("keystore", "show", "--json", name, cwd=p.path))["data_keys"][0]
            equal((key["kms"], key["kms_resolved"]), ("file:kek", f"file:{p.keystore}/kek"), "kms")
        text = works("keystore", "show", p / "K2").decode()
        check(f" file:{p / 'kek'}\n" in text, f"an absolute one is there once: {text}")


@case
def what_is_at_fault_is_named():
    with Place() as p:
        sealed = p.seal()
        kek = p / "K/kek"
        good = p.read("K/kek")
        works("kms", "create", "file:" + p / "other")

        def named(error, code=1):
            for line in (["keystore", "verify", p.keystore], ["seal", "-k", p.keystore, p.source, p / "OUT"],
                         ["unseal", "-k", "K/", sealed, p / "OUT"]):
                said = fails(code, error, *line, directory=p.path, cwd=p.path)
                check(said.startswith(f"sealane: file:{kek}: "), f"{error} names {said!r}")

        os.chmod(kek, 0o644)
        named("KEK_LAX_PERMISSIONS")
        os.chmod(kek, 0o600)
        p.write("K/kek", good[:-1])
        named("KEK_INVALID")
        p.write("K/kek", p.read("other"))
        named("KEY_REFUSED", 4)
        os.remove(kek)
        named("KEK_MISSING")
        os.symlink("../other", kek)
        named("NOT_REGULAR")
        os.remove(kek)
        os.mkdir(kek)
        named("NOT_REGULAR")
        os.rmdir(kek)
        p.write("K/kek", good)
        os.chmod(kek, 0o600)
        for path in (p / "K/keystore", p.keystore):
            os.chmod(path, 0o722)
            said = fails(1, "LAX_PERMISSIONS", "keystore", "verify", p.keystore, directory=p.path)
            check(said.startswith(f"sealane: {p.keystore}: "), f"{said!r}")
            os.chmod(path, 0o700)
        said = fails(4, "KMS_MISMATCH", "keystore", "verify", p.keystore, "--kms", "file:other", directory=p.path, cwd=p.path)
        check(said.startswith(f"sealane: {p.keystore}: "), f"{said!r}")
        said = fails(1, "KEK_MISSING", "keystore", "create", "NEW", "--kms", "file:none", directory=p.path, cwd=p.path)
        check(said.startswith(f"sealane: file:{p / 'none'}: "), f"{said!r}")


@case
def what_others_can_write_is_refused():
    with Place() as p:
        sealed = p.seal()
        targets = [(p.keystore, 0o720), (p.keystore, 0o702)]
        for name in os.listdir(p.keystore):
            targets += [(os.path.join(p.keystore, name), 0o620), (os.path.join(p.keystore, name), 0o602)]
        targets.append((p / "K/kek", 0o604))
        for path, mode in targets:
            before = stat.S_IMODE(os.stat(path).st_mode)
            os.chmod(path, mode)
            error = "KEK_LAX_PERMISSIONS" if path.endswith("/kek") else "LAX_PERMISSIONS"
            fails(1, error, "seal", "-k", p.keystore, p.source, p / "OUT", directory=p.path)
            fails(1, error, "unseal", "-k", p.keystore, sealed, p / "OUT", directory=p.path)
            fails(1, error, "keystore", "verify", p.keystore, directory=p.path)
            os.chmod(path, before)
        works("keystore", "verify", p.keystore)


@case
def what_belongs_to_another_user_is_refused():
    if os.geteuid() != 0:
        raise Skipped("only root can give a file away")
    with Place() as p:
        for path in [p.keystore] + [os.path.join(p.keystore, name) for name in os.listdir(p.keystore)]:
            os.chown(path, 65534, 65534)
            error = "KEK_LAX_PERMISSIONS" if path.endswith("/kek") else "LAX_PERMISSIONS"
            fails(1, error, "seal", "-k", p.keystore, p.source, p / "OUT", directory=p.path)
            os.chown(path, 0, 0)
        works("keystore", "verify", p.keystore)


@case
def every_flip_and_cut_of_a_keystore_is_noticed():
    with Place() as p:
        name = next(n for n in os.listdir(p.keystore) if n != "kek")
        good = p.read("K/" + name)
        count = 0
        for at in range(0, len(good), 37):
            for damaged in (good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1:], good[:at]):
                p.write("K/" + name, damaged)
                result = run("keystore", "verify", p.keystore)
                check(result.returncode in (3, 4) and result.stderr.count(b"\n") == 1, f"damage at {at}: {result}")
                count += 1
        p.write("K/" + name, good + b"x")
        check(run("keystore", "verify", p.keystore).returncode == 3, "a trailing byte")
        p.write("K/" + name, good)
        works("keystore", "verify", p.keystore)
        check(count > 10, f"only {count} damages tried")
