"""Answers to the waits that version 0.1 began, which are not recorded in the table `waits`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.waits import Wait
from lark_provider.storage import migrate
from lark_provider.storage.statements import insert, make_among_condition
from lark_provider.storage.stored_clicks import (
    StoredClick,
    make_waits_condition,
    read_valid_clicks,
    select_answers,
)
from lark_provider.storage.tables import card_answers, card_callbacks
from lark_provider.storage.wait_chunks import CHUNK


def decide_answers(url: URL, waits: Sequence[Wait]) -> dict[str, list[CardClick]]:
    """Return the answers to some waits, decided now or earlier, with a query for each `CHUNK`.

    A wait is decided by a row under its key, so that later calls, and a retry of the task, get the same
    answer.

    Args:
        url: The database.
        waits: The waits, each with a key of its own.

    Returns:
        Clicks by the wait's key; a wait without an answer is missing.

    Raises:
        StorageError: The database cannot be used.
    """
    answered: dict[str, list[CardClick]] = {}
    for start in range(0, len(waits), CHUNK):
        answered |= _decide_answers(url, waits[start : start + CHUNK])
    return answered


def _decide_answers(url: URL, waits: Sequence[Wait]) -> dict[str, list[CardClick]]:
    with migrate.open_transaction(url, reading=True) as connection:
        clicks, decided = _read_clicks_and_decided(connection, waits)
    new = select_answers([wait for wait in waits if wait.key not in decided], clicks)
    if not new and not decided:
        return {}
    with migrate.open_transaction(url, reading=not new) as connection:
        if new:
            now = datetime.now(UTC)
            rows = [
                {"wait_key": key, "event_ids": _encode_event_ids(answer), "decided_at": now}
                for key, answer in sorted(new.items())  # Sorted against deadlocks.
            ]
            connection.execute(
                insert(connection, card_answers)
                .values(rows)
                .on_conflict_do_nothing(index_elements=[card_answers.c.wait_key])
            )
            # Another process may have decided first; its decision counts.
            decided |= _read_clicks_and_decided(connection, [wait for wait in waits if wait.key in new])[1]
        return _read(connection, decided)


def _encode_event_ids(answer: Sequence[StoredClick]) -> str:
    return orjson.dumps([stored.event_id for stored in answer]).decode()


def _read_clicks_and_decided(
    connection: Connection, waits: Sequence[Wait]
) -> tuple[list[StoredClick], dict[str, list[str]]]:
    """Return, by one query, the clicks that waits may count, in the order stored, and the decided waits."""
    clicks = sa.select(
        card_callbacks.c.id,
        card_callbacks.c.event_id,
        sa.true().label("is_click"),
        card_callbacks.c.payload,
    ).where(make_waits_condition(connection, waits))
    decided = sa.select(sa.literal(0), card_answers.c.wait_key, sa.false(), card_answers.c.event_ids).where(
        make_among_condition(connection, card_answers.c.wait_key, [wait.key for wait in waits])
    )
    rows = connection.execute(sa.union_all(clicks, decided).order_by("id")).all()
    return (
        read_valid_clicks(row for row in rows if row.is_click),
        {row.event_id: orjson.loads(row.payload) for row in rows if not row.is_click},
    )


def _read(connection: Connection, decided: dict[str, list[str]]) -> dict[str, list[CardClick]]:
    wanted = [event_id for event_ids in decided.values() for event_id in event_ids]
    query = sa.select(card_callbacks.c.id, card_callbacks.c.event_id, card_callbacks.c.payload).where(
        make_among_condition(connection, card_callbacks.c.event_id, wanted)
    )
    clicks = {stored.event_id: stored.click for stored in read_valid_clicks(connection.execute(query))}
    return {
        key: [clicks[event_id] for event_id in event_ids]
        for key, event_ids in decided.items()
        if clicks.keys() >= set(event_ids)
    }
