"""Clicks that were accepted, each once, and which of them answered whom. See `protocol.waits`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.core.storage import migrate, urls
from lark_provider.core.storage.engine import transaction
from lark_provider.core.storage.errors import StorageError
from lark_provider.core.storage.statements import insert
from lark_provider.core.storage.tables import card_answers, card_callbacks, handled_events, meta
from lark_provider.protocol.callbacks import CardClick, read
from lark_provider.protocol.callbacks.storable import is_id, without_zeros
from lark_provider.protocol.waits import Wait, correlation_of


class Inbox:
    """The clicks in one database. May be used by several threads.

    Args:
        url: The database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url

    def store(self, clicks: Iterable[CardClick]) -> int:
        """Keep clicks; one that is there already stays as it is.

        Args:
            clicks: Any number. All are kept, or none.

        Returns:
            How many are new.

        Raises:
            StorageError: The database cannot be used; or, if it is `unfit`, a click cannot be kept by any.
        """
        # The order of the clicks themselves: earlier ones come first, and two who store the same ones at
        # once do not wait for each other in a circle.
        ordered = sorted(clicks, key=lambda click: (click.created_at, click.event_id))
        rows = [_row(click) for click in ordered]
        if not rows:
            return 0
        with transaction(migrate.opened(self._url)) as connection:
            kept = connection.execute(
                insert(connection, card_callbacks)
                .on_conflict_do_nothing(index_elements=[card_callbacks.c.event_id])
                .returning(card_callbacks.c.id),
                rows,
            )
            return len(kept.all())

    def answers(self, waits: Sequence[Wait]) -> dict[str, list[CardClick]]:
        """The answers that there are to some waits, decided now or earlier, with one query for all.

        A wait is decided by a row under its key, so whoever asks later, and a task that is tried again, is
        told the same.

        Args:
            waits: Each with a key of its own.

        Returns:
            Clicks by the wait's key; a wait without an answer is missing.

        Raises:
            StorageError: The database cannot be used.
        """
        with transaction(migrate.opened(self._url), reading=True) as connection:
            clicks, decided = _look(connection, waits)
        concerning = _sorted_by_card(clicks)
        found = {wait.key: wait.answer(concerning(wait)) for wait in waits if wait.key not in decided}
        new = {key: answer for key, answer in found.items() if answer is not None}
        if not new and not decided:
            return {}
        with transaction(migrate.opened(self._url), reading=not new) as connection:
            if new:
                now = datetime.now(UTC)
                rows = [
                    {"wait_key": key, "event_ids": _ids(answer), "decided_at": now}
                    for key, answer in sorted(new.items())  # in one order for all, as above
                ]
                connection.execute(
                    insert(connection, card_answers)
                    .values(rows)
                    .on_conflict_do_nothing(index_elements=[card_answers.c.wait_key])
                )
                # Somebody else may have decided first; what stands is what counts.
                decided |= _look(connection, [wait for wait in waits if wait.key in new])[1]
            return _read(connection, decided)

    def is_handled(self, consumer: str, event_id: str) -> bool:
        """Whether a consumer has handled an event.

        Args:
            consumer: Names the consumer.
            event_id: Names the event.

        Raises:
            StorageError: The database cannot be used; or, if it is `unfit`, the event has no usable id.
        """
        _check("event", event_id)
        query = sa.select(sa.literal(1)).where(
            handled_events.c.consumer == consumer, handled_events.c.event_id == event_id
        )
        with transaction(migrate.opened(self._url), reading=True) as connection:
            return connection.scalar(query) is not None

    def note_handled(self, consumer: str, event_id: str) -> None:
        """Note that a consumer has handled an event.

        Args:
            consumer: Names the consumer.
            event_id: Names the event.

        Raises:
            StorageError: As for `is_handled`.
        """
        _check("event", event_id)
        with transaction(migrate.opened(self._url)) as connection:
            connection.execute(
                insert(connection, handled_events)
                .values(consumer=consumer, event_id=event_id, handled_at=datetime.now(UTC))
                .on_conflict_do_nothing()
            )

    def database_id(self) -> str:
        """The database's own id: a wait begun on another database would wait for ever.

        Raises:
            StorageError: The database cannot be used.
        """
        with transaction(migrate.opened(self._url), reading=True) as connection:
            query = sa.select(meta.c.value).where(meta.c.key == "database_id")
            return str(connection.execute(query).scalar_one())


