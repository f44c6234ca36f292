#!/usr/bin/env python3
"""An independent reader and writer of sealed files (docs/FORMAT.md, format B, suite 1).

    reader.py unseal KEYSTORE IN OUT      reader.py seal KEYSTORE IN OUT

Written from the document alone, with the `cryptography` package: it shares no code and no constant with the library.
It holds whole files in memory, and asks no question of who owns the keystore: it is a check, not a tool.
"""

import base64
import hashlib
import hmac
import json
import os
import struct
import sys
import time

from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

PAGE = 4096
SUPERBLOCK_MAGIC = b"\x89SEA\r\n\x1a\n"
COMMIT_MAGIC = b"\x89SEC\r\n\x1a\n"


class Refused(Exception):
    pass


def require(condition, what):
    if not condition:
        raise Refused(what)


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def extract(salt, key):
    return mac(salt, key)


def expand(prk, info):
    return HKDFExpand(algorithm=hashes.SHA256(), length=32, info=info).derive(prk)


class FileKeys:
    """The keys of one file and of its segment 0."""

    def __init__(self, data_key, suite, store, file_id, salt):
        root = extract(file_id, data_key)

        def subkey(label):
            return expand(root, label.ljust(24, b"\0") + struct.pack("<H", suite) + store + file_id + struct.pack("<Q", 0))

        self.header = subkey(b"sealane/1 file header")
        self.commit = subkey(b"sealane/1 file commit")
        segment = extract(salt, subkey(b"sealane/1 file segment"))
        self.ctr = expand(segment, b"sealane/1 ctr".ljust(24, b"\0"))

    def crypt(self, data):
        return Cipher(algorithms.AES(self.ctr), modes.CTR(bytes(16))).encryptor().update(data)


