"""Rows of Airflow's questions and of their cards, read one by one: a damaged one is left out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lark_provider.protocol.hitl.model import End, HitlQuestion, QuestionState
from lark_provider.protocol.hitl.records import load_end, load_question
from lark_provider.storage.bridge_tables import hitl_questions
from lark_provider.support.once import Once

logger = logging.getLogger(__name__)

T = TypeVar("T")

_logged = Once()


@dataclass(frozen=True, slots=True)
class RecordedQuestion:
    """A question as it was recorded.

    Attributes:
        question: The question.
        state: `held`, `open` or `over`.
        end: How it ended, once it is over.
    """

    question: HitlQuestion
    state: QuestionState
    end: End | None = None


def read_valid_rows(rows: Iterable[Any], read: Callable[[Any], T]) -> list[T]:
    """Return what rows hold; a damaged one is logged once and left out, so that it stops no other one.

    Args:
        rows: Rows with a `ti_id`.
        read: Reads one.
    """
    contents: list[T] = []
    for row in rows:
        try:
            contents.append(read(row))
        except Exception:  # A row may be damaged in whatever way.
            if _logged.mark_first(row.ti_id):
                logger.exception("Question of Airflow is unreadable; left out", extra={"ti_id": row.ti_id})
    return contents


def read_recorded(
    connection: Connection,
    condition: sa.ColumnElement[bool],
    limit: int | None = None,
    by: sa.Column[datetime] | None = None,
) -> dict[str, RecordedQuestion]:
    """Return questions by their task-instance ids, oldest first.

    Args:
        connection: An open connection to the database.
        condition: The SQL condition on `hitl_questions` that the questions must meet.
        limit: How many questions to return at most, damaged rows not counted; None for all.
        by: The column that they are ordered by; None for the time when their tasks were parked.
    """
    columns = hitl_questions.c
    query = sa.select(columns.ti_id, columns.content, columns.state, columns.outcome).where(condition)
    query = query.order_by(columns.parked_at if by is None else by, columns.ti_id)
    questions: dict[str, RecordedQuestion] = {}
    seen = 0
    while True:
        left = None if limit is None else limit - len(questions)
        batch = connection.execute(query.limit(left).offset(seen)).all()
        questions |= read_valid_rows(batch, lambda row: (row.ti_id, _read_question(row)))
        seen += len(batch)
        if limit is None or len(questions) >= limit or not batch:
            return questions


def _read_question(row: sa.Row[Any]) -> RecordedQuestion:
    end = None if row.outcome is None else load_end(row.outcome)
    return RecordedQuestion(load_question(row.content), cast("QuestionState", row.state), end)
