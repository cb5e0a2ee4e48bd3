"""The ledger of loads on both databases: what each chunk was sent as, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.errors import ConflictError
from lark_provider.protocol.ledger import (
    Claimant,
    Lease,
    LeaseConflict,
    LoadChunk,
    SupersededError,
    WrittenChunk,
    compute_part_number,
)
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.tokens import App
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.ledger import LoadLedger
from lark_provider.storage.purging import purge
from lark_provider.storage.retention import Retention
from lark_provider.storage.table_leases import TableLeases
from lark_provider.storage.tables import ledger as entries
from lark_provider.storage.tables import ledger_chunks

APP = App("https://open.example.com", "cli_ledger", "secret")
TABLE = "base/tbl"
ME, OTHER = Claimant(TABLE, "me", "load 1", 30.0), Claimant(TABLE, "other", "load 2", 30.0)


def chunk(number: int, token: str | None = None, rows: int = 1) -> LoadChunk:
    named = token or f"t{number}"
    return LoadChunk(
        number, number + 1, rows, f"digest {number}", b"\0\1\2\3" * rows, {"N": "f"}, '["k"]', named
    )


def make_done(number: int, token: str | None = None) -> WrittenChunk:
    return WrittenChunk(number, token or f"t{number}", [f"rec{number}"])


@pytest.fixture
def ledger(url: URL) -> LoadLedger:
    return LoadLedger(url, APP)


@pytest.fixture
def load(ledger: LoadLedger) -> str:
    return ledger.open(TABLE, "key", 500, 0).id


def states(ledger: LoadLedger, load: str) -> dict[int, LedgerState]:
    return {recorded.chunk.number: recorded.state for recorded in ledger.read_chunks(load, -(2**40), 100)}


def age(url: URL, table: sa.Table, *columns: str) -> None:
    """Let an hour pass."""
    with hold_transaction(get_engine(url)) as connection:
        for row in connection.execute(sa.select(table)).mappings().all():
            mine = sa.and_(*(column == row[column.name] for column in table.primary_key.columns))
            moved = {name: row[name] - timedelta(hours=1) for name in columns}
            connection.execute(table.update().where(mine).values(**moved))


@pytest.fixture
def bystander(ledger: LoadLedger, load: str) -> Iterator[str]:
    """Yield a load with the same chunk numbers and tokens as the first one's; check that its chunks stay."""
    other = ledger.open(TABLE, "of a bystander", 500, 0).id
    assert other != load
    for number in (0, 1):
        ledger.record_step(other, ME, None, chunk(number))
    before = [recorded.chunk for recorded in ledger.read_chunks(other, -1, 10)]
    yield other
    after = ledger.read_chunks(other, -1, 10)
    assert [(recorded.chunk, recorded.state) for recorded in after] == [
        (expected, LedgerState.PENDING) for expected in before
    ]


def lose(url: URL) -> None:
    """Let another writer have the table."""
    leases = TableLeases(url, APP.base_url, APP.app_secret)
    leases.release(ME)
    assert isinstance(leases.take(OTHER), Lease)


def test_a_load_is_recorded_once_for_each_app_table_and_key(url: URL, ledger: LoadLedger, load: str) -> None:
    again = ledger.open(TABLE, "key", 7, 0)
    assert (again.id, again.state, again.chunk_size, again.restart) == (load, LedgerState.PENDING, 500, 0)
    assert (again.is_clearing, again.chunks, again.written, again.days) == (False, 0, 0, None)
    of_another = LoadLedger(url, replace(APP, app_id="cli_other")).open(TABLE, "key", 1, 0)
    others = [ledger.open(TABLE, "key2", 1, 0), ledger.open("base/tbl2", "key", 1, 0), of_another]
    assert len({load, *(other.id for other in others)}) == 4
    ledger.record_step(load, ME, None, chunk(0, rows=3))
    ledger.record_step(load, ME, make_done(0), chunk(1, rows=2))
    counted = ledger.open(TABLE, "key", 500, 0)
    assert (counted.chunks, counted.written) == (2, 3)
    assert [(opened.chunks, opened.written) for opened in (ledger.open(TABLE, "key2", 1, 0),)] == [(0, 0)]


