"""Signature, token and cipher: how Lark proves that it sent something, and hides what it sent."""

from __future__ import annotations

import binascii
import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from lark_provider.protocol.callbacks.incoming import Signed

_BLOCK = 16


def signature(signed: Signed, encrypt_key: str, body: bytes) -> str:
    """What `X-Lark-Signature` must be.

    Args:
        signed: Timestamp and nonce, as they came.
        encrypt_key: The app's.
        body: The raw body.
    """
    return hashlib.sha256(_signed_text(signed, encrypt_key) + body).hexdigest()


def old_card_signature(signed: Signed, verification_token: str, body: bytes) -> str:
    """What `X-Lark-Signature` must be with an old card callback.

    Args:
        signed: Timestamp and nonce, as they came.
        verification_token: The app's.
        body: The raw body.
    """
    return hashlib.sha1(_signed_text(signed, verification_token) + body).hexdigest()  # noqa: S324 - Lark's


def same(given: object, expected: str) -> bool:
    """Compare with a secret, in a time that tells nothing about it.

    Args:
        given: What came, of whatever type.
        expected: The secret; never empty.
    """
    return isinstance(given, str) and hmac.compare_digest(_bytes(given), _bytes(expected))


def decrypt(sealed: str, encrypt_key: str) -> bytes:
    """Open what `encrypt` holds: base64 of 16 bytes of IV and AES-256-CBC with PKCS #7 padding.

    Args:
        sealed: The text.
        encrypt_key: The app's.

    Returns:
        What is inside, which the signature must vouch for: the cipher alone does not.

    Raises:
        ValueError: It cannot have been sealed with this key.
    """
    data = binascii.a2b_base64(sealed, strict_mode=True)  # raises a ValueError for what is no base64
    if len(data) < 2 * _BLOCK:
        raise ValueError("too short")
    aes = algorithms.AES(hashlib.sha256(_bytes(encrypt_key)).digest())
    opener = Cipher(aes, modes.CBC(data[:_BLOCK])).decryptor()
    padded = opener.update(data[_BLOCK:]) + opener.finalize()  # a ValueError if blocks are not whole
    padding = padded[-1]
    if not 1 <= padding <= _BLOCK or padded[-padding:] != bytes([padding]) * padding:
        raise ValueError("not padded")
    return padded[:-padding]


def _signed_text(signed: Signed, key: str) -> bytes:
    return _bytes(f"{signed.timestamp}{signed.nonce}{key}")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # what came may be no Unicode, and must not raise
