"""Rows of the outbox: what is added, encrypted, and what a process is given that has claimed one.

A row that a newer version of its card has made obsolete is marked as superseded, unless it may have been sent
already: that one is sent again under the same key, or a second card would appear.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lark_provider.protocol.tokens import App
from lark_provider.storage import statements
from lark_provider.storage.bridge_tables import outbox
from lark_provider.storage.crypto import TokenBox

_check_commit: ContextVar[Callable[[], None] | None] = ContextVar("lark_outbox_check_commit", default=None)
"""Called before a row's transaction commits."""

OutboxState: TypeAlias = Literal["due", "delivered", "given_up", "superseded"]


class RowState(NamedTuple):
    """What has become of a row so far.

    Attributes:
        state: Where it is on its way to Lark.
        message_id: The message that shows it; None if there is none yet.
        reason: Why it is not delivered, after a failed attempt.
    """

    state: OutboxState
    message_id: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A row to add.

    Attributes:
        id: 64 characters that identify it; a second row of the same id is not added.
        receiver: The chat or person.
        payload: The message as JSON, which is stored encrypted.
        card: The card whose versions follow each other; None for a message of its own.
        version: The number of the card's version; a greater one is newer.
        message_id: The card's message, if it is known.
        not_before: When it is due, with its time zone; None for at once.
        expires_at: When it expires, with its time zone; None for never.
    """

    id: str
    receiver: str
    payload: str = field(repr=False)
    card: str | None = None
    version: int = 0
    message_id: str | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """A row that this process delivers now.

    Attributes:
        id: The row's id.
        app_id: The app that sends it.
        base_url: The URL of its Lark.
        card: The card, if it is a version of one.
        version: The number of the card's version; a greater one is newer.
        payload: The encrypted message; see `open_payload`.
        message_id: The id of the card's message, to update it; None to send a message.
        attempts: How often it was tried before.
        was_sent: Whether an earlier attempt may have sent it.
        sent_seconds: How long ago the first such attempt was, in seconds.
    """

    id: str
    app_id: str
    base_url: str
    card: str | None
    version: int
    payload: str = field(repr=False)
    message_id: str | None
    attempts: int
    was_sent: bool
    sent_seconds: float


def open_payload(row: ClaimedRow, app: App) -> str | None:
    """Return the payload of a row; None if it is encrypted for another app, secret, row or base URL.

    Args:
        row: The row.
        app: The app, with its secret.
    """
    return _make_box(row.id, app.app_secret, row.app_id, row.base_url).open(row.payload)


@contextmanager
def checking_commits(check: Callable[[], None]) -> Iterator[None]:
    """Call a check before the commit of each row that is added within; an error of it rolls the row back.

    Args:
        check: Called in the transaction when only its commit is left.
    """
    token = _check_commit.set(check)
    try:
        yield
    finally:
        _check_commit.reset(token)


def _make_box(id_: str, secret: str, app_id: str, base_url: str) -> TokenBox:
    # Bound to the base URL, so that a user who can write the table cannot have an app's messages sent
    # elsewhere.
    return TokenBox(secret, f"outbox\0{id_}\0{app_id}\0{base_url}")


def add(connection: Connection, app: App, entry: OutboxEntry) -> bool:
    """Add a row, and mark what it makes obsolete as superseded: the last step of a transaction.

    Args:
        connection: A transaction.
        app: The app that sends it.
        entry: The row.

    Returns:
        Whether it is new.
    """
    columns, now = outbox.c, statements.read_clock(connection).now
    added = statements.insert(connection, outbox).values(
        id=entry.id,
        kind="send" if entry.message_id is None else "update",
        app_id=app.app_id,
        base_url=app.base_url,
        target=hashlib.sha256(f"{app.app_id}\0{entry.receiver}".encode()).hexdigest(),
        card=entry.card,
        version=entry.version,
        payload=_make_box(entry.id, app.app_secret, app.app_id, app.base_url).seal(entry.payload),
        state="due",
        attempts=0,
        message_id=entry.message_id,
        next_at=now if entry.not_before is None else max(now, entry.not_before),
        created_at=now,
        updated_at=now,
        expires_at=entry.expires_at,
    )
    statement = added.on_conflict_do_nothing(index_elements=[columns.id]).returning(columns.id)
    is_new = connection.execute(statement).one_or_none() is not None
    if is_new and entry.card is not None:
        is_free = sa.or_(columns.owner.is_(None), columns.owned_until < now)
        older = sa.and_(columns.card == entry.card, columns.version < entry.version, columns.state == "due")
        connection.execute(
            outbox.update()
            .where(older, is_free, columns.first_sent_at.is_(None))
            .values(state="superseded", owner=None, updated_at=now)
        )
    if (check := _check_commit.get()) is not None:
        check()
    return is_new