def test_what_was_recorded_is_read_back_with_its_age(url: URL, ledger: LoadLedger, load: str) -> None:
    step = ledger.record_step(load, ME, None, chunk(0))
    assert (step.is_new, step.recorded and step.recorded.chunk) == (True, chunk(0))
    age(url, ledger_chunks, "sent_at", "updated_at")
    [pending] = ledger.read_chunks(load, -1, 10)
    assert (pending.chunk, pending.state, pending.record_ids, pending.reason) == (
        chunk(0),
        LedgerState.PENDING,
        None,
        None,
    )
    assert 3600 <= pending.age == pending.seconds_since_sent < 4000
    assert pending.sent_at == pytest.approx(time.time() - 3600, abs=100)
    with hold_transaction(get_engine(url), reading=True) as connection:
        assert '["k"]' not in str(connection.execute(sa.select(ledger_chunks)).all())
    for number in (1, 2, 3):
        ledger.record_step(load, ME, make_done(number - 1), chunk(number))
    assert [recorded.chunk.number for recorded in ledger.read_chunks(load, 0, 2)] == [1, 2]
    [first] = ledger.read_chunks(load, -1, 1)
    assert (first.state, first.record_ids, first.seconds_since_sent < 3600 <= first.age) == (
        LedgerState.DONE,
        ["rec0"],
        True,
    )


@pytest.mark.parametrize("pending", [chunk(1), None])
def test_a_written_chunk_is_recorded_though_the_lease_is_lost(
    url: URL, ledger: LoadLedger, load: str, pending: LoadChunk | None
) -> None:
    ledger.record_step(load, ME, None, chunk(0))
    lose(url)
    step = ledger.record_step(load, ME, make_done(0), pending)
    assert isinstance(step.lease, LeaseConflict)
    assert (step.recorded, step.is_new) == (None, False)
    assert states(ledger, load) == {0: LedgerState.DONE}
    with pytest.raises(ConflictError, match="recorded it otherwise"):
        ledger.record_step(load, OTHER, make_done(0, "another token"), pending)
    assert states(ledger, load) == {0: LedgerState.DONE}


def test_what_the_ledger_has_is_returned_and_not_replaced(ledger: LoadLedger, load: str) -> None:
    ledger.record_step(load, ME, None, chunk(0))
    step = ledger.record_step(load, ME, None, chunk(0, "another"))
    assert (step.is_new, step.recorded and step.recorded.chunk.token) == (False, "t0")
    assert isinstance(ledger.record_step(load, ME, None, None).lease, Lease)


@pytest.mark.usefixtures("bystander")
def test_a_chunk_is_sent_again_by_who_has_the_table_and_knows_its_token(
    url: URL, ledger: LoadLedger, load: str
) -> None:
    for number in (0, 1):
        ledger.record_step(load, ME, None, chunk(number))
    ledger.record_step(load, ME, None, chunk(2, "t0"))
    ledger.refuse(load, 0, "t0", "said no")
    age(url, ledger_chunks, "sent_at", "updated_at")
    same = ledger.resend(load, ME, "t0", chunk(0))
    assert same.is_new
    assert same.recorded is not None
    assert (same.recorded.state, same.recorded.reason) == (LedgerState.PENDING, None)
    # Its token was first sent an hour ago.
    assert same.recorded.seconds_since_sent < 3600 <= same.recorded.age
    other = ledger.resend(load, ME, "t0", chunk(0, "new", rows=2))
    assert other.recorded is not None
    assert (other.recorded.chunk, other.recorded.age < 3600) == (chunk(0, "new", rows=2), True)
    late = ledger.resend(load, ME, "t0", chunk(0, "late"))
    assert (late.is_new, late.recorded and late.recorded.chunk.token) == (False, "new")
    ledger.record_step(load, ME, make_done(0, "new"), None)
    after = ledger.resend(load, ME, "new", chunk(0, "new"))
    assert (after.is_new, after.recorded and after.recorded.state) == (False, LedgerState.DONE)
    lose(url)
    lost = ledger.resend(load, ME, "t1", chunk(1))
    assert isinstance(lost.lease, LeaseConflict)
    assert [recorded.seconds_since_sent >= 3600 for recorded in ledger.read_chunks(load, 0, 10)] == [
        True,
        True,
    ]


