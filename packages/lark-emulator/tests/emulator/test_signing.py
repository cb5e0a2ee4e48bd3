from __future__ import annotations

import base64
import hashlib
import json

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st
from lark_emulator.callbacks import signing

VECTOR = "P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk="


def decrypt(body: bytes, key: str) -> bytes:
    hidden = base64.b64decode(json.loads(body)["encrypt"])
    cipher = Cipher(algorithms.AES(hashlib.sha256(key.encode()).digest()), modes.CBC(hidden[:16]))
    decryptor = cipher.decryptor()
    padded = decryptor.update(hidden[16:]) + decryptor.finalize()
    return padded[: -padded[-1]]


def test_the_vector_of_the_documentation() -> None:
    iv = base64.b64decode(VECTOR)[:16]
    assert json.loads(signing.encrypt(b"hello world", "test key", iv)) == {"encrypt": VECTOR}


def test_the_signature_covers_time_nonce_key_and_body() -> None:
    assert (
        signing.compute_signature("1700000000", "nonce1", "ekey", b'{"encrypt":"abc"}')
        == "2eca4f3ac5376c6dded4e69a1f13ac45d96702061f87c3bdd5d361cc3fabf644"
    )


def test_the_old_signature_is_a_sha1_with_the_verification_token() -> None:
    expected = hashlib.sha1(b'1700000000nonce1vtoken{"a":1}').hexdigest()  # noqa: S324 - as Lark does
    assert signing.compute_old_signature("1700000000", "nonce1", "vtoken", b'{"a":1}') == expected


@given(st.binary(max_size=200), st.text(min_size=1), st.binary(min_size=16, max_size=16))
def test_what_is_encrypted_can_be_read_with_the_key(payload: bytes, key: str, iv: bytes) -> None:
    assert decrypt(signing.encrypt(payload, key, iv), key) == payload
