"""Loads that were forgotten: one that is written again has other tokens.

Lark answers a token that it remembers with the records of the first load, which may have been deleted since.
What is kept is a row of `leases`, which `db purge` deletes a day later: nobody knows how long Lark remembers.
"""

from __future__ import annotations

import datetime as dt
import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lark_provider.storage import statements
from lark_provider.storage.tables import leases


def add(connection: Connection, load: str, now: dt.datetime) -> None:
    """Record that a load was forgotten.

    Args:
        connection: The database's.
        load: Its id.
        now: The time, by the database's clock.
    """
    values = {"owner": uuid.uuid4().hex[:12], "until": now}
    added = statements.insert(connection, leases).values(key=_key(load), **values)
    connection.execute(added.on_conflict_do_update(index_elements=[leases.c.key], set_=values))


def name(connection: Connection, load: str) -> str:
    """Return what tells a load from the one that was forgotten; empty if none was.

    Args:
        connection: The database's.
        load: Its id.
    """
    return connection.scalar(sa.select(leases.c.owner).where(leases.c.key == _key(load))) or ""


def _key(load: str) -> str:
    return f"forgotten load {load}"
