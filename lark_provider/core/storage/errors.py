"""Errors of databases and keys. They are here, and not with the others, for what they subclass."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import InvalidToken
from sqlalchemy.exc import OperationalError

from lark_provider.protocol.errors import LarkError


class StorageError(LarkError, OperationalError):
    """A database is away, not what it should be, or behind on migrations. Also an `OperationalError`.

    Attributes:
        retryable: Whether the same call can succeed later without anybody changing anything.
        unfit: Whether what was to be kept is at fault, and not the database.
    """

    def __init__(self, text: str, *, retryable: bool = False, unfit: bool = False) -> None:
        # SQLAlchemy's own text would add the statement and a link.
        super().__init__(text, None, Exception(text))
        self.args = (text,)
        self.text, self.retryable, self.unfit = text, retryable, unfit

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Any, ...]:
        return _storage_error, (type(self), self.text, self.retryable, self.unfit)


def _storage_error(kind: type[StorageError], text: str, retryable: bool, unfit: bool) -> StorageError:
    return kind(text, retryable=retryable, unfit=unfit)


class DecryptionError(LarkError, InvalidToken):
    """Something was encrypted with a key that is not here. Also cryptography's `InvalidToken`."""
