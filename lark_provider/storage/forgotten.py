"""Loads and messages that were forgotten: one that is written again has other tokens.

Lark answers a token that it remembers with the records of the first load, which may have been deleted since,
or with the first message. What is kept is a row of `leases`, for as long as the ledger: how long Lark
remembers a token of a load is not documented.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lark_provider.storage import statements
from lark_provider.storage.tables import leases

_PREFIX = "forgotten "
IS_FORGOTTEN = leases.c.key.startswith(_PREFIX)
"""Whether a row of `leases` is of something that was forgotten."""


def add(connection: Connection, entry: str, now: dt.datetime) -> None:
    """Record that a load or a message was forgotten.

    Args:
        connection: An open connection to the database.
        entry: The id of the load or the message in the ledger.
        now: The time, by the database's clock.
    """
    values = {"owner": uuid.uuid4().hex[:12], "until": now}
    added = statements.insert(connection, leases).values(key=_make_key(entry), **values)
    connection.execute(added.on_conflict_do_update(index_elements=[leases.c.key], set_=values))


def record(entry: str) -> sa.ScalarSelect[str | None]:
    """Return, as a column, what tells a load or a message from the one that was forgotten; NULL if none was.

    Args:
        entry: The id of the load or the message in the ledger.
    """
    return sa.select(leases.c.owner).where(leases.c.key == _make_key(entry)).scalar_subquery()


def choose_token(first: str, forgotten: str | None) -> str:
    """Return the token of a message: another one, of the same length, after one that was forgotten.

    Args:
        first: The token that follows from its key.
        forgotten: What `record` has found.
    """
    if forgotten is None:
        return first
    return hashlib.sha256(f"{first}\0{forgotten}".encode()).hexdigest()[: len(first)]


def _make_key(entry: str) -> str:
    return _PREFIX + entry
