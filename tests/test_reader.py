#!/usr/bin/env python3
"""The independent reader and the program read each other's sealed files: test_reader.py SEALANE

Lengths around every boundary, each both ways; files with a user's encryption context and a key-encryption key elsewhere; and the check
itself checked: with another cipher than AES it must fail.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
try:
    import reader
except ImportError as missing:
    print(f"skipped: {missing}; install python3-cryptography")
    sys.exit(77)

SEALANE = str(pathlib.Path(sys.argv[1]).resolve())
READER = str(pathlib.Path(__file__).resolve().parent / "reader.py")
LENGTHS = (0, 1, 15, 16, 17, 4095, 4096, 4097, 8191, 8192, 65535, 65536, 65537, (1 << 18) - 4097, (1 << 18) - 4096,
           (1 << 18) - 4095, 1 << 18, (1 << 20) - 4096, (1 << 20) + 3, (5 << 20) + 12345)  # fmt: skip


def run(*command, expect=0):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != expect:
        sys.exit(f"{' '.join(command)}\nended with {done.returncode}, not {expect}\n{done.stdout}{done.stderr}")


def sealane(*arguments, expect=0):
    run(SEALANE, *arguments, expect=expect)


def their(*arguments, expect=0):
    run(sys.executable, READER, *arguments, expect=expect)


def same(name, data):
    if pathlib.Path(name).read_bytes() != data:
        sys.exit(f"{name}: {len(data)} bytes came back changed")
    os.unlink(name)


def both_ways(keystore, data):
    pathlib.Path("plain").write_bytes(data)
    sealane("seal", "--suite", "ctr", "-k", keystore, "plain", "ours")
    their("unseal", keystore, "ours", "back")
    same("back", data)
    their("seal", keystore, "plain", "theirs")
    sealane("unseal", "-k", keystore, "theirs", "back")
    same("back", data)
    sealed = pathlib.Path("ours").read_bytes()
    for name in ("ours", "theirs", "plain"):
        os.unlink(name)
    return sealed


def refused_both_ways(keystore):
    """What one refuses, so does the other."""
    pathlib.Path("plain").write_bytes(os.urandom(5000))
    sealane("seal", "--suite", "ctr", "-k", keystore, "plain", "whole")
    whole = pathlib.Path("whole").read_bytes()
    places = (0, 8, 9, 10, 11, 12, 14, 16, 20, 24, 64, 96, 128, 4063, 4064, 4095)  # superblock
    places += (9100, 12287, 12288, 12296, 12304, 12308, 12312, 12320, 12400, 16351, 16352, 16383)  # padding, record
    for place in places:
        pathlib.Path("bad").write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        sealane("unseal", "-k", keystore, "bad", "out", expect=3)
        their("unseal", keystore, "bad", "out", expect=3)
    for cut in (whole[:-1], whole[:-4096], whole[:8192], whole + b"\0", whole + bytes(4096), whole[:8192] + whole[-4096:]):
        pathlib.Path("bad").write_bytes(cut)
        sealane("unseal", "-k", keystore, "bad", "out", expect=3)
        their("unseal", keystore, "bad", "out", expect=3)
    if os.path.exists("out"):
        sys.exit("something refused was written")


def other_cipher_fails(keystore, sealed, data):
    """An XOR pad in place of AES must not pass, neither for equality nor by luck of zeros."""
    store, _, keys = reader.open_keystore(keystore)
    if reader.unseal(sealed, store, keys) != data:
        sys.exit("the reader does not read back what it read before")

    def toy(self, text):
        return bytes(byte ^ self.ctr[i % 32] for i, byte in enumerate(text))

    reader.FileKeys.crypt = toy
    if reader.unseal(sealed, store, keys) == data:
        sys.exit("a toy cipher passes: this test proves nothing")


def main():
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        sealane("keystore", "create", "ks")
        for length in LENGTHS:
            data = os.urandom(length)
            sealed = both_ways("ks", data)
        both_ways("ks", bytes(100000))
        os.mkdir("keys", 0o700)
        uri = "file:" + os.path.join(directory, "keys", "kek")
        sealane("kms", "create", uri)
        sealane("keystore", "create", "elsewhere", "--kms", uri, "--context", "zeta=1", "--context", "Alpha=\u00e4 b")
        both_ways("elsewhere", os.urandom(70000))
        refused_both_ways("ks")
        other_cipher_fails("ks", sealed, data)
    print(f"{len(LENGTHS) + 2} lengths both ways")


main()
