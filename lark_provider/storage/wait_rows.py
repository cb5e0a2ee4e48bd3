"""Rows of recorded questions, read as the questions that they hold. See `waits`."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lark_provider.protocol.questions import Asked, State, load_origin, load_question
from lark_provider.storage.errors import StorageError
from lark_provider.storage.statements import among
from lark_provider.storage.tables import waits

logger = logging.getLogger(__name__)


def get(connection: Connection, wait_id: str) -> Asked | None:
    """Return a question; None if it is not recorded.

    Args:
        connection: The database's.
        wait_id: The question.

    Raises:
        StorageError: Its row is damaged.
    """
    row = connection.execute(sa.select(waits).where(waits.c.id == wait_id)).one_or_none()
    return None if row is None else question_of(row)


def ended(connection: Connection, asked: Iterable[Asked]) -> dict[str, Asked]:
    """Return which of some questions are open no longer, as they are now.

    Args:
        connection: The database's.
        asked: The questions, as they were read.
    """
    by_id = {one.id: one for one in asked}
    query = sa.select(waits).where(among(connection, waits.c.id, by_id), waits.c.state != "open")
    rows = {row.id: row for row in connection.execute(query)}
    found = {one.id: one for one in readable_questions(rows.values())}
    # A row that was damaged meanwhile was read before: its waiter still learns that the question is over.
    damaged = {
        wait_id: replace(by_id[wait_id], state=row.state, reason=row.reason, successor=row.successor)
        for wait_id, row in rows.items()
        if wait_id not in found
    }
    return found | damaged


def readable_questions(rows: Iterable[sa.Row[Any]]) -> list[Asked]:
    """Return the questions of rows; a damaged one is logged and left out, so that it stops no other one.

    Args:
        rows: Whole rows of the table.
    """
    found: list[Asked] = []
    for row in rows:
        try:
            asked = question_of(row)
            asked.wait()
        except Exception:  # A damaged row, in whatever way, must not affect the others.
            logger.exception("Recorded question is unreadable; left out", extra={"wait": row.id})
        else:
            found.append(asked)
    return found


def question_of(row: sa.Row[Any]) -> Asked:
    """Return the question of a row.

    Args:
        row: A whole row of the table.

    Raises:
        StorageError: The row is damaged.
    """
    try:
        return Asked(
            id=row.id,
            origin=load_origin(row.origin),
            question=load_question(row.question),
            app_id=row.app_id,
            message_ids=tuple(orjson.loads(row.message_ids)),
            state=cast("State", row.state),
            reason=row.reason,
            decided_by=tuple(orjson.loads(row.decided_by or "[]")),
            successor=row.successor,
            deadline=row.deadline,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
    except Exception as error:  # A row may be damaged in whatever way.
        raise StorageError(
            f"Row {row.id!r} of the table waits must hold a question, got a damaged one "
            f"({type(error).__name__}: {error}). Next: clear the task, so that it asks again."
        ) from error