def unseal(sealed, store, data_keys):
    """The plaintext of a sealed file; data_keys maps ids to keys."""
    require(sealed[:8] == SUPERBLOCK_MAGIC, "not a sealed file")
    require(len(sealed) >= 2 * PAGE and len(sealed) % PAGE == 0, "no whole pages")
    page, record = sealed[:PAGE], sealed[-PAGE:]
    version, suite, chunk, tag_len, zero_16, flags, zero_32 = struct.unpack_from("<HHBBHII", page, 8)
    key_id, file_store, file_id, salt = page[32:48], page[48:64], page[64:96], page[96:128]
    require(version == 1 and suite == 1 and flags & 0xFFFF == 0, "unsupported")
    require(file_store == store, "another keystore's file")
    require(key_id in data_keys, "no such data key")
    keys = FileKeys(data_keys[key_id], suite, store, file_id, salt)
    require(hmac.compare_digest(mac(keys.header, page[:-32]), page[-32:]), "superblock damaged")
    require(12 <= chunk <= 20 and tag_len == 0 and not zero_16 and not zero_32, "unsupported")
    require(not any(page[128:-32]), "unsupported")

    require(record[:8] == COMMIT_MAGIC, "no commit record")
    require(hmac.compare_digest(mac(keys.commit, file_id + record[:-32]), record[-32:]), "commit record damaged")
    sequence, state, zero, segment, length = struct.unpack_from("<QIIQQ", record, 8)
    require((sequence, state, zero, segment) == (1, 2, 0, 0) and not any(record[40:-32]), "unsupported")
    require(len(sealed) == 2 * PAGE + (length + PAGE - 1) // PAGE * PAGE, "size and length differ")
    require(not any(sealed[PAGE + length : -PAGE]), "padding is not zero")
    return keys.crypt(sealed[PAGE : PAGE + length])


def seal(plain, store, key_id, data_key, file_id=None, salt=None, created_ms=None):
    file_id = file_id or os.urandom(32)
    salt = salt or os.urandom(32)
    created_ms = int(time.time() * 1000) if created_ms is None else created_ms
    keys = FileKeys(data_key, 1, store, file_id, salt)
    page = SUPERBLOCK_MAGIC + struct.pack("<HHBBHIIQ", 1, 1, 16, 0, 0, 0, 0, created_ms) + key_id + store + file_id + salt
    page = page.ljust(PAGE - 32, b"\0")
    record = COMMIT_MAGIC + struct.pack("<QIIQQ", 1, 2, 0, 0, len(plain))
    record = record.ljust(PAGE - 32, b"\0")
    data = keys.crypt(plain)
    return b"".join(
        (
            page,
            mac(keys.header, page),
            data,
            bytes(-len(data) % PAGE),
            record,
            mac(keys.commit, file_id + record),
        )
    )


def sized(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<I", len(data)) + data


def context_bytes(context):
    """The encryption context as the key service and the record MAC see it: sorted by the keys' bytes."""
    pairs = sorted(context.items(), key=lambda pair: pair[0].encode())
    return struct.pack("<I", len(pairs)) + b"".join(sized(key) + sized(value) for key, value in pairs)


def unwrap(directory, wrap):
    """The data key, by the key-encryption key in a file: the one key service this reader knows."""
    require(wrap["kms"].startswith("file:"), "not a file: key service")
    path = wrap["kms"][len("file:") :]
    kek_file = open(os.path.join(directory, path), "rb").read()
    require(len(kek_file) == 48 and kek_file[:16] == b"sealane-kek\0\x01\0\0\0", "not a key-encryption key")
    info = b"sealane/1 kms file AES-256-KWP".ljust(32, b"\0") + context_bytes(wrap["context"])
    wrapping_key = expand(extract(bytes(32), kek_file[16:]), info)
    return keywrap.aes_key_unwrap_with_padding(wrapping_key, base64.b64decode(wrap["wrapped"], validate=True))


def record_bytes(store, record):
    out = store + bytes.fromhex(record["id"])
    out += struct.pack(
        "<IIQII",
        {"envelope": 1}[record["purpose"]],
        {"active": 1, "decrypt-only": 2}[record["state"]],
        record["created_ms"],
        record["key_len"],
        len(record["wraps"]),
    )
    for wrap in record["wraps"]:
        out += sized(wrap["kms"]) + sized(wrap["kek_version"]) + context_bytes(wrap["context"])
        out += sized(base64.b64decode(wrap["wrapped"], validate=True))
    return out


def open_keystore(directory):
    """(UUID, id of the active key, {id: data key}) of a keystore whose MACs are all right."""
    text = open(os.path.join(directory, "keystore"), "rb").read()
    document, trailer = text[:-77], text[-77:]
    require(trailer[:12] == b"hmac-sha256:" and trailer[-1:] == b"\n" and document[-1:] == b"\n", "keystore damaged")
    store = json.loads(document)
    require(store["format"] == "sealane keystore" and store["version"] == 1, "not a keystore of this version")
    require("ctr" in store["policy"]["accept"], "the keystore's policy refuses files without tags")
    uuid = bytes.fromhex(store["store"])
    keys, active = {}, []
    for record in store["records"]:
        key = unwrap(directory, record["wraps"][0])
        record_mac = mac(expand(extract(uuid, key), b"sealane/1 record"), record_bytes(uuid, record))
        require(hmac.compare_digest(record_mac, bytes.fromhex(record["mac"])), "record damaged")
        for wrap in record["wraps"]:
            fixed = {"sealane:store": store["store"], "sealane:key": record["id"], "sealane:purpose": record["purpose"]}
            require(fixed.items() <= wrap["context"].items(), "the context is another key's")
        keys[bytes.fromhex(record["id"])] = key
        if record["state"] == "active":
            active.append(bytes.fromhex(record["id"]))
    require(len(active) == 1, "not one active key")
    file_mac = mac(expand(extract(uuid, keys[active[0]]), b"sealane/1 keystore"), document)
    require(hmac.compare_digest(file_mac, bytes.fromhex(trailer[12:-1].decode())), "keystore damaged")
    return uuid, active[0], keys


def main(arguments):
    if len(arguments) != 4 or arguments[0] not in ("seal", "unseal"):
        print(__doc__, file=sys.stderr)
        return 2
    command, directory, source, target = arguments
    try:
        store, active, keys = open_keystore(directory)
        data = open(source, "rb").read()
        data = unseal(data, store, keys) if command == "unseal" else seal(data, store, active, keys[active])
    except (Refused, keywrap.InvalidUnwrap) as refused:
        print(f"{source}: {refused!r}", file=sys.stderr)
        return 3
    with open(target, "wb") as out:
        out.write(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
