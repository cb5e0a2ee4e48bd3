"""A lease that is kept: when it is renewed, by a clock that the test has in its hand."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from lark_provider.api.clouddoc.kept_lease import KeptLease
from lark_provider.protocol.effects import Now, Sleep
from lark_provider.protocol.ledger import Claimant, Lease
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.store import Shared

ME = Claimant("base/tbl", "me", "a test", 30.0)


class Held(KeptLease):
    """Notes the moments at which it is renewed."""

    def __init__(self, database: Database) -> None:
        super().__init__(ME)
        self.database = database
        self.renewed: list[float] = []

    def take(self) -> Procedure[bool]:
        return (yield from self._take_lease(60.0, "a test", "table_wait"))

    def _renew_for_reading(self) -> Procedure[None]:
        self.renewed.append(self.database.now)
        yield from self._note_lease(Lease(ME.key, ME.owner, self.database.now + ME.seconds))


class Database:
    """Answers what a lease asks for, with a clock of its own."""

    def __init__(self, *, exists: bool = True) -> None:
        self.now, self.exists = 1_000_000.0, exists
        self.sleeps: list[float] = []
        self.done: list[str] = []

    def take(self, claimant: Claimant) -> Lease:
        self.done.append("take")
        return Lease(claimant.key, claimant.owner, self.now + claimant.seconds)

    def release(self, claimant: Claimant) -> None:
        self.done.append(f"release {claimant.owner}")

    @property
    def leases(self) -> Database:
        return self

    def play(self, steps: Generator[Any, Any, Any]) -> Any:
        answer: Any = None
        while True:
            try:
                effect = steps.send(answer)
            except StopIteration as end:
                return end.value
            match effect:
                case Now():
                    answer = self.now
                case Sleep(seconds):
                    self.sleeps.append(seconds)
                    self.now += seconds
                    answer = None
                case Shared(work):
                    answer = (work(self),) if self.exists else None  # type: ignore[arg-type]
                case _:
                    raise AssertionError(effect)


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def held(database: Database) -> Held:
    lease = Held(database)
    assert database.play(lease.take()) is True
    return lease


@pytest.mark.parametrize(("later", "is_due"), [(0, False), (9.9, False), (10, True), (25, True), (-1, True)])
def test_it_is_renewed_after_a_third_or_if_the_clock_was_set_back(
    database: Database, held: Held, later: float, is_due: bool
) -> None:
    database.now += later
    for _ in range(2):
        database.play(held.keep())
    assert held.renewed == [database.now] * is_due


def test_it_is_kept_during_a_long_pause(database: Database, held: Held) -> None:
    began = database.now
    database.play(held.pause(25.0))
    assert database.sleeps == [10.0, 10.0, 5.0]
    assert held.renewed == [began + 10, began + 20]
    database.sleeps.clear()
    database.play(held.pause(0.5))
    assert database.sleeps == [0.5]


def test_it_is_released_once(database: Database, held: Held) -> None:
    for _ in range(2):
        database.play(held.end())
    assert database.done == ["take", "release me"]
    assert held.lease is None


def test_without_a_database_there_is_nothing_to_keep() -> None:
    database = Database(exists=False)
    held = Held(database)
    assert database.play(held.take()) is False
    assert (held.is_shared, held.lease) == (False, None)
    database.now += 100
    database.play(held.keep())
    database.play(held.end())
    assert (held.renewed, database.done) == ([], [])
