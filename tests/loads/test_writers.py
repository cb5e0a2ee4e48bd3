"""One writer at a time has a table; the others wait, and say for whom."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lark_provider import LarkServiceClient
from lark_provider.errors import BulkOutcomeUnknownError, BulkWriteError, ConflictError, OutcomeUnknownError
from lark_provider.protocol.ledger import Claimant, Lease, LeaseConflict
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.storage import urls
from lark_provider.storage.table_leases import TableLeases
from tests.loads.attempts import Attempts
from tests.loads.conftest import LoadTable, make_rows
from tests.services.postgres import OwnPostgres
from tests.storage import prepared


def leases(database: str, place: LoadTable) -> TableLeases:
    return TableLeases(urls.parse(database, "test"), place.lark.base_url, "secret")


def claimant(place: LoadTable, owner: str, seconds: float) -> Claimant:
    return Claimant(f"{place.app_token}/{place.table_id}", owner, f"load of {owner}", seconds)


def test_another_writer_is_waited_for(
    place: LoadTable, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    store, other = leases(database, place), claimant(place, "another", 60)
    assert isinstance(store.take(other), Lease)
    with ThreadPoolExecutor(1) as pool, caplog.at_level(logging.INFO):
        load = pool.submit(place.load, make_rows(15))
        while not any("Waiting for another writer" in record.message for record in caplog.records):
            time.sleep(0.01)
            assert not load.done()
        assert place.requests() == 0
        store.release(other)
        assert load.result(60).written == 15
    said = next(record for record in caplog.records if "Waiting for another writer" in record.message)
    assert "load of another (process " in vars(said)["writer"]
    assert place.read_stored() == make_rows(15)


@pytest.mark.parametrize("work", ["insert", "update", "delete"])
def test_after_a_time_it_is_not_waited_for_any_more(place: LoadTable, database: str, work: str) -> None:
    store, other = leases(database, place), claimant(place, "another", 60)
    ids = place.load(make_rows(1), "first").record_ids
    store.take(other)
    bitable, at = place.bitable, (place.app_token, place.table_id)
    write: dict[str, Callable[[], Any]] = {
        "insert": lambda: place.load(make_rows(15), table_wait=0),
        "update": lambda: bitable.bulk_update(*at, [(ids[0], {"No": 5})], table_wait=0),
        "delete": lambda: bitable.bulk_delete(*at, ids, table_wait=0),
    }
    with pytest.raises(ConflictError, match=r"written by load of another .* still was after 0 s") as error:
        write[work]()
    assert error.value.retryable
    assert place.read_stored() == make_rows(1)


def test_a_lease_is_released_when_a_load_ends_or_fails(place: LoadTable, database: str) -> None:
    def failing() -> Iterator[dict[str, Any]]:
        yield from make_rows(15)
        raise OSError

    store = leases(database, place)
    for number, source in enumerate((make_rows(5), failing())):
        try:
            place.load(source, str(number))
        except BulkWriteError:
            assert number == 1
        free = claimant(place, str(number), 0.0)
        assert isinstance(store.take(free), Lease)
        store.release(free)


def test_who_lost_a_lease_learns_of_it(place: LoadTable, database: str) -> None:
    store = leases(database, place)
    first, second = claimant(place, "first", 0.2), claimant(place, "second", 60)
    before = time.monotonic()
    lease = store.take(first)
    assert isinstance(lease, Lease)
    assert lease.ends <= before + 0.2 + 1
    while isinstance(taken := store.take(second), LeaseConflict):
        time.sleep(0.01)
    assert not taken.is_renewed
    held = store.take(first)
    assert isinstance(held, LeaseConflict)
    assert 0 < held.seconds <= 60
    store.release(first)  # another one's stays
    assert isinstance(store.take(first), LeaseConflict)
    renewed = store.take(second)
    assert isinstance(renewed, Lease)
    assert renewed.is_renewed
    store.release(second)
    again = store.take(first)
    assert isinstance(again, Lease)
    assert not again.is_renewed


def test_an_intent_is_kept_for_the_next_writer(place: LoadTable, database: str) -> None:
    store = leases(database, place)
    first, second = claimant(place, "first", 0.2), claimant(place, "second", 60)
    assert store.read_intent(first.key) is None
    assert isinstance(store.record_intent(first, '{"keys": ["a@example.com"]}'), Lease)
    while isinstance(store.take(second), LeaseConflict):
        time.sleep(0.01)
    intent = store.read_intent(first.key)
    assert intent is not None
    assert intent.text == '{"keys": ["a@example.com"]}'
    assert 0 <= intent.age < 60
    assert isinstance(store.record_intent(first, "too late"), LeaseConflict)
    assert isinstance(store.clear_intent(first), LeaseConflict)
    other_app = TableLeases(urls.parse(database, "test"), place.lark.base_url, "another secret")
    unreadable = other_app.read_intent(first.key)
    assert unreadable is not None
    assert unreadable.text is None
    assert isinstance(store.clear_intent(second), Lease)
    assert store.read_intent(first.key) is None


def test_eight_processes_write_one_table(place: LoadTable, database: str) -> None:
    place.lark.settings(rate_limits=False, write_ms=5)
    environ = {
        "LARK_APP_ID": place.lark.app_id,
        "LARK_APP_SECRET": place.lark.app_secret,
        "LARK_BASE_URL": place.lark.base_url,
        "LARK_DATABASE_URL": database,
    }
    spec = {"app_token": place.app_token, "table_id": place.table_id, "rows": 300}
    with Attempts(environ) as attempts:
        pids = [
            attempts.start({**spec, "key": f"load {number}", "options": {"chunk_size": 50}})
            for number in range(8)
        ]
        ended = [attempts.wait_until_ended(pid) for pid in pids]
    assert [outcome and outcome["said"].get("written") for outcome in ended] == [300] * 8
    stored = place.read_stored()
    assert len(stored) == 2400
    assert {row["No"] for row in stored} == set(range(300))
    # Lark refuses a write while another one is in progress; here none ever met another one.
    codes = {
        request["code"]
        for request in place.lark.requests()
        if request["route"] and "batch_create" in request["route"]
    }
    assert codes == {0}


def test_a_database_that_stops_is_waited_for(
    own_postgres: OwnPostgres, place: LoadTable, monkeypatch: pytest.MonkeyPatch
) -> None:

    prepared.upgrade(urls.parse(own_postgres.url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", own_postgres.url)

    def source() -> Iterator[dict[str, Any]]:
        yield from make_rows(15)
        own_postgres.stop()
        threading.Timer(1.0, own_postgres.start).start()
        yield from make_rows(15, start=15)

    assert place.load(source()).written == 30
    assert place.read_stored() == make_rows(30)
    assert (
        LarkServiceClient()
        .clouddoc.bitable.bulk_insert(
            place.app_token, place.table_id, make_rows(30), chunk_size=10, idempotency_key="load"
        )
        .replayed
        == 30
    )


def test_a_wait_that_outlasts_the_lease_is_waited_for_and_not_shortened(
    place: LoadTable, database: str
) -> None:
    from lark_provider.api.clouddoc.loads.options import LoadOptions
    from lark_provider.api.clouddoc.loads.procedure import load

    limited = {"x-ogw-ratelimit-reset": "3600"}
    place.lark.fault("POST", "*/records/batch_create", status=429, code=99991400, headers=limited, times=2)
    options = LoadOptions(
        chunk_size=10,
        user_id_type="open_id",
        zone=None,
        convert=True,
        empty_as_none=False,
        keep_ids=True,
        lease_seconds=0.6,
    )
    client = LarkServiceClient()
    client._session.policy = RetryPolicy(max_wait=7200)
    result = client.perform(load(place.app_token, place.table_id, make_rows(10), "load", options))
    assert result is not None
    assert result.written == 10
    times = [request["time"] for request in place.lark.requests() if "batch_create" in request["path"]]
    assert len(times) == 3
    assert min(times[1] - times[0], times[2] - times[1]) > 0.25


def test_a_refusal_under_the_next_lease_does_not_say_that_nothing_was_changed(
    place: LoadTable, database: str
) -> None:
    (ident,) = place.load(make_rows(1)).record_ids
    place.lark.fault(path="*/records/batch_update", drop="after")
    place.lark.fault(path="*/records/batch_update", status=403, code=1254302)
    client = LarkServiceClient()
    client._session.policy = RetryPolicy(max_retries=0)
    with pytest.raises(BulkOutcomeUnknownError) as caught:
        client.clouddoc.bitable.bulk_update(place.app_token, place.table_id, [(ident, {"No": 5})])
    assert isinstance(caught.value.__cause__, OutcomeUnknownError)
    assert getattr(caught.value.__cause__.__cause__, "code", None) == 1254302
    assert place.requests("batch_update") == 2
    assert [row["No"] for row in place.read_stored()] == [5]