@pytest.mark.usefixtures("bystander")
def test_what_lark_refuses_is_recorded_of_a_pending_chunk_with_that_token(
    url: URL, ledger: LoadLedger, load: str
) -> None:
    for number, token in enumerate(("t0", "t1", "t0")):
        ledger.record_step(load, ME, None, chunk(number, token))
    age(url, ledger_chunks, "sent_at", "updated_at")
    ledger.refuse(load, 0, "another", "said no")
    assert states(ledger, load) == dict.fromkeys(range(3), LedgerState.PENDING)
    ledger.refuse(load, 0, "t0", "someone@example.com is no user")
    assert states(ledger, load) == {0: LedgerState.REFUSED, 1: LedgerState.PENDING, 2: LedgerState.PENDING}
    [refused] = ledger.read_chunks(load, -1, 1)
    assert refused.seconds_since_sent < 3600 <= refused.age
    assert refused.reason is not None
    assert "someone" not in refused.reason
    ledger.record_step(load, ME, make_done(1), None)
    ledger.refuse(load, 1, "t1", "said no")
    assert states(ledger, load)[1] is LedgerState.DONE


def test_parts_count_until_their_chunk_is_done(url: URL, ledger: LoadLedger, load: str) -> None:
    other = ledger.open(TABLE, "other key", 500, 0).id
    for identity in (load, other):
        ledger.record_step(identity, ME, None, chunk(0, rows=4))
        ledger.refuse(identity, 0, "t0", "said no")
    ledger.record_step(load, ME, None, chunk(1, rows=8))
    ledger.record_step(load, ME, None, chunk(2, "t0", rows=8))
    ledger.refuse(load, 2, "t0", "said no")
    first, second, third = (compute_part_number(0, place) for place in (1, 2, 3))
    for number, rows in ((first, 2), (second, 1), (third, 1)):
        ledger.record_step(load, ME, None, chunk(number, rows=rows))
    ledger.refuse(load, second, f"t{second}", "said no")
    ledger.record_step(load, ME, make_done(first), None)
    assert [part.chunk.number for part in ledger.read_parts(load, 0)] == sorted([first, second, third])
    assert list(ledger.read_parts(load, 1)) == list(ledger.read_parts(other, 0)) == []
    opened = ledger.open(TABLE, "key", 500, 0)
    assert (opened.chunks, opened.written) == (3, 2)
    age(url, ledger_chunks, "updated_at")
    revised = ledger.revise(load, ME, "t0", chunk(0, "unsent", rows=3))
    assert revised.is_new
    assert revised.recorded is not None
    kept = revised.recorded
    assert (kept.state, kept.chunk.row_count, kept.chunk.token) == (LedgerState.REFUSED, 3, "t0")
    assert kept.seconds_since_sent < 3600
    for untouched in (*ledger.read_chunks(load, 1, 1), *ledger.read_chunks(other, -1, 1)):
        assert untouched.chunk.row_count in {4, 8}
    assert not ledger.revise(load, ME, "another", chunk(0)).is_new
    assert not ledger.revise(load, ME, "t1", chunk(1)).is_new  # it is pending
    assert isinstance(ledger.revise(load, OTHER, "t0", chunk(0)).lease, LeaseConflict)
    ledger.record_step(load, ME, WrittenChunk(0, "t0", ["rec"]), None)
    assert ledger.open(TABLE, "key", 500, 0).written == 3 - 1  # but for the row that was rejected
    ledger.forget_parts(load, 0)
    assert states(ledger, load) == {0: LedgerState.DONE, 1: LedgerState.PENDING, 2: LedgerState.REFUSED}


