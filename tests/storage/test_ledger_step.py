"""What a step of a load costs on the wire, and what it leaves when it is refused."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.errors import ConflictError
from lark_provider.protocol.ledger import Claimant, Lease, LeaseConflict, LoadChunk, WrittenChunk
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.tokens import App
from lark_provider.storage import migrate, urls
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.ledger import LoadLedger
from lark_provider.storage.table_leases import TableLeases
from lark_provider.storage.tables import ledger as ledger_table
from lark_provider.storage.watched import WatchedConnection
from tests.failures.locks import count_waiting
from tests.failures.waiting import wait_until

APP = App("https://open.example.com", "cli_step", "secret")
ME, OTHER = Claimant("base/tbl", "me", "load 1", 30.0), Claimant("base/tbl", "other", "load 2", 30.0)


def chunk(number: int) -> LoadChunk:
    return LoadChunk(
        number, number + 1, 1, f"digest {number}", b"\0" * 4, {"Name": "fld1"}, '["k"]', f"t{number}"
    )


def make_done(number: int, token: str = "") -> WrittenChunk:
    return WrittenChunk(number, token or f"t{number}", [f"rec{number}"])


@pytest.fixture
def url(database_url: str) -> URL:
    parsed = urls.parse(database_url, "test")
    migrate.upgrade(parsed)
    return parsed


def test_a_chunk_is_one_statement(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = LoadLedger(url, APP)
    load = ledger.open("base/tbl", "key", 1, 0).id
    assert ledger.record_step(load, ME, None, chunk(0)).is_new
    calls, watched = [], WatchedConnection.watch

    def count_call(connection: WatchedConnection) -> object:
        calls.append(connection)
        return watched(connection)

    monkeypatch.setattr(WatchedConnection, "watch", count_call)
    for number in range(3):
        calls.clear()
        step = ledger.record_step(load, ME, make_done(number), chunk(number + 1))
        assert step.is_new
        assert isinstance(step.lease, Lease)
        assert len(calls) == 1, number
    chunks = ledger.read_chunks(load, -1, 10)
    assert [recorded.state for recorded in chunks] == [LedgerState.DONE] * 3 + [LedgerState.PENDING]
    assert [recorded.record_ids for recorded in chunks] == [["rec0"], ["rec1"], ["rec2"], None]
    assert [recorded.chunk for recorded in chunks[3:]] == [
        chunk(3)
    ]  # the keys of the others are no longer needed
    assert step.recorded is not None
    assert step.recorded.sent_at == pytest.approx(chunks[3].sent_at, abs=1e-6)


def test_a_step_renews_the_lease_of_its_writer_and_table_alone(url: URL) -> None:
    ledger, leases = LoadLedger(url, APP), TableLeases(url, APP.base_url, APP.app_secret)
    load = ledger.open("base/tbl", "key", 1, 0).id
    second = replace(ME, key="base/tbl2", seconds=5.0)
    leases.take(second)
    ledger.record_step(load, replace(ME, seconds=5.0), None, chunk(0))
    began = time.monotonic()
    step = ledger.record_step(load, ME, make_done(0), chunk(1))
    assert isinstance(step.lease, Lease)
    assert began <= step.lease.ends - ME.seconds <= time.monotonic()
    ends = [leases.take(replace(OTHER, key=claimant.key)) for claimant in (ME, second)]
    assert [
        isinstance(conflict, LeaseConflict) and conflict.seconds <= most
        for conflict, most in zip(ends, (30, 5), strict=True)
    ] == [
        True,
        True,
    ]
    assert isinstance(ends[0], LeaseConflict)
    assert ends[0].seconds > 5
    assert isinstance(ledger.record_step(load, OTHER, None, chunk(2)).lease, LeaseConflict)
    assert [recorded.chunk.number for recorded in ledger.read_chunks(load, -1, 10)] == [0, 1]


def test_a_lost_lease_records_what_stands_and_nothing_else(url: URL) -> None:
    ledger = LoadLedger(url, APP)
    load = ledger.open("base/tbl", "key", 1, 0).id
    ledger.record_step(load, ME, None, chunk(0))
    leases = TableLeases(url, APP.base_url, APP.app_secret)
    leases.release(ME)
    assert isinstance(leases.take(OTHER), Lease)
    step = ledger.record_step(load, ME, make_done(0), chunk(1))
    assert isinstance(step.lease, LeaseConflict)
    assert [recorded.state for recorded in ledger.read_chunks(load, -1, 10)] == [LedgerState.DONE]


def test_a_chunk_recorded_otherwise_stops_the_load(url: URL) -> None:
    ledger = LoadLedger(url, APP)
    load = ledger.open("base/tbl", "key", 1, 0).id
    ledger.record_step(load, ME, None, chunk(0))
    with pytest.raises(ConflictError, match="recorded it otherwise"):
        ledger.record_step(load, ME, make_done(0, "another token"), chunk(1))
    assert [(recorded.state, recorded.chunk.number) for recorded in ledger.read_chunks(load, -1, 10)] == [
        (LedgerState.PENDING, 0)
    ]


def test_a_chunk_that_the_ledger_has_is_returned(url: URL) -> None:
    ledger = LoadLedger(url, APP)
    load = ledger.open("base/tbl", "key", 1, 0).id
    ledger.record_step(load, ME, None, chunk(0))
    ledger.record_step(load, ME, make_done(0), chunk(1))
    step = ledger.record_step(load, OTHER, None, chunk(0))
    assert isinstance(step.lease, LeaseConflict)
    step = ledger.record_step(load, ME, None, chunk(0))
    assert not step.is_new
    assert step.recorded is not None
    assert (step.recorded.state, step.recorded.record_ids) == (LedgerState.DONE, ["rec0"])


def test_of_two_processes_that_record_a_zone_at_once_the_first_one_counts(url: URL) -> None:
    ledger = LoadLedger(url, APP)
    load = ledger.open("base/tbl", "key", 500, 0).id
    detail = sa.func.replace(ledger_table.c.detail, '"days":null', '"days":"Asia/Shanghai"')
    with ThreadPoolExecutor(1) as threads:
        with hold_transaction(get_engine(url)) as connection:
            connection.execute(ledger_table.update().where(ledger_table.c.id == load).values(detail=detail))
            late = threads.submit(ledger.record_days, load, "UTC")
            wait_until(lambda: count_waiting(url))
        assert late.result() == "Asia/Shanghai"
