"""Store accepted clicks and chat commands, each once, and which events were handled. See also `waits`."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.callbacks import CardClick, Delivery, Event
from lark_provider.protocol.callbacks.storable import MAX_ID_LENGTH, is_id, without_zeros
from lark_provider.protocol.commands.message import CommandMessage, find_command
from lark_provider.protocol.waits import Wait, get_correlation
from lark_provider.storage import chat_commands, legacy_waits, migrate
from lark_provider.storage.errors import StorageError
from lark_provider.storage.statements import INSERTS, insert, insert_rows, make_among_condition
from lark_provider.storage.tables import card_callbacks, handled_events, meta
from lark_provider.support import measured

_INSERTS = {
    dialect: make(card_callbacks)
    .on_conflict_do_nothing()
    .returning(card_callbacks.c.app_id, card_callbacks.c.event_id)
    for dialect, make in INSERTS.items()
}
"""Insert clicks and return those that are new. Made once, since making one takes as long as running it."""


class Inbox:
    """The clicks in one database. Safe with threads. All methods raise StorageError if it cannot be used.

    Args:
        url: The database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url

    def store(self, deliveries: Iterable[Delivery]) -> int:
        """Store clicks and chat commands; what is stored already stays as it is.

        Args:
            deliveries: Any number. All are stored, or none.

        Returns:
            How many clicks are new.

        Raises:
            StorageError: Also, as `permanent`, if no database can store one, or if an event is not a chat
                command.
        """
        rows: list[dict[str, Any]] = []
        commands: list[CommandMessage] = []
        for delivery in deliveries:
            if isinstance(delivery, CardClick):
                rows.append(_make_row(delivery))
            else:
                commands.append(_require_command(delivery))
        if not rows and not commands:
            return 0
        # Sorted by time, so that ids follow it, and so that two processes that store the same clicks at once
        # cannot deadlock.
        rows.sort(key=itemgetter("clicked_at", "event_id"))
        with migrate.open_transaction(self._url) as connection:
            if commands:
                chat_commands.record(connection, commands)
            count = _insert(connection, rows) if rows else 0
        if rows:
            measured.DATABASE_CLICKS.add("new", amount=count)
        if count < len(rows):
            measured.DATABASE_CLICKS.add("duplicate", amount=len(rows) - count)
            measured.DUPLICATES.add("database", amount=len(rows) - count)
        return count

    def check_writable(self) -> None:
        """Prove that a click can be stored: insert a row as `store` does, and roll it back.

        A query would not prove it: a role may connect and read, and lack INSERT or the table.

        Raises:
            StorageError: A click cannot be stored. It is `retryable` if waiting may help.
        """
        now = datetime.now(UTC)
        probe = {
            "event_id": f"probe-{uuid.uuid4()}",  # Two probes with one id would wait for each other.
            "app_id": "probe",
            "message_id": None,
            "correlation": None,
            "payload": "{}",
            "clicked_at": now,
            "stored_at": now,
        }
        try:
            with migrate.open_transaction(self._url) as connection:
                _insert(connection, [probe])
                connection.rollback()
        except StorageError as error:
            if not error.permanent:  # A constraint that the user added: the table exists and takes clicks.
                raise

    def decide_answers(self, waits: Sequence[Wait]) -> dict[str, list[CardClick]]:
        """Return the answers to waits of version 0.1; see `legacy_waits.decide_answers`."""
        return legacy_waits.decide_answers(self._url, waits)

    def is_handled(self, consumer: str, event_id: str) -> bool:
        """Return whether a consumer has handled an event.

        Raises:
            StorageError: Also, as `permanent`, if the event has no valid id.
        """
        return event_id in self.are_handled(consumer, [event_id])

    def are_handled(self, consumer: str, event_ids: Collection[str]) -> set[str]:
        """Return which events a consumer has handled, with one query; raises as `is_handled`.

        Args:
            consumer: The consumer's name.
            event_ids: The ids of the events, any number of them.
        """
        for event_id in event_ids:
            _check({"event": event_id})
        with migrate.open_transaction(self._url, reading=True) as connection:
            query = sa.select(handled_events.c.event_id).where(
                handled_events.c.consumer == consumer,
                make_among_condition(connection, handled_events.c.event_id, event_ids),
            )
            return set(connection.scalars(query))

    def note_handled(self, consumer: str, event_id: str) -> None:
        """Record that a consumer has handled an event; raises as `is_handled`."""
        self.note_all_handled(consumer, [event_id])

    def note_all_handled(self, consumer: str, event_ids: Collection[str]) -> None:
        """Record that a consumer has handled events, in one transaction; raises as `is_handled`.

        Args:
            consumer: The consumer's name.
            event_ids: The ids of the events, any number of them.
        """
        for event_id in event_ids:
            _check({"event": event_id})
        now = datetime.now(UTC)
        rows = [
            {"consumer": consumer, "event_id": event_id, "handled_at": now}
            for event_id in sorted(set(event_ids))  # Sorted against deadlocks.
        ]
        if not rows:
            return
        with migrate.open_transaction(self._url) as connection:
            insert_rows(connection, insert(connection, handled_events).on_conflict_do_nothing(), rows)

    def read_database_id(self) -> str:
        """Return the database's own id: a wait begun on another database would wait indefinitely."""
        with migrate.open_transaction(self._url, reading=True) as connection:
            query = sa.select(meta.c.value).where(meta.c.key == "database_id")
            return str(connection.execute(query).scalar_one())


