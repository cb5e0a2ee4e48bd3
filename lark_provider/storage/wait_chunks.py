"""Waits that one statement looks for clicks on. The chunks of loads are in `ledger_rows`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lark_provider.protocol.waits import Wait, get_correlation
from lark_provider.storage.statements import make_among_condition
from lark_provider.storage.stored_clicks import (
    StoredClick,
    make_waits_condition,
    read_valid_clicks,
    select_answers,
)
from lark_provider.storage.tables import card_callbacks
from lark_provider.storage.tables import waits as questions

NEVER = float("-inf")
CHUNK = 1000
"""Questions in a statement: above some thousands PostgreSQL would read the whole table."""


@dataclass(frozen=True, slots=True)
class QuestionKind:
    """The columns by which a chunk's statement can filter; questions of one kind share chunks.

    Attributes:
        of_apps: Whether each question names the app whose clicks count.
        of_people: Whether each names all who may answer by their open_ids.
    """

    of_apps: bool
    of_people: bool

    @classmethod
    def of(cls, wait: Wait) -> QuestionKind:
        """Return the kind of a question.

        Args:
            wait: The question's wait, which says which clicks count.
        """
        by_open_id = all(name.startswith("ou_") for name in wait.operators)
        return cls(wait.app_id is not None, bool(wait.operators) and by_open_id)


@dataclass(slots=True)
class QuestionChunk:
    """Questions of one kind.

    Attributes:
        kind: The kind.
        waits: Which clicks count, by the question's id.
        looked_at: When the last successful look at all of them began, on the monotonic clock; `NEVER` if one
            was not looked at yet.
        complete_at: When the last complete look began: the first one, or one that was due.
    """

    kind: QuestionKind
    waits: dict[str, Wait] = field(default_factory=dict)
    looked_at: float = NEVER
    complete_at: float = NEVER
    _first_clicks: dict[str, dict[str | None, StoredClick]] = field(default_factory=dict)
    _by_name: dict[str, list[Wait]] | None = None
    _statement: sa.CompoundSelect[Any] | None = None

    def retain(self, wait_ids: Iterable[str]) -> None:
        """Forget all questions but these.

        Args:
            wait_ids: Some that are here.
        """
        self.waits = {wait_id: self.waits[wait_id] for wait_id in wait_ids}
        self._first_clicks = {
            wait_id: clicks for wait_id, clicks in self._first_clicks.items() if wait_id in self.waits
        }
        self._by_name = self._statement = None

    def may_join(self, other: QuestionChunk, limit: int) -> bool:
        """Return whether another chunk can be taken in.

        Args:
            other: The chunk.
            limit: Questions in a chunk.
        """
        looked_at = min(self.looked_at, other.looked_at) > NEVER
        return looked_at and self.kind == other.kind and len(self.waits) + len(other.waits) <= limit

    def join(self, other: QuestionChunk) -> None:
        """Take in the questions of another chunk; the earlier look of the two holds for all.

        Args:
            other: One that `may_join`.
        """
        self.waits |= other.waits
        self._first_clicks |= other._first_clicks
        self.looked_at = min(self.looked_at, other.looked_at)
        self.complete_at = min(self.complete_at, other.complete_at)
        self._by_name = self._statement = None

    def ask(self, connection: Connection, above: int) -> tuple[set[str], list[StoredClick]]:
        """Look for the questions' states and clicks with one statement.

        Args:
            connection: An open connection to the database.
            above: The id of a click; clicks up to this one are left out.

        Returns:
            The ids of questions that are open no longer; and clicks that may count, in the order of their
            rows, without those that cannot be read.
        """
        if self._statement is None:
            self._statement = self._query(connection)
        rows = connection.execute(self._statement, {"above": above}).all()
        is_closed = [row for row in rows if row.payload is None]
        return {row.event_id for row in is_closed}, read_valid_clicks(rows[len(is_closed) :])

    def _query(self, connection: Connection) -> sa.CompoundSelect[Any]:
        closed = sa.select(
            sa.literal(0).label("id"), questions.c.id.label("event_id"), sa.null().label("payload")
        ).where(make_among_condition(connection, questions.c.id, self.waits), questions.c.state != "open")
        clicks = sa.select(card_callbacks.c.id, card_callbacks.c.event_id, card_callbacks.c.payload).where(
            card_callbacks.c.id > sa.bindparam("above"),
            make_waits_condition(connection, self.waits.values()),
            *self._make_limits(connection),
        )
        return sa.union_all(closed, clicks).order_by("id")

    def _make_limits(self, connection: Connection) -> list[sa.ColumnElement[bool]]:
        """Return conditions that leave out clicks that count for no question; `Wait` decides the rest."""
        columns, waits = card_callbacks.c, self.waits.values()
        conditions: list[sa.ColumnElement[bool]] = []
        if self.kind.of_apps:
            conditions.append(
                make_among_condition(connection, columns.app_id, {wait.app_id for wait in waits})
            )
        if self.kind.of_people:
            people = {name for wait in waits for name in wait.operators}
            # Rows of version 0.1 have no operator, which is read from their payload.
            conditions.append(
                sa.or_(
                    columns.operator_id.is_(None),
                    make_among_condition(connection, columns.operator_id, people),
                )
            )
        return conditions

    def find_answers(self, clicks: Iterable[StoredClick]) -> dict[str, list[StoredClick]]:
        """Return the clicks that answer questions, by the question's id.

        A question that needs a click on each of several cards keeps those that it has for the next look,
        which does not ask for them again.

        Args:
            clicks: Clicks that may count.
        """
        by_name = self._index_waits()
        counted: dict[str, list[StoredClick]] = defaultdict(list)
        for stored in clicks:
            names = {stored.click.message_id, get_correlation(stored.click)} - {None}
            for wait in {wait.key: wait for name in names for wait in by_name.get(str(name), ())}.values():
                if wait.counts(stored.click):
                    counted[wait.key].append(stored)
        answered: dict[str, list[StoredClick]] = {}
        for key, clicks_of_wait in counted.items():
            wait = self.waits[key]
            first = self._first_clicks.setdefault(key, {}) if wait.every else {}
            for stored in clicks_of_wait:
                name = stored.click.message_id
                if name not in first or stored.id < first[name].id:
                    first[name] = stored
            answered |= select_answers([wait], list(first.values()))
        return answered

    def _index_waits(self) -> Mapping[str, list[Wait]]:
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for wait in self.waits.values():
                for name in {*wait.message_ids, wait.correlation} - {None}:
                    self._by_name[str(name)].append(wait)
        return self._by_name
