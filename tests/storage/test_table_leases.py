"""Leases of tables and of what a sync is about to create: one writer has a table, by the database's clock."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.ledger import Claimant, Lease, LeaseConflict
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.table_leases import TableLeases
from lark_provider.storage.tables import table_leases

ME, OTHER = (
    Claimant("base/tbl", "me", "sync of me", 60.0),
    Claimant("base/tbl", "other", "load of other", 60.0),
)
LARK = "https://open.example.com"


@pytest.fixture
def leases(url: URL) -> TableLeases:
    return TableLeases(url, LARK, "secret")


def age(url: URL, seconds: float) -> None:
    """Let time pass for all leases and intents."""
    rows = table_leases.c
    with hold_transaction(get_engine(url)) as connection:
        for row in connection.execute(sa.select(rows.key, rows.until, rows.intent_at)).all():
            moved = {
                "until": row.until - timedelta(seconds=seconds),
                "intent_at": row.intent_at and row.intent_at - timedelta(seconds=seconds),
            }
            connection.execute(table_leases.update().where(rows.key == row.key).values(**moved))


def test_one_writer_has_a_table(url: URL, leases: TableLeases) -> None:
    began = time.monotonic()
    taken = leases.take(ME)
    assert isinstance(taken, Lease)
    assert (taken.key, taken.owner, taken.is_renewed) == (ME.key, ME.owner, False)
    assert began <= taken.ends - ME.seconds <= time.monotonic()
    conflict = leases.take(OTHER)
    assert isinstance(conflict, LeaseConflict)
    assert conflict.holder.startswith("sync of me (process ")
    assert 0 < conflict.seconds <= ME.seconds
    age(url, 50)
    renewed = leases.take(ME)
    assert isinstance(renewed, Lease)
    assert renewed.is_renewed
    age(url, 50)  # longer than the first lease lasted
    assert isinstance(leases.take(OTHER), LeaseConflict)


def test_a_lease_that_lapsed_goes_to_whoever_comes_first(url: URL, leases: TableLeases) -> None:
    leases.take(ME)
    age(url, 61)
    taken = leases.take(OTHER)
    assert isinstance(taken, Lease)
    assert not taken.is_renewed
    conflict = leases.take(ME)
    assert isinstance(conflict, LeaseConflict)
    assert conflict.holder.startswith("load of other (process ")
    leases.release(ME)  # not its own any more
    assert isinstance(leases.take(ME), LeaseConflict)
    age(url, 61)
    again = leases.take(OTHER)  # nobody else came
    assert isinstance(again, Lease)
    assert again.is_renewed


def test_a_lease_that_is_released_is_free_and_others_stay(url: URL, leases: TableLeases) -> None:
    second = replace(ME, key="base/tbl2")
    for claimant in (ME, second):
        leases.take(claimant)
    leases.release(ME)
    assert isinstance(leases.take(OTHER), Lease)
    assert isinstance(leases.take(replace(OTHER, key=second.key)), LeaseConflict)


def test_a_writer_of_one_table_has_no_other(leases: TableLeases) -> None:
    leases.take(ME)
    second = leases.take(replace(ME, key="base/tbl2"))
    assert isinstance(second, Lease)
    assert not second.is_renewed
    assert isinstance(leases.take(replace(OTHER, key="base/tbl2")), LeaseConflict)


def test_apps_share_leases_and_other_larks_do_not(url: URL, leases: TableLeases) -> None:
    leases.take(ME)
    assert isinstance(TableLeases(url, LARK, "secret of another app").take(OTHER), LeaseConflict)
    assert isinstance(TableLeases(url, "https://open.example.org", "secret").take(OTHER), Lease)


def test_an_intent_stays_until_it_is_settled(url: URL, leases: TableLeases) -> None:
    assert leases.read_intent(ME.key) is None
    leases.take(ME)
    assert leases.read_intent(ME.key) is None
    leases.record_intent(ME, "first")
    age(url, 30)
    recorded = leases.record_intent(ME, "second")
    assert isinstance(recorded, Lease)
    assert recorded.is_renewed
    age(url, 40)  # the first lease would be over
    assert isinstance(leases.take(OTHER), LeaseConflict)
    intent = leases.read_intent(ME.key)
    assert intent is not None
    assert intent.text == "second"
    assert 40 <= intent.age < 70
    assert leases.read_intent("base/tbl2") is None
    leases.release(ME)
    leases.take(OTHER)
    assert getattr(leases.read_intent(ME.key), "text", None) == "second"  # who takes it has to settle it
    cleared = leases.clear_intent(OTHER)
    assert isinstance(cleared, Lease)
    assert cleared.is_renewed
    assert leases.read_intent(ME.key) is None


def test_who_has_lost_the_table_records_and_settles_nothing(url: URL, leases: TableLeases) -> None:
    leases.record_intent(ME, "mine")
    age(url, 61)
    # Another writer takes the table by what it records: what it finds has to be settled first.
    assert not getattr(leases.record_intent(OTHER, "theirs"), "is_renewed", True)
    intent = leases.read_intent(ME.key)
    assert intent is not None
    assert intent.text == "mine"
    for lost in (leases.record_intent(ME, "late"), leases.clear_intent(ME)):
        assert isinstance(lost, LeaseConflict)
    intent = leases.read_intent(ME.key)
    assert intent is not None
    assert intent.text == "mine"


def test_an_intent_is_readable_with_the_secret_of_the_app_alone(url: URL, leases: TableLeases) -> None:
    leases.record_intent(ME, "values of records")
    with hold_transaction(get_engine(url), reading=True) as connection:
        row = connection.execute(sa.select(table_leases)).one()
    assert "values of records" not in str(row)
    intent = TableLeases(url, LARK, "another secret").read_intent(ME.key)
    assert intent is not None
    assert intent.text is None
