"""Lark's signatures and encryption of what it sends to a callback URL."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from lark_provider.protocol.callbacks.incoming import SignatureHeaders

_BLOCK = 16
_UTF8 = ("utf-8", "surrogatepass")  # invalid Unicode must not raise


def compute_signature(
    signed: SignatureHeaders, key: str, body: bytes, algorithm: Callable[[bytes], Any] = hashlib.sha256
) -> str:
    """Return the expected value of `X-Lark-Signature`.

    Args:
        signed: The headers, of which timestamp and nonce are signed.
        key: The app's encrypt key.
        body: The raw body.
        algorithm: The hash function, one of `hashlib`.
    """
    # No variable holds the signed text, which tracebacks could show: it contains the key.
    return str(algorithm((signed.timestamp + signed.nonce + key).encode(*_UTF8) + body).hexdigest())


def compute_old_card_signature(signed: SignatureHeaders, verification_token: str, body: bytes) -> str:
    """Return the expected `X-Lark-Signature` of an old card callback, which Lark signs with SHA-1.

    Args:
        signed: The headers, of which timestamp and nonce are signed.
        verification_token: The app's verification token.
        body: The raw body of the request.
    """
    return compute_signature(signed, verification_token, body, hashlib.sha1)


def matches_secret(received: object, expected: str) -> bool:
    """Return whether what was received is a secret, compared in constant time.

    Args:
        received: What was received, of any type.
        expected: The secret; never empty.
    """
    return isinstance(received, str) and hmac.compare_digest(received.encode(*_UTF8), expected.encode(*_UTF8))


def decrypt(sealed: str, encrypt_key: str) -> bytes:
    """Decrypt the member `encrypt`: base64 of 16 bytes of IV and AES-256-CBC with PKCS #7 padding.

    Args:
        sealed: The value of the member `encrypt`, in base64.
        encrypt_key: The app's encrypt key.

    Returns:
        The content, which is not authenticated by the cipher: the signature must be checked, too.

    Raises:
        ValueError: It was not encrypted with this key.
    """
    data = binascii.a2b_base64(sealed, strict_mode=True)  # raises a ValueError for what is not base64
    if len(data) < 2 * _BLOCK:
        raise ValueError("too short")
    aes = algorithms.AES(hashlib.sha256(encrypt_key.encode(*_UTF8)).digest())
    decryptor = Cipher(aes, modes.CBC(data[:_BLOCK])).decryptor()
    padded = decryptor.update(data[_BLOCK:]) + decryptor.finalize()  # ValueError for an incomplete block
    padding = padded[-1]
    if not 1 <= padding <= _BLOCK or padded[-padding:] != bytes([padding]) * padding:
        raise ValueError("not padded")
    return padded[:-padding]
