"""Rows of recorded questions: read as the questions that they hold, added and changed. See `waits`."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.questions import (
    Draft,
    Origin,
    TaskQuestion,
    WaitState,
    dump,
    load_origin,
    load_question,
)
from lark_provider.storage.errors import StorageError
from lark_provider.storage.statements import make_among_condition
from lark_provider.storage.stored_clicks import StoredClick
from lark_provider.storage.tables import waits

logger = logging.getLogger(__name__)


def get(connection: Connection, wait_id: str, *, is_locked: bool = False) -> TaskQuestion | None:
    """Return a question; None if it is not recorded.

    Args:
        connection: An open connection to the database.
        wait_id: The question's id.
        is_locked: Whether to lock the row until the transaction ends, since it is to be changed.

    Raises:
        StorageError: Its row is damaged.
    """
    query = sa.select(waits).where(waits.c.id == wait_id)
    row = connection.execute(query.with_for_update() if is_locked else query).one_or_none()
    return None if row is None else read_question(row)


def find_ended(connection: Connection, questions: Iterable[TaskQuestion]) -> dict[str, TaskQuestion]:
    """Return which of some questions are open no longer, as they are now.

    Args:
        connection: An open connection to the database.
        questions: The questions, as they were read.
    """
    by_id = {question.id: question for question in questions}
    query = sa.select(waits).where(
        make_among_condition(connection, waits.c.id, by_id), waits.c.state != "open"
    )
    rows = {row.id: row for row in connection.execute(query)}
    ended = {question.id: question for question in read_valid_questions(rows.values())}
    # A row that was damaged meanwhile was read before: its waiter still learns that the question is over.
    damaged = {
        wait_id: replace(by_id[wait_id], state=row.state, reason=row.reason, successor=row.successor)
        for wait_id, row in rows.items()
        if wait_id not in ended
    }
    return ended | damaged


def read_valid_questions(rows: Iterable[sa.Row[Any]]) -> list[TaskQuestion]:
    """Return the questions of rows; a damaged one is logged and left out, so that it stops no other one.

    Args:
        rows: Whole rows of the table.
    """
    questions: list[TaskQuestion] = []
    for row in rows:
        try:
            question = read_question(row)
            question.to_wait()
        except Exception:  # A damaged row, in whatever way, must not affect the others.
            logger.exception("Recorded question is unreadable; left out", extra={"wait": row.id})
        else:
            questions.append(question)
    return questions


def read_question(row: sa.Row[Any]) -> TaskQuestion:
    """Return the question of a row.

    Args:
        row: A whole row of the table.

    Raises:
        StorageError: The row is damaged.
    """
    try:
        return TaskQuestion(
            id=row.id,
            origin=load_origin(row.origin),
            question=load_question(row.question),
            app_id=row.app_id,
            message_ids=tuple(orjson.loads(row.message_ids)),
            state=cast("WaitState", row.state),
            reason=row.reason,
            decided_by=tuple(orjson.loads(row.decided_by or "[]")),
            successor=row.successor,
            deadline=row.deadline,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
    except Exception as error:  # A row may be damaged in whatever way.
        raise StorageError(
            f"Row {row.id!r} of the table waits is damaged ({type(error).__name__}: {error}). Next: clear "
            "the task, so that it asks again."
        ) from error


def insert(connection: Connection, draft: Draft) -> TaskQuestion:
    """Record a question as open, and return it.

    Args:
        connection: A transaction.
        draft: What is asked.

    Raises:
        ConfigurationError: No click can answer it.
    """
    now = datetime.now(UTC)
    values = {
        "id": str(uuid.uuid4()),
        "origin_key": draft.origin.key,
        "origin": dump(draft.origin),
        "app_id": draft.app_id,
        "message_ids": dump(draft.message_ids),
        "question": dump(draft.question),
        "state": "open",
        "deadline": draft.deadline,
        "created_at": now,
        "updated_at": now,
    }
    question = read_question(connection.execute(sa.insert(waits).values(values).returning(waits)).one())
    question.to_wait()  # Raises for a question that no click can answer.
    return question


def find_newest(connection: Connection, origin: Origin) -> tuple[TaskQuestion | None, list[str]]:
    """Return the newest question of a task instance, and the ids of its damaged ones.

    Args:
        connection: An open connection to the database.
        origin: An attempt of the task instance.

    Raises:
        ConfigurationError: It was asked by an attempt that came after the task instance was cleared.
    """
    query = sa.select(waits).where(waits.c.origin_key == origin.key, waits.c.successor.is_(None))
    rows = connection.execute(query).all()
    readable = read_valid_questions(rows)
    latest = max(readable, key=lambda question: question.created_at, default=None)
    if (
        latest is not None
        and latest.origin.try_number > origin.try_number
        and not origin.continues(latest.origin)
        and not origin.is_of_newer_run(latest.origin)
    ):
        raise ConfigurationError(
            f"Attempt {origin.try_number} of task {origin.task_id!r} was replaced by attempt "
            f"{latest.origin.try_number}, which has asked again. Next: nothing; the newer attempt goes on."
        )
    return latest, sorted({row.id for row in rows} - {question.id for question in readable})


def take_over(
    connection: Connection, question: TaskQuestion, origin: Origin, deadline: datetime | None
) -> TaskQuestion:
    """Record that a later attempt goes on with a question, and return it as it is now.

    Args:
        connection: A transaction.
        question: The question.
        origin: The attempt.
        deadline: Until when it keeps the question open.
    """
    if origin.try_number > question.origin.try_number:
        change(connection, question.id, origin=dump(origin), deadline=deadline)
    return get(connection, question.id) or question


def decide(connection: Connection, wait_id: str, clicks: Sequence[StoredClick]) -> bool:
    """Decide a question that is still open, and return whether it was.

    Args:
        connection: A transaction.
        wait_id: The question.
        clicks: What decides it.
    """
    return change(connection, wait_id, state="decided", decided_by=dump([click.id for click in clicks]))


def change(connection: Connection, wait_id: str, **values: Any) -> bool:
    """Change a question that is still open, and return whether it was.

    Args:
        connection: A transaction.
        wait_id: The question.
        values: What its row has from now on, by column.
    """
    statement = sa.update(waits).where(waits.c.id == wait_id, waits.c.state == "open")
    return connection.execute(statement.values(updated_at=datetime.now(UTC), **values)).rowcount > 0
