"""Record questions before their cards are sent, and how each ended. See `protocol.questions`.

Each is decided or closed once: a transition is an UPDATE of a row that is still open, so that one of several
processes makes it, and the others read what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.questions import (
    Draft,
    Origin,
    QuestionClaim,
    Reason,
    TaskQuestion,
    dump,
)
from lark_provider.storage import migrate, wait_rows
from lark_provider.storage.statements import make_among_condition
from lark_provider.storage.stored_clicks import (
    StoredClick,
    make_waits_condition,
    read_valid_clicks,
    select_answers,
)
from lark_provider.storage.tables import card_callbacks, waits
from lark_provider.support import measured, meters


class Waits:
    """The questions in one database. Safe with threads.

    All methods raise StorageError if the database cannot be used. A damaged row counts as a question that
    does not exist, and is logged, so that it does not hide why its task has failed.

    Args:
        url: The database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url

    def find(self, origin: Origin, deadline: datetime | None = None) -> TaskQuestion | None:
        """Return the question that an attempt goes on with, if there is one.

        A later attempt does not go on with a card of ours that is over: people who clicked since were told
        that it has expired. It asks again, unless a click that came in time decides.

        Args:
            origin: The attempt.
            deadline: Until when a later attempt than the one that asked keeps the question open.

        Raises:
            ConfigurationError: The task was cleared, and the attempt that followed has asked again.
        """
        with migrate.open_transaction(self._url, reading=True) as connection:
            newest, _ = wait_rows.find_newest(connection, origin)
        if newest is None or not newest.is_for(origin):
            return None
        if origin.try_number <= newest.origin.try_number:
            return newest
        if newest.is_ours and newest.has_expired(datetime.now(UTC)):
            closed = self.close(newest.id, "expired")
            if closed is None or not closed.is_for(origin):
                return None
        with migrate.open_transaction(self._url) as connection:
            return wait_rows.take_over(connection, newest, origin, deadline)

    def claim(self, draft: Draft) -> QuestionClaim:
        """Record a question, unless the attempt goes on with one that is recorded already.

        The question of an earlier attempt that must be asked again is closed as superseded, and so are
        damaged ones. Concurrent attempts of one task instance take turns.

        Args:
            draft: What would be asked. A later attempt that goes on with an open question moves its deadline.

        Raises:
            ConfigurationError: The task was cleared, and the attempt that followed has asked again.
        """
        origin = draft.origin
        with migrate.open_transaction(self._url) as connection:
            if connection.dialect.name == "postgresql":  # On SQLite the whole file is locked.
                lock = int.from_bytes(bytes.fromhex(origin.key[:16]), signed=True)
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))
            newest, damaged = wait_rows.find_newest(connection, origin)
            if newest is not None and newest.is_for(origin):
                return QuestionClaim(
                    wait_rows.take_over(connection, newest, origin, draft.deadline), is_new=False
                )
            question = wait_rows.insert(connection, draft)
            for wait_id in [*damaged, *([] if newest is None else [newest.id])]:
                wait_rows.change(connection, wait_id, state="closed", reason="superseded")
                statement = sa.update(waits).where(waits.c.id == wait_id).values(successor=question.id)
                connection.execute(statement)
        replaced = newest if newest is not None and newest.state != "decided" else None
        return QuestionClaim(question, is_new=True, replaced=replaced)

    def record_sent(self, wait_id: str, message_id: str) -> TaskQuestion | None:
        """Add the message of the card, and return the question: it may have been closed meanwhile.

        Args:
            wait_id: The question.
            message_id: The card's message, `om_…`.

        Raises:
            StorageError: The row is damaged.
        """
        with migrate.open_transaction(self._url) as connection:
            # Two attempts may have sent a card each, and a click on either is looked for by its message.
            question = wait_rows.get(connection, wait_id, is_locked=True)
            if question is None or message_id in question.message_ids:
                return question
            ids = dump((*question.message_ids, message_id))
            statement = sa.update(waits).where(waits.c.id == wait_id)
            connection.execute(statement.values(message_ids=ids, updated_at=datetime.now(UTC)))
            return wait_rows.get(connection, wait_id)

    def get(self, wait_id: str) -> TaskQuestion | None:
        """Return a question.

        Args:
            wait_id: The question.
        """
        return self.read([wait_id]).get(wait_id)

    def read(self, wait_ids: Iterable[str], *, after_writers: bool = False) -> dict[str, TaskQuestion]:
        """Return questions by their ids, with one query; those that do not exist or are damaged are missing.

        Args:
            wait_ids: The questions.
            after_writers: Whether to wait for transactions that are closing one of them at this moment. With
                it, such a transaction has seen a click that was stored before, or this call sees the question
                closed.
        """
        with migrate.open_transaction(self._url, reading=True) as connection:
            query = (
                sa.select(waits)
                .where(make_among_condition(connection, waits.c.id, wait_ids))
                .order_by(waits.c.id)
            )
            if after_writers and connection.dialect.name == "postgresql":
                query = query.with_for_update(read=True)
            return {
                question.id: question
                for question in wait_rows.read_valid_questions(connection.execute(query))
            }

    def list_overdue(self, app_id: str, before: datetime, limit: int) -> list[TaskQuestion]:
        """Return open questions whose deadline is long over, oldest first.

        Args:
            app_id: The app that sent their cards.
            before: Only questions whose deadline was earlier.
            limit: The maximum number of questions.
        """
        query = (
            sa.select(waits)
            .where(waits.c.state == "open", waits.c.deadline < before, waits.c.app_id == app_id)
            .order_by(waits.c.deadline)
            .limit(limit)
        )
        with migrate.open_transaction(self._url, reading=True) as connection:
            return wait_rows.read_valid_questions(connection.execute(query))

    def settle(self, questions: Sequence[TaskQuestion]) -> dict[str, TaskQuestion]:
        """Decide what clicks have answered, and return the questions that are open no longer.

        Args:
            questions: Open questions, as they were read. What they ask does not change, so they need not be
                read again; only whether they are open does.

        Returns:
            Decided and closed questions by their ids. A question that is still open is missing.
        """
        if not questions:
            return {}
        with migrate.open_transaction(self._url, reading=True) as connection:
            over = wait_rows.find_ended(connection, questions)
            still = [question for question in questions if question.id not in over]
            waiting = [question.to_wait() for question in still]
            answers = (
                select_answers(waiting, _read_clicks(connection, make_waits_condition(connection, waiting)))
                if still
                else {}
            )
        return (
            over | self.decide(answers, [question for question in still if question.id in answers])
            if answers
            else over
        )

    def exists(self, wait_id: str) -> bool:
        """Return whether a question is recorded, even if its row is damaged.

        Args:
            wait_id: The question.
        """
        with migrate.open_transaction(self._url, reading=True) as connection:
            return not find_missing(connection, [wait_id])

    def decide(
        self, answers: Mapping[str, Sequence[StoredClick]], questions: Iterable[TaskQuestion]
    ) -> dict[str, TaskQuestion]:
        """Decide questions that are still open, and return those of some that are open no longer.

        Args:
            answers: Clicks by the question's id.
            questions: The questions to return, as they were read.
        """
        decided: list[Sequence[StoredClick]] = []
        with migrate.open_transaction(self._url, reading=not answers) as connection:
            # Sorted, so that two processes cannot deadlock.
            for wait_id, clicks in sorted(answers.items()):
                if wait_rows.decide(connection, wait_id, clicks):
                    decided.append(clicks)
            over = wait_rows.find_ended(connection, questions)
        _measure(decided)
        return over

    def count_open(self, overdue: timedelta) -> tuple[int, int]:
        """Return how many questions are open, and how many cards of ours wait longer than their question.

        A sensor whose card nobody clicked leaves its question open: a task that is cleared takes it over.

        Args:
            overdue: How long after its deadline an open question is overdue.
        """
        is_open = waits.c.state == "open"
        is_late = waits.c.deadline < datetime.now(UTC) - overdue
        late = sa.func.count().filter(is_late, waits.c.origin.contains('"kind":"approval"', autoescape=True))
        with migrate.open_transaction(self._url, reading=True) as connection:
            counts = connection.execute(
                sa.select(sa.func.count(), late).select_from(waits).where(is_open)
            ).one()
        return int(counts[0]), int(counts[1])

    def read_clicks(self, question: TaskQuestion) -> list[CardClick]:
        """Return the clicks that decided a question, in the order of its messages.

        Args:
            question: The question; it is decided.

        Returns:
            The clicks; none of those that were deleted meanwhile.
        """
        return self.read_decisions([question])[question.id]

    def read_decisions(self, questions: Sequence[TaskQuestion]) -> dict[str, list[CardClick]]:
        """Return the clicks that decided several questions, by the questions' ids; see `read_clicks`.

        Args:
            questions: The questions.
        """
        ids = {row_id for question in questions for row_id in question.decided_by}
        by_id: dict[int, CardClick] = {}
        if ids:
            with migrate.open_transaction(self._url, reading=True) as connection:
                clicks = _read_clicks(connection, make_among_condition(connection, card_callbacks.c.id, ids))
                by_id = {stored.id: stored.click for stored in clicks}
        return {
            question.id: [by_id[row_id] for row_id in question.decided_by if row_id in by_id]
            for question in questions
        }

    def close(self, wait_id: str, reason: Reason) -> TaskQuestion | None:
        """Close a question if it is open, and return its state; None if it does not exist or is damaged.

        A question that would be closed as expired or failed is decided instead if a valid click has been
        stored meanwhile: the person was told that it was received.

        Args:
            wait_id: The question's id.
            reason: Why it is closed: `withdrawn`, `expired`, `superseded` or `failed`.
        """
        with migrate.open_transaction(self._url) as connection:
            query = sa.select(waits).where(waits.c.id == wait_id).with_for_update()
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            question = next(iter(wait_rows.read_valid_questions([row])), None)
            if row.state != "open":
                return question
            answer: list[StoredClick] | None = None
            if question is not None and reason in {"expired", "failed"}:
                wait = question.to_wait()
                clicks = _read_clicks(connection, make_waits_condition(connection, [wait]))
                answer = select_answers([wait], clicks).get(wait.key)
            if answer is None:
                wait_rows.change(connection, wait_id, state="closed", reason=reason)
            else:
                wait_rows.decide(connection, wait_id, answer)
            result = None if question is None else wait_rows.get(connection, wait_id)
        _measure([] if answer is None else [answer])
        return result


def find_missing(connection: Connection, wait_ids: Iterable[str]) -> set[str]:
    """Return which of some questions are not recorded: their rows were deleted.

    Args:
        connection: An open connection to the database.
        wait_ids: The ids of the questions.
    """
    ids = set(wait_ids)
    query = sa.select(waits.c.id).where(make_among_condition(connection, waits.c.id, ids))
    return ids - set(connection.execute(query).scalars())


def _measure(decided: Iterable[Sequence[StoredClick]]) -> None:
    """Count the questions that this process has decided, once that is committed."""
    if not meters.sinks:
        return
    now = datetime.now(UTC)
    for clicks in decided:
        last = max(stored.click.created_at for stored in clicks)
        measured.DECISIONS.add(clicks[0].click.app_id)
        measured.DECISION_SECONDS.observe(max(0.0, (now - last).total_seconds()))


def _read_clicks(connection: Connection, condition: sa.ColumnElement[bool]) -> list[StoredClick]:
    query = sa.select(card_callbacks.c.id, card_callbacks.c.event_id, card_callbacks.c.payload)
    return read_valid_clicks(connection.execute(query.where(condition)))
