#!/usr/bin/env python3
"""Prints the vectors of tests/test_kms.c and tests/test_keystore.c: make_keystore_vectors.py >tests/vectors/keystore.h

Written from docs/FORMAT.md alone, with the `cryptography` package; nothing here comes from the library.
"""

import base64
import hashlib
import hmac
import json
import struct

from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEK = bytes(range(32))
DATA_KEYS = [bytes(range(0x80, 0xA0)), bytes(range(0x40, 0x60))]
UUID = bytes.fromhex("00112233445546778899aabbccddeeff")
IDS = [bytes.fromhex("f0e0d0c0b0a090807060504030201000"), bytes.fromhex("0123456789abcdef0123456789abcdef")]
CREATED = 1700000000123


def hkdf(key, salt, info):
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(key)


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def sized(data):
    return struct.pack("<I", len(data)) + data


def pairs_of(context):
    ordered = sorted((k.encode(), v.encode()) for k, v in context.items())
    return struct.pack("<I", len(ordered)) + b"".join(sized(k) + sized(v) for k, v in ordered)


def wrap(key, context):
    label = b"sealane/1 kms file AES-256-KWP".ljust(32, b"\0")
    return keywrap.aes_key_wrap_with_padding(hkdf(KEK, None, label + pairs_of(context)), key)


def record(index, state, user_context):
    context = dict(user_context)
    context["sealane:store"] = UUID.hex()
    context["sealane:key"] = IDS[index].hex()
    context["sealane:purpose"] = "envelope"
    wrapped = wrap(DATA_KEYS[index], context)
    states = {"active": 1, "decrypt-only": 2}
    message = UUID + IDS[index] + struct.pack("<IIQII", 1, states[state], CREATED + index, 32, 1)
    message += sized(b"file:kek") + sized(b"") + pairs_of(context) + sized(wrapped)
    return {
        "id": IDS[index].hex(),
        "purpose": "envelope",
        "state": state,
        "created_ms": CREATED + index,
        "key_len": 32,
        "wraps": [
            {"kms": "file:kek", "kek_version": "", "context": context, "wrapped": base64.b64encode(wrapped).decode()}
        ],
        "mac": mac(hkdf(DATA_KEYS[index], UUID, b"sealane/1 record"), message).hex(),
    }


def keystore():
    document = json.dumps(
        {
            "format": "sealane keystore",
            "version": 1,
            "store": UUID.hex(),
            "generation": 7,
            "created_ms": CREATED,
            "policy": {"accept": ["ctr"]},
            "records": [
                record(0, "decrypt-only", {}),
                record(1, "active", {"zone": "north", "app": "", "Ärger": "ü"}),
            ],
        },
        ensure_ascii=False,
    ).encode() + b"\n"
    return document + b"hmac-sha256:" + mac(hkdf(DATA_KEYS[1], UUID, b"sealane/1 keystore"), document).hex().encode() + b"\n"


def array(name, data):
    print(f"static const uint8_t {name}[] = {{")
    for i in range(0, len(data), 16):
        print("    " + " ".join(f"0x{b:02x}," for b in data[i : i + 16]))
    print("};")


def text(name, data):
    characters = data.decode()
    print(f"static const char {name}[] =")
    for i in range(0, len(characters), 100):
        piece = characters[i : i + 100].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        print(f'    "{piece}"')
    print("    ;")


def main():
    print("/* Made by make_keystore_vectors.py. */")
    print("/* clang-format off */")
    print("#include <stdint.h>\n")
    array("vector_kek_file", b"sealane-kek\0" + struct.pack("<I", 1) + KEK)
    three = {"zone": "north", "app": "", "a": "b"}
    for length in (16, 24, 32):
        array(f"vector_wrap_{length}_no_context", wrap(DATA_KEYS[0][:length], {}))
        array(f"vector_wrap_{length}_three_pairs", wrap(DATA_KEYS[0][:length], three))
    longest = {f"{i:02d}".ljust(255, "k"): f"{i:02d}".ljust(255, "v") for i in range(16)}
    array("vector_wrap_32_longest_context", wrap(DATA_KEYS[0], longest))
    text("vector_keystore", keystore())


if __name__ == "__main__":
    main()
