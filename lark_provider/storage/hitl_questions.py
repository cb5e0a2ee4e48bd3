"""Record the questions of Airflow's tasks: each once, and once how it ended.

A transition is an UPDATE of a row that is not in a later state, so that one of several bridges makes it, and
the others read what it wrote. Only `open` takes rows of the same state as well, to add cards to them; and
`ask_again` takes back an end, where Airflow has done so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.hitl.model import End, HitlQuestion, TaskInstance
from lark_provider.protocol.hitl.records import dump_end, dump_question, load_end
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import hitl_cards, hitl_questions
from lark_provider.storage.hitl_rows import RecordedQuestion, read_recorded, read_valid_rows
from lark_provider.storage.new_cards import ASKED_AGAIN, NewCard, insert_cards
from lark_provider.storage.statements import insert, make_among_condition, read_clock

_CHUNK = 500
"""Rows in a statement that writes, and the most that `list_held` and `list_without_cards` return."""


class Questions:
    """The questions in one database. Safe with threads. All methods raise StorageError if it cannot be used.

    Args:
        url: The database.
        team: The team of a multi-team Airflow whose questions these are: of others none are listed, since
            they have their own routes, and an account that may read them.
    """

    def __init__(self, url: URL, team: str | None = None) -> None:
        self._url, self._team = url, team

    def record(self, parked: Mapping[str, datetime], questions: Iterable[HitlQuestion]) -> int:
        """Record questions as `held`; one that is recorded already stays as it is.

        Args:
            parked: When each task was parked, by the clock of Airflow's server, by task-instance id.
            questions: Any number.

        Returns:
            How many are new.
        """
        ordered = sorted(questions, key=lambda question: question.task.ti_id)  # Sorted against deadlocks.
        count = 0
        for start in range(0, len(ordered), _CHUNK):
            with migrate.open_transaction(self._url) as connection:
                now = read_clock(connection).now
                rows = [
                    {
                        "ti_id": question.task.ti_id, "dag_id": question.task.dag_id,
                        "run_id": question.task.run_id, "task_id": question.task.task_id,
                        "map_index": question.task.map_index, "team": self._team,
                        "content": dump_question(question), "state": "held", "deadline": question.deadline,
                        "parked_at": parked[question.task.ti_id], "created_at": now, "updated_at": now,
                    }
                    for question in ordered[start : start + _CHUNK]
                ]  # fmt: skip
                added = insert(connection, hitl_questions).on_conflict_do_nothing()
                count += len(
                    connection.execute(added.returning(hitl_questions.c.ti_id), rows).scalars().all()
                )
        return count

    def ask_again(self, parked: datetime, questions: Iterable[HitlQuestion]) -> list[str]:
        """Hold questions once more that are over here, and that their tasks ask again.

        Airflow starts a task again under its id if it was resumed while its DAG file was missing; the answer
        is lost. The cards of the earlier time stay closed, and `open` records others. A question whose cards
        are not all closed stays over until they are.

        Args:
            parked: When the tasks were parked, by the clock of Airflow's server.
            questions: As they are asked now, known to wait after they were seen to be over.

        Returns:
            The task-instance ids of those that are held now.
        """
        columns, cards = hitl_questions.c, hitl_cards.c
        held = []
        for question in sorted(questions, key=lambda entry: entry.task.ti_id):
            with migrate.open_transaction(self._url) as connection:
                now = read_clock(connection).now
                is_shown = sa.exists().where(cards.ti_id == columns.ti_id, cards.state.in_(("due", "sent")))
                changed = connection.execute(
                    hitl_questions.update()
                    .where(columns.ti_id == question.task.ti_id, columns.state == "over", ~is_shown)
                    .values(
                        state="held", outcome=None, content=dump_question(question), team=self._team,
                        deadline=question.deadline, parked_at=parked, created_at=now, updated_at=now,
                    )
                )  # fmt: skip
                if changed.rowcount:
                    held.append(question.task.ti_id)
        return held

    def adopt(self, ti_ids: Collection[str], seconds: float) -> None:
        """Make questions the team's own that another team has recorded, as under the team's former name.

        Args:
            ti_ids: Those that Airflow has shown to the team's account.
            seconds: For how long nothing must have been recorded of them: some are shown to several teams.
        """
        columns = hitl_questions.c
        if self._team is None or not ti_ids:
            return
        with migrate.open_transaction(self._url) as connection:
            before = read_clock(connection).now - timedelta(seconds=seconds)
            others = sa.and_(
                columns.state != "over",
                columns.team.is_distinct_from(self._team),
                columns.updated_at < before,
            )
            query = sa.select(columns.ti_id).where(
                make_among_condition(connection, columns.ti_id, ti_ids), others
            )
            # Locked in one order, against deadlocks.
            others_ids = connection.execute(query.order_by(columns.ti_id).with_for_update()).scalars().all()
            if others_ids:
                change = hitl_questions.update().values(team=self._team)
                connection.execute(change.where(make_among_condition(connection, columns.ti_id, others_ids)))

    def read_states(self, ti_ids: Iterable[str]) -> dict[str, str]:
        """Return the states of those questions that are recorded, by task-instance id."""
        columns = hitl_questions.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            query = sa.select(columns.ti_id, columns.state).where(
                make_among_condition(connection, columns.ti_id, ti_ids)
            )
            return {row.ti_id: row.state for row in connection.execute(query)}

    def list_live(self) -> dict[str, str]:
        """Return the states of the questions that are not over, by task-instance id."""
        columns = hitl_questions.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            query = sa.select(columns.ti_id, columns.state).where(
                columns.state.in_(("held", "open")), self._is_of_team()
            )
            return {row.ti_id: row.state for row in connection.execute(query)}

    def read_tasks(self, ti_ids: Iterable[str]) -> dict[str, TaskInstance]:
        """Return the tasks of questions, also of those whose content is damaged, which end as any other.

        Args:
            ti_ids: The task-instance ids; those that are not recorded are missing.
        """
        columns = hitl_questions.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            query = sa.select(
                columns.ti_id, columns.dag_id, columns.run_id, columns.task_id, columns.map_index
            )
            result = connection.execute(query.where(make_among_condition(connection, columns.ti_id, ti_ids)))
            return {row.ti_id: TaskInstance(*row) for row in result}

    def list_held(self, parked_before: datetime, limit: int = _CHUNK) -> dict[str, RecordedQuestion]:
        """Return held questions whose task was parked before a time, oldest first.

        Args:
            parked_before: The latest time of parking, by the clock of Airflow's server.
            limit: How many questions to return at most.
        """
        columns = hitl_questions.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            condition = sa.and_(
                columns.state == "held", columns.parked_at <= parked_before, self._is_of_team()
            )
            return read_recorded(connection, condition, limit)

    def list_without_cards(self) -> dict[str, RecordedQuestion]:
        """Return open questions that have no card, since no receiver was known; those updated longest ago."""
        columns = hitl_questions.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            has_card = sa.exists().where(hitl_cards.c.ti_id == columns.ti_id, ~_make_earlier_condition())
            return read_recorded(
                connection,
                sa.and_(columns.state == "open", ~has_card, self._is_of_team()),
                _CHUNK,
                by=columns.updated_at,
            )

    def open(self, cards: Mapping[str, Sequence[NewCard]]) -> int:
        """Open questions and record the cards that are due for them, in one transaction.

        A question that is open already gets the cards that it does not have; one that is over gets none.

        Args:
            cards: The cards by task-instance id; none where no receiver is known.

        Returns:
            How many cards are new.
        """
        columns = hitl_questions.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            # Locked in one order, against deadlocks.
            query = sa.select(columns.ti_id).where(
                make_among_condition(connection, columns.ti_id, cards), columns.state.in_(("held", "open"))
            )
            live = set(connection.execute(query.order_by(columns.ti_id).with_for_update()).scalars())
            connection.execute(
                hitl_questions.update()
                .where(make_among_condition(connection, columns.ti_id, live))
                .values(state="open", updated_at=now)
            )
            rounds = _read_next_rounds(connection, live)
            new = [card for ti_id in live - rounds.keys() for card in cards[ti_id]]
            again = [replace(card, round=later) for ti_id, later in rounds.items() for card in cards[ti_id]]
            return insert_cards(connection, new, now) + insert_cards(connection, again, now, ASKED_AGAIN)

    def end(self, ends: Mapping[str, End]) -> dict[str, End]:
        """Record how questions ended, and return what is recorded: an end that came first stays.

        Args:
            ends: The end of each question, by task-instance id.

        Returns:
            The recorded ends by task-instance id; questions that are not recorded are missing.
        """
        ordered, ended = sorted(ends), dict[str, End]()  # Sorted against deadlocks.
        # Of thousands that end at one moment, those of a chunk stay recorded if the database is slow.
        for start in range(0, len(ordered), _CHUNK):
            ended |= self._end({ti_id: ends[ti_id] for ti_id in ordered[start : start + _CHUNK]})
        return ended

    def _end(self, ends: Mapping[str, End]) -> dict[str, End]:
        columns = hitl_questions.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            ended = (
                hitl_questions.update()
                .where(columns.ti_id == sa.bindparam("id"), columns.state != "over")
                .values(state="over", outcome=sa.bindparam("end"), updated_at=now)
            )
            connection.execute(ended, [{"id": ti_id, "end": dump_end(end)} for ti_id, end in ends.items()])
            query = sa.select(columns.ti_id, columns.outcome).where(
                make_among_condition(connection, columns.ti_id, ends)
            )
            return dict(
                read_valid_rows(connection.execute(query), lambda row: (row.ti_id, load_end(row.outcome)))
            )

    def record_failed(self, ti_id: str, end: End) -> bool:
        """Record that a task failed after its question was answered, and let its cards be updated again.

        Args:
            ti_id: The id of the task instance.
            end: The end to record, of the kind `failed`.

        Returns:
            Whether it was recorded now; the first such end stays.
        """
        columns = hitl_questions.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            query = sa.select(columns.outcome).where(columns.ti_id == ti_id, columns.state == "over")
            outcome = connection.execute(query.with_for_update()).scalar()
            if outcome is None or load_end(outcome).kind != "answered":
                return False
            connection.execute(
                hitl_questions.update()
                .where(columns.ti_id == ti_id)
                .values(outcome=dump_end(end), updated_at=now)
            )
            connection.execute(
                hitl_cards.update()
                .where(hitl_cards.c.ti_id == ti_id, hitl_cards.c.state == "over")
                .values(state="sent", next_at=None, updated_at=now)
            )
            return True

    def list_answered(self, seconds: float) -> dict[str, RecordedQuestion]:
        """Return answered questions whose row has changed lately, as when the answer was recorded.

        Args:
            seconds: For how long, by the database's clock.
        """
        columns = hitl_questions.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            since = read_clock(connection).now - timedelta(seconds=seconds)
            questions = read_recorded(
                connection, sa.and_(columns.state == "over", columns.updated_at >= since, self._is_of_team())
            )
        return {
            ti_id: question
            for ti_id, question in questions.items()
            if question.end and question.end.kind == "answered"
        }

    def count_by_state(self) -> dict[str, int]:
        """Return how many questions are held and open."""
        columns = hitl_questions.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            query = (
                sa.select(columns.state, sa.func.count().label("amount"))
                .where(columns.state.in_(("held", "open")))
                .group_by(columns.state)
            )
            counts = {row.state: int(row.amount) for row in connection.execute(query)}
        return {"held": 0, "open": 0} | counts

    def _is_of_team(self) -> sa.ColumnElement[bool]:
        """Return whether a question is the team's, or was recorded before Airflow had teams."""
        team = hitl_questions.c.team
        return sa.true() if self._team is None else sa.or_(team == self._team, team.is_(None))


def _make_earlier_condition() -> sa.ColumnElement[bool]:
    """Return whether a card is of an earlier time at which its question was asked."""
    return hitl_cards.c.created_at < hitl_questions.c.created_at


def _read_next_rounds(connection: Connection, ti_ids: Collection[str]) -> dict[str, int]:
    """Return the first round of new cards for those questions that are asked again."""
    cards = hitl_cards.c
    query = (
        sa.select(cards.ti_id, sa.func.max(cards.round).label("last"))
        .join(hitl_questions, hitl_questions.c.ti_id == cards.ti_id)
        .where(make_among_condition(connection, cards.ti_id, ti_ids), _make_earlier_condition())
        .group_by(cards.ti_id)
    )
    return {row.ti_id: row.last + 1 for row in connection.execute(query)}