def _check(what: str, text: str | None) -> None:
    """Refuse an id from outside that PostgreSQL would refuse, so that SQLite does as well."""
    if not is_id(text):
        raise StorageError(f"The {what} has no usable id: {text!a:.80}. Next: look who sent it.", unfit=True)


def _row(click: CardClick) -> dict[str, Any]:
    _check("click", click.event_id)
    _check("click's app", click.app_id)
    if click.message_id is not None:
        _check("click's message", click.message_id)
    raw = click.raw
    if isinstance(raw.get("event"), dict):
        # Whoever reads the table could change the card with the token.
        raw = raw | {"event": {name: part for name, part in raw["event"].items() if name != "token"}}
    return {
        "event_id": click.event_id,
        "app_id": click.app_id,
        "message_id": click.message_id,
        "correlation": correlation_of(click),
        "payload": without_zeros(orjson.dumps(raw)).decode(),
        "clicked_at": click.created_at,
        "stored_at": datetime.now(UTC),
    }


def _click(payload: str) -> CardClick:
    click = read(orjson.loads(payload))
    assert isinstance(click, CardClick)  # noqa: S101 - nothing else is stored
    return click


def _among(connection: Connection, column: sa.Column[Any], values: Iterable[str]) -> sa.ColumnElement[bool]:
    """`column` is one of `values`: any number of them in one parameter."""
    given = sorted(set(values))
    if connection.dialect.name == urls.SQLITE_DRIVER:
        each = sa.func.json_each(orjson.dumps(given).decode()).table_valued("value")
        return column.in_(sa.select(each.c.value))
    return column == sa.func.any(sa.cast(given, sa.ARRAY(sa.String)))


def _look(connection: Connection, waits: Sequence[Wait]) -> tuple[list[CardClick], dict[str, list[str]]]:
    """The clicks that some waits may count, in the order stored, and the waits decided: in one query."""
    messages = [message_id for wait in waits for message_id in wait.message_ids]
    correlations = [wait.correlation for wait in waits if wait.correlation]
    clicks = sa.select(
        card_callbacks.c.id, sa.null().label("wait_key"), card_callbacks.c.payload.label("text")
    ).where(
        sa.or_(
            _among(connection, card_callbacks.c.message_id, messages),
            _among(connection, card_callbacks.c.correlation, correlations),
        )
    )
    answers = sa.select(sa.literal(0), card_answers.c.wait_key, card_answers.c.event_ids).where(
        _among(connection, card_answers.c.wait_key, [wait.key for wait in waits])
    )
    rows = connection.execute(sa.union_all(clicks, answers).order_by("id")).all()
    return (
        [_click(row.text) for row in rows if row.wait_key is None],
        {row.wait_key: orjson.loads(row.text) for row in rows if row.wait_key is not None},
    )


def _sorted_by_card(clicks: Sequence[CardClick]) -> Callable[[Wait], list[CardClick]]:
    """Find the few of many clicks that a wait may count, in the order stored: many waits look at a time."""
    places = defaultdict[str | None, list[int]](list)
    for place, click in enumerate(clicks):
        places[click.message_id].append(place)
        places[correlation_of(click)].append(place)

    def concerning(wait: Wait) -> list[CardClick]:
        names = {*wait.message_ids, wait.correlation} - {None}
        found = {place for name in names for place in places.get(name, ())}
        return [clicks[place] for place in sorted(found)]

    return concerning


def _ids(clicks: Sequence[CardClick]) -> str:
    return orjson.dumps([click.event_id for click in clicks]).decode()


def _read(connection: Connection, decided: dict[str, list[str]]) -> dict[str, list[CardClick]]:
    wanted = [event_id for event_ids in decided.values() for event_id in event_ids]
    query = sa.select(card_callbacks.c.event_id, card_callbacks.c.payload).where(
        _among(connection, card_callbacks.c.event_id, wanted)
    )
    clicks = {row.event_id: _click(row.payload) for row in connection.execute(query)}
    return {
        key: [clicks[event_id] for event_id in event_ids]
        for key, event_ids in decided.items()
        if clicks.keys() >= set(event_ids)
    }
