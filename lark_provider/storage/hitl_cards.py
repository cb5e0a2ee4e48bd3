"""The cards of Airflow's questions: a row for each before it is sent, so that two bridges send it once.

Who works on a card moves its `next_at` ahead first, in one statement. That is a lease by the database's
clock, and, after an attempt that failed, the pause before the next one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.hitl.model import End, HitlQuestion
from lark_provider.protocol.hitl.records import load_end, load_question
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import hitl_cards, hitl_questions
from lark_provider.storage.hitl_rows import read_valid_rows
from lark_provider.storage.new_cards import ASKED_AGAIN, QUIET, NewCard, insert_cards, read_card
from lark_provider.storage.statements import make_among_condition, read_clock

__all__ = ["ASKED_AGAIN", "IN_PLACE", "LEASE_SECONDS", "RESENT", "ClaimedCard", "NewCard", "QuestionCards"]

LEASE_SECONDS = 60.0
"""The time for one attempt at a card. Longer than a request to Lark with its retries may take in a bridge."""
RESENT = "sent again"
"""The reason of a card whose question has a newer card."""
IN_PLACE = "in place of a lost card"
"""The reason of a card that is due although its question may be over."""
_FIRST_PAUSE, _MAX_PAUSE = 2.0, 60.0
_MAX_RESENT = 500


@dataclass(frozen=True, slots=True)
class ClaimedCard:
    """A card to be worked on, with its question.

    Attributes:
        key: The card's key.
        card: The app, the receiver and the language of the card.
        state: `due` or `sent`.
        message_id: The message, once it was sent.
        shown: The digest of the content that it shows.
        reason: Why the card is to be closed although its question may be open, or to be sent although that is
            over.
        question: The question.
        end: How the question ended; None while it is open.
        age: Seconds since the work became due.
        is_tried: Whether an attempt was made before: a card that is due may have been sent all the same.
    """

    key: str
    card: NewCard
    state: str
    message_id: str | None
    shown: str | None
    reason: str | None
    question: HitlQuestion
    end: End | None
    age: float
    is_tried: bool = False


class QuestionCards:
    """The cards in one database. Safe with threads. All methods raise StorageError if it cannot be used.

    Args:
        url: The database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url

    def claim_due(self, limit: int) -> list[ClaimedCard]:
        """Claim cards that are to be sent, and cards to be closed since their question is over, oldest first.

        Args:
            limit: How many at most. No other process can claim them for `LEASE_SECONDS`.
        """
        cards, questions = hitl_cards.c, hitl_questions.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            is_over = sa.exists().where(questions.ti_id == cards.ti_id, questions.state == "over")
            is_work = sa.or_(
                cards.state == "due", sa.and_(cards.state == "sent", sa.or_(cards.reason == RESENT, is_over))
            )
            is_free = sa.or_(cards.next_at.is_(None), cards.next_at <= now)
            query = sa.select(cards.key, cards.next_at, cards.reason).where(is_work, is_free)
            query = query.order_by(cards.created_at).limit(limit)
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            if not rows:
                return []
            until = now + timedelta(seconds=LEASE_SECONDS)
            is_claimed = make_among_condition(connection, cards.key, [row.key for row in rows])
            # Once it was claimed, a card that has waited may have been sent, as any other.
            reason = sa.case((cards.reason == QUIET, None), else_=cards.reason)
            connection.execute(hitl_cards.update().where(is_claimed).values(next_at=until, reason=reason))
            tried = {row.key for row in rows if row.next_at is not None and row.reason != QUIET}
            return [
                replace(card, is_tried=card.key in tried)
                for card in _read_claimed(connection, is_claimed, now)
            ]

    def read(self, keys: Iterable[str]) -> list[ClaimedCard]:
        """Return cards with their questions; those that are not recorded are missing."""
        with migrate.open_transaction(self._url, reading=True) as connection:
            return _read_claimed(
                connection,
                make_among_condition(connection, hitl_cards.c.key, keys),
                read_clock(connection).now,
            )

    def record_sent(self, key: str, message_id: str, chat_id: str | None, shown: str) -> None:
        """Record the message of a card that was due; an earlier record stays.

        Args:
            key: The card.
            message_id: The message, `om_…`.
            chat_id: The chat that it is in, `oc_…`.
            shown: The digest of its content.
        """
        cards = hitl_cards.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            connection.execute(
                hitl_cards.update()
                .where(cards.key == key, cards.state == "due")
                .values(
                    state="sent", message_id=message_id, chat_id=chat_id, shown=shown, sent_at=now,
                    next_at=None, reason=None, updated_at=now,
                )
            )  # fmt: skip

    def claim_open(self, key: str) -> bool:
        """Claim a card that is open, so that it is not closed while something else is shown on it.

        Args:
            key: The card. No other process can claim it for `LEASE_SECONDS`.

        Returns:
            Whether it was claimed: its question is not over, and no other process works on it.
        """
        cards, questions = hitl_cards.c, hitl_questions.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            is_open = sa.exists().where(questions.ti_id == cards.ti_id, questions.state == "open")
            taken = connection.execute(
                hitl_cards.update()
                .where(cards.key == key, cards.state == "sent", is_open)
                .where(sa.or_(cards.next_at.is_(None), cards.next_at <= now))
                .values(next_at=now + timedelta(seconds=LEASE_SECONDS))
            )
            return taken.rowcount == 1

    def record_shown(self, key: str, shown: str | None) -> None:
        """Record what a claimed card shows now; one that was closed meanwhile is closed once more.

        Args:
            key: The card.
            shown: The digest of its content; None if that is not known.
        """
        # A process that was frozen past its lease has overwritten the end that another one has shown.
        state = sa.case((hitl_cards.c.state == "over", "sent"), else_=hitl_cards.c.state)
        self._change(hitl_cards.c.key == key, shown=shown, state=state, next_at=None)

    def record_closed(self, key: str, shown: str | None, end: End | None) -> None:
        """Record that a card shows how its question ended; unless the recorded end has changed meanwhile.

        Args:
            key: The card.
            shown: The digest of its content; None if it was never sent.
            end: The end that it shows; None for a card that was sent again.
        """
        cards, questions = hitl_cards.c, hitl_questions.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            query = sa.select(questions.outcome).where(
                questions.ti_id == sa.select(cards.ti_id).where(cards.key == key).scalar_subquery()
            )
            outcome = connection.execute(query.with_for_update()).scalar()
            is_current = end is None or (outcome is not None and load_end(outcome) == end)
            # An older end may have replaced the newest on the card, after a pause: then it is closed again.
            states = ("due", "sent") if is_current else ("due", "sent", "over")
            late = sa.case((cards.state == "over", "sent"), else_=cards.state)
            connection.execute(
                hitl_cards.update()
                .where(cards.key == key, cards.state.in_(states))
                .values(state="over" if is_current else late, shown=shown, next_at=None, updated_at=now)
            )

    def postpone(self, key: str, age: float, reason: str) -> float:
        """Put off the next attempt at a card: the longer, the longer the work is due.

        Args:
            key: The card's key.
            age: Seconds since the work became due.
            reason: Why the last attempt failed.

        Returns:
            Seconds until the next attempt.
        """
        seconds = min(max(age / 2, _FIRST_PAUSE), _MAX_PAUSE)
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            # What these say is needed by the next attempt.
            stays = hitl_cards.c.reason.in_((RESENT, ASKED_AGAIN))
            kept = sa.case((stays, hitl_cards.c.reason), else_=reason)
            connection.execute(
                hitl_cards.update()
                .where(hitl_cards.c.key == key)
                .values(next_at=now + timedelta(seconds=seconds), reason=kept)
            )
        return seconds

    def give_up(self, key: str, reason: str) -> None:
        """Record that no further attempt is made at a card.

        Args:
            key: The card's key.
            reason: Why no further attempt is made.
        """
        self._change(hitl_cards.c.key == key, state="given_up", reason=reason, next_at=None)

    def replace(self, key: str, reason: str) -> None:
        """Give up a card that cannot be updated any more, and record a new one in its place, once.

        Args:
            key: The card's key.
            reason: Why the card cannot be updated any more.
        """
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            this = hitl_cards.c.key == key
            row = connection.execute(sa.select(hitl_cards).where(this).with_for_update()).one()
            if row.state == "given_up":
                return
            connection.execute(
                hitl_cards.update()
                .where(this)
                .values(state="given_up", reason=reason, next_at=None, updated_at=now)
            )
            insert_cards(connection, [read_card(row, 1)], now, IN_PLACE)

    def send_again(self, older_than: timedelta) -> int:
        """Record a new card for open ones that soon take no more clicks, and close the old ones.

        Args:
            older_than: Since they were sent.

        Returns:
            How many are new.
        """
        cards, questions = hitl_cards.c, hitl_questions.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            is_open = sa.exists().where(questions.ti_id == cards.ti_id, questions.state == "open")
            query = (
                sa.select(hitl_cards)
                .where(cards.state == "sent", cards.sent_at < now - older_than)
                .where(sa.or_(cards.reason.is_(None), cards.reason != RESENT), is_open)
                .order_by(cards.key)
                .limit(_MAX_RESENT)
            )
            old = connection.execute(query.with_for_update(skip_locked=True)).all()
            new = dict(read_valid_rows(old, lambda row: (row.key, read_card(row, 1))))
            if not new:
                return 0
            is_replaced = make_among_condition(connection, cards.key, new)
            connection.execute(hitl_cards.update().where(is_replaced).values(reason=RESENT, next_at=None))
            return insert_cards(connection, list(new.values()), now)

    def count_due(self) -> int:
        """Return how many cards are to be sent."""
        with migrate.open_transaction(self._url, reading=True) as connection:
            query = sa.select(sa.func.count()).select_from(hitl_cards).where(hitl_cards.c.state == "due")
            return int(connection.execute(query).scalar_one())

    def _change(self, condition: sa.ColumnElement[bool], **values: Any) -> None:
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            connection.execute(hitl_cards.update().where(condition).values(updated_at=now, **values))


def _read_claimed(
    connection: Connection, condition: sa.ColumnElement[bool], now: datetime
) -> list[ClaimedCard]:
    questions = hitl_questions.c
    query = (
        sa.select(
            hitl_cards,
            questions.content,
            questions.state.label("question_state"),
            questions.outcome,
            questions.updated_at.label("changed_at"),
        )
        .join(hitl_questions, questions.ti_id == hitl_cards.c.ti_id)
        .where(condition)
        .order_by(hitl_cards.c.created_at)
    )
    return read_valid_rows(connection.execute(query), lambda row: _read_claimed_card(row, now))


def _read_claimed_card(row: sa.Row[Any], now: datetime) -> ClaimedCard:
    due_since = row.created_at if row.state == "due" else max(row.changed_at, row.created_at)
    return ClaimedCard(
        key=row.key,
        card=read_card(row),
        state=row.state,
        message_id=row.message_id,
        shown=row.shown,
        reason=row.reason,
        question=load_question(row.content),
        end=load_end(row.outcome) if row.question_state == "over" else None,
        age=(now - due_since).total_seconds(),
    )
