"""Encryption and signatures of what Lark sends. Pure."""

from __future__ import annotations

import base64
import hashlib

import orjson

from lark_emulator.extras import require_cryptography

BLOCK_BITS = 128
TIMESTAMP = "X-Lark-Request-Timestamp"
NONCE = "X-Lark-Request-Nonce"
SIGNATURE = "X-Lark-Signature"


def encrypt(payload: bytes, encrypt_key: str, iv: bytes) -> bytes:
    """Return the body that carries a payload encrypted.

    Args:
        payload: The JSON to encrypt.
        encrypt_key: The app's Encrypt Key; its SHA-256 is the AES key.
        iv: The initialization vector: 16 random bytes.

    Raises:
        MissingExtraError: What encrypts is not installed.
    """
    require_cryptography("an Encrypt Key")
    # Loaded by the first event that is encrypted: it takes 7 MB, and most tests have none.
    from cryptography.hazmat.primitives import padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    padder = padding.PKCS7(BLOCK_BITS).padder()
    padded = padder.update(payload) + padder.finalize()
    key = hashlib.sha256(encrypt_key.encode()).digest()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    hidden = iv + encryptor.update(padded) + encryptor.finalize()
    return orjson.dumps({"encrypt": base64.b64encode(hidden).decode()})


def compute_signature(timestamp: str, nonce: str, encrypt_key: str, body: bytes) -> str:
    """Return the signature of an event or a callback."""
    return hashlib.sha256(f"{timestamp}{nonce}{encrypt_key}".encode() + body).hexdigest()


def compute_old_signature(timestamp: str, nonce: str, verification_token: str, body: bytes) -> str:
    """Return the signature of an old card callback, `card.action.trigger_v1`."""
    hashed = f"{timestamp}{nonce}{verification_token}".encode() + body
    return hashlib.sha1(hashed, usedforsecurity=False).hexdigest()