def test_a_load_is_done_when_its_source_has_ended(url: URL, ledger: LoadLedger, load: str) -> None:
    second = ledger.open(TABLE, "key2", 500, 0).id
    for number in range(16):
        ledger.record_step(load, ME, None, chunk(number))
    age(url, entries, "updated_at")
    ledger.record_step(load, ME, make_done(15), chunk(16))
    with hold_transaction(get_engine(url), reading=True) as connection:
        query = sa.select(entries.c.id, entries.c.updated_at)
        moved = {row.id: row.updated_at for row in connection.execute(query)}
    # Every sixteenth chunk says that a load goes on, so that it is not deleted as an old one.
    assert moved[load] - moved[second] > timedelta(minutes=30)
    ledger.finish(load, ME, make_done(16))
    assert ledger.open(TABLE, "key", 500, 0).state is LedgerState.DONE
    assert ledger.open(TABLE, "key2", 500, 0).state is LedgerState.PENDING
    assert states(ledger, load)[16] is LedgerState.DONE
    ledger.finish(second, ME, None)
    assert ledger.open(TABLE, "key2", 500, 0).state is LedgerState.DONE


def test_a_load_that_is_tried_again_is_kept_as_long_as_a_new_one(
    url: URL, ledger: LoadLedger, load: str
) -> None:
    """Its next chunk that says so may be the fifteenth from now, after a pause longer than the retention."""
    ledger.record_step(load, ME, None, chunk(0))
    for _ in range(25):
        age(url, entries, "updated_at")
    assert ledger.open(TABLE, "key", 500, 0).chunks == 1
    assert purge(url, Retention(ledger=timedelta(days=1)))["ledger"] == 0
    ledger.record_step(load, ME, make_done(0), chunk(1))
    assert states(ledger, load) == {0: LedgerState.DONE, 1: LedgerState.PENDING}


def test_a_restart_forgets_what_was_written_once_it_is_deleted(
    url: URL, ledger: LoadLedger, load: str
) -> None:
    second = ledger.open(TABLE, "key2", 500, 0).id
    ledger.record_step(second, ME, None, chunk(0))
    for number in (0, 1):
        ledger.record_step(load, ME, None, chunk(number))
    ledger.refuse(load, 1, "t1", "said no")
    assert ledger.record_days(load, "Asia/Shanghai") == "Asia/Shanghai"
    assert False is ledger.clear(load, ME, 0, 1)  # a chunk is pending
    ledger.finish(load, ME, make_done(0))
    restarted = ledger.open(TABLE, "key", 500, 1)
    assert (restarted.state, restarted.restart, restarted.is_clearing, restarted.chunks) == (
        LedgerState.PENDING,
        1,
        True,
        2,
    )
    for restart in (0, 1):  # it stays so, whoever asks again, until it is cleared
        again = ledger.open(TABLE, "key", 500, restart)
        assert (again.restart, again.is_clearing) == (1, True)
    assert ledger.read_recorded_zone(TABLE, "key", 1) is None
    untouched = ledger.open(TABLE, "key2", 500, 0)
    assert (untouched.restart, untouched.is_clearing) == (0, False)
    assert False is ledger.clear(load, ME, 1, 2)  # another number has records than were deleted
    assert False is ledger.clear(load, OTHER, 1, 1)
    assert ledger.clear(load, ME, 1, 1)
    cleared = ledger.open(TABLE, "key", 500, 1)
    assert (cleared.state, cleared.restart, cleared.is_clearing, cleared.chunks) == (
        LedgerState.PENDING,
        1,
        False,
        0,
    )
    assert states(ledger, second) == {0: LedgerState.PENDING}
    assert False is ledger.clear(load, ME, 1, 0)  # another attempt has done it
    ledger.open(TABLE, "key", 500, 3)
    assert False is ledger.clear(load, ME, 1, 0)
    assert ledger.open(TABLE, "key", 500, 3).is_clearing  # a later restart asks for it once more


