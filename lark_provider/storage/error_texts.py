"""Explain errors of databases to the operator, with the next step."""

from __future__ import annotations

import re

from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from lark_provider.storage import urls
from lark_provider.storage.errors import StorageError

UPGRADE = "run `lark-provider db upgrade`, with --registry for the registry of apps"
_LINK = re.compile(r"\(Background on this error at: \S+\)")
_BEHIND = f"{{where}} is behind on migrations ({{reason}}). Next: {UPGRADE}."
_SLOW = (
    "{where} did not end a statement in time: {reason}. Next: look in pg_stat_activity and pg_locks for why."
)
_NO_ACCESS = "{where}: {reason}. Next: let this user read and write the file and its folder."
READ_ONLY = "25006"
"""The SQLSTATE of a write on a read-only server."""
_POSTGRES_ERRORS = {
    READ_ONLY: "{where} is read-only: {reason}. Next: connect to the primary server, and not to a standby.",
    "42501": (
        "{where}: {reason}. Next: grant this user SELECT, INSERT, UPDATE and DELETE on the tables; "
        "migrations are run as their owner."
    ),
    "42703": _BEHIND,
    "42P01": _BEHIND,
    "55P03": _SLOW,
    "57014": _SLOW,
}
"""The text of an error, by SQLSTATE."""
_SQLITE_ERRORS = {
    "no such table": _BEHIND,
    "no such column": _BEHIND,
    "file is not a database": (
        "{where} is not a SQLite database. Next: name another path, or restore a backup."
    ),
    "readonly database": _NO_ACCESS,
    "unable to open database": _NO_ACCESS,
    "database is locked": "{where} is being written by another process. Next: try again when it is done.",
}
"""The text of an error, by words of SQLite's."""
_RETRYABLE = {READ_ONLY, "55P03", "57014", "database is locked"}


def explain(error: SQLAlchemyError, url: URL) -> StorageError:
    """Explain a database error to the operator.

    Args:
        error: SQLAlchemy's error.
        url: The database.
    """
    where = f"Database {urls.display(url)}"
    reason = str(getattr(error, "orig", None) or error).strip()
    if url.password:
        reason = reason.replace(str(url.password), "***")
    reason = " ".join(_LINK.sub("", reason).split()).rstrip(".?")
    if url.drivername == urls.SQLITE_DRIVER:
        advice = "check that its disk has free space; if the file is damaged, restore a backup"
        texts, kind = _SQLITE_ERRORS, next((words for words in _SQLITE_ERRORS if words in reason), "")
    else:
        advice = "check that it runs, and its host, port, user and password"
        texts, kind = _POSTGRES_ERRORS, getattr(getattr(error, "orig", None), "pgcode", None) or ""
    if text := texts.get(kind):
        reason = reason.partition(" LINE ")[0] if text is _SLOW else reason
        return StorageError(text.format(where=where, reason=reason), retryable=kind in _RETRYABLE)
    if isinstance(error, PoolTimeout):
        return StorageError(
            f"{where}: no connection is free: {reason}. Next: use fewer threads at once, or raise "
            "LARK_DB_POOL_SIZE or LARK_DB_MAX_OVERFLOW.",
            retryable=True,
        )
    if isinstance(error, StatementError) and not isinstance(error, DBAPIError):
        return StorageError(f"{where}: invalid statement: {reason}. Next: check its parameters.")
    if isinstance(error, DataError | IntegrityError):
        return StorageError(
            f"{where} rejected the values: {reason}. Next: check their types, lengths and uniqueness.",
            permanent=True,
        )
    if isinstance(error, ProgrammingError):
        return StorageError(f"{where}: {reason}. Next: check that it is the database meant for Lark.")
    lost = not isinstance(error, DBAPIError) or isinstance(error, OperationalError)
    lost = lost or (isinstance(error, DBAPIError) and error.connection_invalidated)
    return StorageError(f"{where} cannot be used: {reason}. Next: {advice}.", retryable=lost)
