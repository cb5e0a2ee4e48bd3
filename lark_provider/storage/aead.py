"""Authenticated encryption: a text decrypts only with its key, and only in its place."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_NONCE_BYTES = 12


def derive(secret: bytes, purpose: str) -> bytes:
    """Derive a key of 32 bytes from a secret, by HKDF with SHA-256.

    Args:
        secret: The secret. A password must not be used: it can be guessed.
        purpose: What the key is for; keys of different purposes are independent of each other.
    """
    return HKDF(SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(secret)


class Aead:
    """AES-256-GCM with a random nonce.

    Args:
        key: 32 bytes, as `derive` returns them.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, text: str, place: Sequence[str]) -> str:
        """Encrypt a text and bind it to its place.

        Args:
            text: The text.
            place: Where it is stored. It is not part of the result, and `open` needs the same one.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return _encode(nonce + self._cipher.encrypt(nonce, text.encode(), orjson.dumps(list(place))))

    def open(self, sealed: str, place: Sequence[str]) -> str | None:
        """Decrypt a text; return None if key or place differ, or a single character was changed.

        Args:
            sealed: The result of `seal`.
            place: Where the text is stored, as it was passed to `seal`.
        """
        try:
            data = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
            if _encode(data) != sealed:  # base64 decoding ignores some bits and characters.
                return None
            nonce, content = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, content, orjson.dumps(list(place))).decode()
        except (binascii.Error, ValueError, InvalidTag):
            return None


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