def test_who_lost_the_lease_of_a_load_that_was_cleared_may_do_nothing_with_it(
    url: URL, ledger: LoadLedger, load: str
) -> None:
    ledger.record_step(load, ME, None, chunk(0))
    ledger.record_step(load, ME, make_done(0), None)
    leases = TableLeases(url, APP.base_url, "secret")
    leases.release(ME)
    edition = ledger.open(TABLE, "key", 500, 1).edition
    me, other = (replace(claimant, edition=edition, clears=True) for claimant in (ME, OTHER))
    assert isinstance(ledger.take(load, me).lease, Lease)
    leases.release(me)  # as if it had ended
    assert isinstance(ledger.take(load, other).lease, Lease)
    assert ledger.clear(load, other, 1, 1)
    leases.release(other)
    with pytest.raises(SupersededError):
        ledger.take(load, me)
    with pytest.raises(SupersededError):
        ledger.record_step(load, me, make_done(0), None)
    older = replace(OTHER, owner="older", edition="0 ")
    with pytest.raises(SupersededError):
        ledger.record_step(load, older, None, chunk(0))
    assert states(ledger, load) == {}
    assert ledger.record_step(load, replace(me, clears=False), None, chunk(0)).is_new
    with pytest.raises(SupersededError):
        ledger.finish(load, older, None)
    assert ledger.open(TABLE, "key", 500, 1).state is LedgerState.PENDING
    ledger.finish(load, replace(me, clears=False), None)
    assert ledger.open(TABLE, "key", 500, 1).state is LedgerState.DONE


def test_the_first_zone_of_a_loads_days_counts(ledger: LoadLedger, load: str) -> None:
    assert ledger.read_recorded_zone(TABLE, "key", 0) is None
    second = ledger.open(TABLE, "key2", 500, 0).id
    assert ledger.record_days(load, "Asia/Shanghai") == "Asia/Shanghai"
    assert ledger.record_days(load, "UTC") == "Asia/Shanghai"
    assert ledger.read_recorded_zone(TABLE, "key", 0) == "Asia/Shanghai"
    assert ledger.read_recorded_zone(TABLE, "key", 1) is None
    assert ledger.open(TABLE, "key", 500, 0).days == "Asia/Shanghai"
    assert ledger.open(TABLE, "key2", 500, 0).days is None
    assert ledger.record_days(second, "Europe/Berlin") == "Europe/Berlin"
    assert ledger.read_recorded_zone(TABLE, "key2", 0) == "Europe/Berlin"
    assert ledger.read_recorded_zone(TABLE, "no such key", 0) is None
    assert ledger.record_days("no such load", "UTC") == "UTC"


def test_records_of_any_load_of_a_table_are_known(url: URL, ledger: LoadLedger, load: str) -> None:
    elsewhere = ledger.open("base/tbl2", "key", 500, 0).id
    ledger.record_step(load, ME, None, chunk(0))
    ledger.record_step(load, ME, make_done(0), chunk(1))
    age(url, ledger_chunks, "updated_at")
    ledger.record_step(load, ME, make_done(1), chunk(2))
    place = replace(ME, key="base/tbl2")
    ledger.record_step(elsewhere, place, None, chunk(5))
    ledger.record_step(elsewhere, place, make_done(5), None)
    record_ids = ["rec0", "rec1", "rec5", "of a person"]
    assert ledger.select_known_records(TABLE, time.time() - 1800, record_ids) == {"rec1"}
    assert ledger.select_known_records(TABLE, time.time() - 7200, record_ids) == {"rec0", "rec1"}
    assert ledger.select_known_records("base/tbl2", 0, record_ids) == {"rec5"}
