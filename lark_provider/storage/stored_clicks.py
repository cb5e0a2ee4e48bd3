"""Stored clicks, as their rows are read, and which of them answer which waits."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lark_provider.protocol.callbacks import CardClick, read
from lark_provider.protocol.waits import Wait, get_correlation
from lark_provider.storage.statements import make_among_condition
from lark_provider.storage.tables import card_callbacks
from lark_provider.support.once import Once

logger = logging.getLogger(__name__)

_logged = Once()


def parse_click(payload: str) -> CardClick:
    """Return the click that a row's payload holds.

    Raises:
        TypeError: The payload holds another event.
    """
    click = read(orjson.loads(payload))
    if not isinstance(click, CardClick):
        raise TypeError(f"The stored payload is not a card click but of type {type(click).__name__}.")
    return click


class StoredClick(NamedTuple):
    """A click of the table.

    Attributes:
        id: The row's id; clicks are evaluated in this order.
        event_id: The column, which is not always the click's own id: event ids are unique within an app only.
        click: The click.
    """

    id: int
    event_id: str
    click: CardClick


def read_valid_clicks(rows: Iterable[sa.Row[Any]]) -> list[StoredClick]:
    """Return the clicks of rows. A damaged one is left out, so that it ends no wait, and is logged once.

    Args:
        rows: Rows with `id`, `event_id` and `payload`.
    """
    clicks: list[StoredClick] = []
    for row in rows:
        try:
            click = parse_click(row.payload)
            get_correlation(click)
        except Exception:  # A damaged row, in whatever way, must not affect the others.
            if _logged.mark_first((row.id, row.event_id)):
                extra = {"row": row.id, "event_id": row.event_id}
                logger.exception("Stored click is unreadable; left out", extra=extra)
        else:
            clicks.append(StoredClick(row.id, row.event_id, click))
    return clicks


def make_waits_condition(connection: Connection, waits: Collection[Wait]) -> sa.ColumnElement[bool]:
    """Return the condition for clicks that some waits may count: by message or by correlation.

    Args:
        connection: Determines the dialect.
        waits: The waits.
    """
    names = {
        card_callbacks.c.message_id: [message_id for wait in waits for message_id in wait.message_ids],
        card_callbacks.c.correlation: [wait.correlation for wait in waits if wait.correlation],
    }
    return sa.or_(
        sa.false(),
        *(make_among_condition(connection, column, values) for column, values in names.items() if values),
    )


def select_answers(waits: Iterable[Wait], clicks: Sequence[StoredClick]) -> dict[str, list[StoredClick]]:
    """Return the clicks that answer waits, by the wait's key; a wait without an answer is missing.

    Args:
        waits: The waits.
        clicks: Clicks that any of them may count, in any order; they count in that of their rows.
    """
    by_name = defaultdict[str | None, list[StoredClick]](list)
    for stored in clicks:
        by_name[stored.click.message_id].append(stored)
        by_name[get_correlation(stored.click)].append(stored)
    answered: dict[str, list[StoredClick]] = {}
    for wait in waits:
        names = {*wait.message_ids, wait.correlation} - {None}
        by_id = {stored.id: stored for name in names for stored in by_name.get(name, ())}
        candidates = [by_id[row_id] for row_id in sorted(by_id)]
        by_click = {id(stored.click): stored for stored in candidates}
        answer = wait.answer([stored.click for stored in candidates])
        if answer is not None:
            answered[wait.key] = [by_click[id(click)] for click in answer]
    return answered
