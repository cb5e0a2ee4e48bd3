"""The caller's idempotency keys, and the tokens that Lark takes in their place."""

from __future__ import annotations

import hashlib
import uuid as uuids

from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.support.text import is_unicode

MAX_UUID_CHARS = 50


def check_key(key: str, name: str = "idempotency_key") -> str:
    """Check an idempotency key, and return it.

    Args:
        key: Any text.
        name: The name of the argument, for the error.

    Raises:
        InvalidRequestError: It is not a string, is empty, or has a NUL or a lone surrogate, which not every
            database can store.
    """
    if not (isinstance(key, str) and key.strip() and "\0" not in key and is_unicode(key)):
        raise InvalidRequestError(
            f"{name} must be a non-empty string, got {key!r}. Next: pass a text that names this "
            "write and no other.",
            code=230001,
        )
    return key


def make_message_uuid(scope: str, idempotency_key: str | None, uuid: str | None) -> str | None:
    """Return the `uuid` by which Lark de-duplicates a message.

    Args:
        scope: The id of the receiver, or of the message that is answered. It is part of the uuid, since Lark
            does not document whether it tells equal uuids of two receivers apart.
        idempotency_key: Any text, or None.
        uuid: A uuid that the caller has chosen, or None.

    Raises:
        InvalidRequestError: Both are given, or one is invalid.
    """
    if idempotency_key is not None and uuid is not None:
        raise InvalidRequestError(
            "idempotency_key and uuid must not both be given. Next: leave out uuid.", code=230001
        )
    if idempotency_key is not None:
        return make_key_uuid(scope, check_key(idempotency_key))
    if uuid is not None and not (isinstance(uuid, str) and 0 < len(uuid) <= MAX_UUID_CHARS):
        raise InvalidRequestError(
            f"uuid must be a string of 1 to {MAX_UUID_CHARS} characters, got {uuid!r}. Next: pass "
            "idempotency_key= instead, which may be any text.",
            code=230001,
        )
    return uuid


def make_key_uuid(scope: str, key: str) -> str:
    """Return the `uuid` by which Lark de-duplicates a message, for a key that has been checked.

    Args:
        scope: The id of the receiver, or of the message that is answered; part of the key.
        key: The caller's key, or one derived from it.
    """
    return _compute_digest(scope, key).hex()[:40]


def make_client_token(key: str, *what: str) -> str:
    """Return the `client_token` of a Bitable write: a digest in the form of a UUIDv4, as Lark requires.

    Args:
        key: The caller's key.
        what: What is written, and where.

    Raises:
        InvalidRequestError: The key is not a non-empty string.
    """
    return str(uuids.UUID(bytes=_compute_digest(*what, check_key(key))[:16], version=4))


def _compute_digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
