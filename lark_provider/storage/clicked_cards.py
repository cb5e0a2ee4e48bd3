"""The card that a click was on, with its question: the plugin acts only on what is recorded here."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.hitl.model import End, HitlQuestion
from lark_provider.protocol.hitl.records import load_end, load_question
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import hitl_cards, hitl_questions, incidents
from lark_provider.storage.errors import StorageError
from lark_provider.storage.statements import make_among_condition


@dataclass(frozen=True, slots=True)
class QuestionCard:
    """A card of a question, as it is recorded.

    Attributes:
        question: What was asked.
        app_id: The app that sent it.
        message_id: The card's message, once that is known.
        language: `zh` or `en`.
        end: How the question ended, if it has.
        is_earlier: Whether the task has asked once more since it was recorded, so that it takes no answer.
    """

    question: HitlQuestion
    app_id: str
    message_id: str | None
    language: str
    end: End | None
    is_earlier: bool = False


def is_incident(url: URL, key: str) -> bool:
    """Return whether a key is that of the card of a run's failures.

    Args:
        url: The database.
        key: The card's key.

    Raises:
        StorageError: The database cannot be used.
    """
    with migrate.open_transaction(url, reading=True) as connection:
        result = connection.execute(sa.select(incidents.c.key).where(incidents.c.key == key))
        return result.first() is not None


def find_question_card(url: URL, key: str) -> QuestionCard | None:
    """Return the card with a key, if it is one of a question.

    Args:
        url: The database.
        key: The card's key.

    Raises:
        StorageError: The database cannot be used, or the row is damaged.
    """
    rows = _select_rows(url, [key])
    return _read_card(rows[0]) if rows else None


def find_question_cards(url: URL, keys: Iterable[str]) -> dict[str, QuestionCard]:
    """Return cards of questions by their keys, with one query; those that do not exist or are damaged miss.

    Args:
        url: The database.
        keys: The cards' keys.

    Raises:
        StorageError: The database cannot be used.
    """
    cards = {}
    for row in _select_rows(url, keys):
        with suppress(StorageError):  # the plugin tells the person who clicked what is wrong with it
            cards[row.key] = _read_card(row)
    return cards


def _select_rows(url: URL, keys: Iterable[str]) -> list[Any]:
    cards, questions = hitl_cards.c, hitl_questions.c
    wanted = sa.select(
        cards.key,
        cards.app_id,
        cards.message_id,
        cards.language,
        questions.content,
        questions.outcome,
        (cards.created_at < questions.created_at).label("is_earlier"),
    ).join_from(hitl_cards, hitl_questions, questions.ti_id == cards.ti_id)
    with migrate.open_transaction(url, reading=True) as connection:
        return list(connection.execute(wanted.where(make_among_condition(connection, cards.key, keys))))


def _read_card(row: sa.Row[Any]) -> QuestionCard:
    try:
        return QuestionCard(
            question=load_question(row.content),
            app_id=row.app_id,
            message_id=row.message_id,
            language=row.language,
            end=None if row.outcome is None else load_end(row.outcome),
            is_earlier=bool(row.is_earlier),
        )
    except ValueError as error:
        raise StorageError(
            f"The row with the question of card {row.key!r} is damaged ({error}). Next: answer it on "
            "Airflow's own page."
        ) from None
