#!/usr/bin/env python3
"""Writes format.txt, the test vectors of docs/FORMAT.md, from the document's rules alone (through tests/reader.py).

    make_format_vectors.py > format.txt

Plaintext byte i is (i * 7 + 3) mod 256.  Every value is hexadecimal except `length` and `created_ms`.
"""

import hashlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.dont_write_bytecode = True
import reader  # noqa: E402

LENGTHS = (0, 1, 15, 16, 17, 4095, 4096, 4097, 65536, (1 << 20) + 3)


def numbered(label, count, length):
    return hashlib.shake_128(f"{label} {count}".encode()).digest(length)


def main():
    print("# Sealed files, format B, suite 1: see docs/FORMAT.md.  Made by make_format_vectors.py.")
    for count, length in enumerate(LENGTHS):
        data_key = numbered("data key", count, 32)
        key_id = numbered("key id", count, 16)
        store = numbered("store", count, 16)
        file_id = numbered("file id", count, 32)
        salt = numbered("salt", count, 32)
        created_ms = 1700000000000 + count
        plain = bytes((i * 7 + 3) % 256 for i in range(length))
        keys = reader.FileKeys(data_key, 1, store, file_id, salt)
        sealed = reader.seal(plain, store, key_id, data_key, file_id, salt, created_ms)
        assert reader.unseal(sealed, store, {key_id: data_key}) == plain
        print()
        print("length =", length)
        print("created_ms =", created_ms)
        for name, value in (
            ("data_key", data_key),
            ("key_id", key_id),
            ("store_uuid", store),
            ("file_id", file_id),
            ("salt", salt),
            ("header_key", keys.header),
            ("commit_key", keys.commit),
            ("ctr_key", keys.ctr),
            ("superblock_mac", sealed[4064:4096]),
            ("commit_mac", sealed[-32:]),
            ("data_start", sealed[4096 : 4096 + min(length, 48)]),
            ("file_sha256", hashlib.sha256(sealed).digest()),
        ):
            print(name, "=", value.hex())


main()