def _check(ids: Mapping[str, str]) -> None:
    """Reject ids that PostgreSQL would reject, so that SQLite does as well.

    Args:
        ids: The ids, by the kind of thing that each belongs to.
    """
    for what, text in ids.items():
        if not is_id(text):
            raise StorageError(
                f"The id of the {what} must be printable text of 1 to {MAX_ID_LENGTH} characters, got "
                f"{text!a:.80}. Next: check who sent it.",
                permanent=True,
            )


def _require_command(event: Event) -> CommandMessage:
    command = find_command(event)
    if command is None:
        raise StorageError(
            f"The database stores chat commands only, not events of type {event.type}. Next: take "
            "events with `lark_provider.callbacks.consume` or LarkEventTrigger.",
            permanent=True,
        )
    return command


def _make_row(click: CardClick) -> dict[str, Any]:
    ids = {"click": click.event_id, "click's app": click.app_id}
    if click.message_id is not None:
        ids["click's message"] = click.message_id
    _check(ids)
    event = dict(click.raw["event"])
    event.pop("token", None)  # With it, a reader of the table could change the card.
    # Unreserved ids stay as they are; see `_make_own_name`.
    is_reserved = "@" in click.event_id
    return {
        "event_id": _make_own_name(click.event_id, click.app_id) if is_reserved else click.event_id,
        "app_id": click.app_id,
        "message_id": click.message_id,
        "correlation": get_correlation(click),
        "operator_id": click.operator.open_id if is_id(click.operator.open_id) else None,
        "payload": without_zeros(orjson.dumps(click.raw | {"event": event})).decode(),
        "clicked_at": click.created_at,
        "stored_at": datetime.now(UTC),
    }


def _make_own_name(event_id: str, app_id: str) -> str:
    """Return the id under which an app's event is stored where another app has an event of the same id.

    Event ids are unique within an app. The column has to be unique as well, for processes of version 0.1
    name it in ON CONFLICT. Ids that contain the separator are always stored like this, so that no app can
    occupy the name of another one's event.
    """
    name = f"{event_id}@{app_id}"
    if len(name) > MAX_ID_LENGTH:
        name = f"{hashlib.sha256(name.encode()).hexdigest()}@{app_id}"[:MAX_ID_LENGTH]
    return name


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> int:
    """Insert clicks, at least one, and return how many are new."""
    statement = _INSERTS[connection.dialect.name]
    new = connection.execute(statement, rows).all()
    count = len(new)
    # What was not inserted is a duplicate, or another app has an event of that id.
    if count < len(rows) and (renamed := _rename_unstored(connection, rows, set(new))):
        count += len(connection.execute(statement, renamed).all())
    return count


def _rename_unstored(
    connection: Connection, rows: list[dict[str, Any]], new: set[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Return, under names of their own, the clicks that were not inserted and that are not stored already."""
    others = [row for row in rows if (row["app_id"], row["event_id"]) not in new]
    if not others:
        return []
    query = sa.select(card_callbacks.c.app_id, card_callbacks.c.event_id).where(
        make_among_condition(connection, card_callbacks.c.event_id, [row["event_id"] for row in others])
    )
    known = set(connection.execute(query))
    return [
        row | {"event_id": _make_own_name(row["event_id"], row["app_id"])}
        for row in others
        if (row["app_id"], row["event_id"]) not in known
    ]
