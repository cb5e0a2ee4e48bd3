"""Errors of databases and keys, apart from the others since they subclass those of other packages."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import InvalidToken
from sqlalchemy.exc import OperationalError

from lark_provider.protocol.errors import LarkError


class StorageError(LarkError, OperationalError):
    """A database is unavailable, unusable, or behind on migrations. Also an `OperationalError`.

    Attributes:
        retryable: Whether the same call can succeed later without a change.
        permanent: Whether the data to store is invalid, and not the database at fault.
    """

    def __init__(self, text: str, *, retryable: bool = False, permanent: bool = False) -> None:
        # SQLAlchemy's own text would add the statement and a link.
        super().__init__(text, None, Exception(text))
        self.args = (text,)
        self.text, self.retryable, self.permanent = text, retryable, permanent

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_storage_error, (type(self), self.text, self.retryable, self.permanent)


def _make_storage_error(
    kind: type[StorageError], text: str, retryable: bool, permanent: bool
) -> StorageError:
    return kind(text, retryable=retryable, permanent=permanent)


class DecryptionError(LarkError, InvalidToken):
    """A text was encrypted with a key that is not configured. Also cryptography's `InvalidToken`."""


class AlteredError(DecryptionError):
    """A row is not as it was encrypted: something other than this package has changed it."""
