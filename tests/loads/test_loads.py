"""Loads that are called again: what is written is skipped, what has changed is an error."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from lark_provider import LarkServiceClient
from lark_provider.errors import (
    BulkWriteError,
    ConflictError,
    InvalidRequestError,
    LarkError,
    NotFoundError,
    StorageError,
)
from lark_provider.storage import ledger_admin, migrate, urls
from tests.loads.conftest import CREATE, LoadTable, make_rows

Do = Callable[[Callable[[Any], Any]], Any]
pytestmark = pytest.mark.usefixtures("database")


def failing(count: int, error: Exception) -> Iterator[dict[str, Any]]:
    yield from make_rows(count)
    raise error


def test_a_load_that_is_done_writes_nothing_more(place: LoadTable, do: Do) -> None:
    def load(client: Any) -> Any:
        return client.clouddoc.bitable.bulk_insert(
            place.app_token, place.table_id, make_rows(25), chunk_size=10, idempotency_key="load"
        )

    first, again = do(load), do(load)
    assert (first.written, first.replayed, first.chunks) == (25, 0, 3)
    assert (again.written, again.replayed, again.chunks) == (25, 25, 3)
    assert again.record_ids == first.record_ids == place.list_ids()
    assert (place.requests(), place.read_stored()) == (3, make_rows(25))


def test_loads_of_other_keys_tables_and_apps_are_others(
    place: LoadTable, neighbour: LarkServiceClient
) -> None:
    place.load(make_rows(5))
    place.load(make_rows(5), "other")
    neighbour.clouddoc.bitable.bulk_insert(
        place.app_token, place.table_id, make_rows(5), idempotency_key="load"
    )
    assert len(place.read_stored()) == 15


def test_a_load_without_a_key_is_another_each_time(place: LoadTable) -> None:
    for _ in range(2):
        place.bitable.bulk_insert(place.app_token, place.table_id, make_rows(5))
    assert len(place.read_stored()) == 10


def test_a_retry_goes_on_where_the_source_failed(place: LoadTable) -> None:
    with pytest.raises(BulkWriteError, match="20 records are written; chunk 2") as stopped:
        place.load(failing(25, OSError("the database is unavailable")))
    assert (stopped.value.written, stopped.value.retryable) == (20, True)
    result = place.load(make_rows(25))
    assert (result.written, result.replayed, place.requests()) == (25, 20, 3)
    assert place.read_stored() == make_rows(25)


def test_the_chunk_size_of_the_first_attempt_is_kept(place: LoadTable) -> None:
    with pytest.raises(BulkWriteError):
        place.load(failing(25, OSError()))
    result = place.load(make_rows(25), chunk_size=7)
    assert (result.written, result.replayed, result.chunks) == (25, 20, 3)
    assert place.read_stored() == make_rows(25)


def test_the_order_of_columns_is_not_a_change(place: LoadTable) -> None:
    place.load(make_rows(5))
    turned = [dict(reversed(row.items())) for row in make_rows(5)]
    assert place.load(turned).replayed == 5


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (make_rows(25, r13="other"), "Row 14 of the source is not what load .* 25 rows are already written"),
        (make_rows(24), "Row 25 of the source|ends after 24 rows"),
        (make_rows(20), "ends after 20 rows, and 25 rows .* row 21 is missing"),
        (make_rows(26), "Row 26 of the source is not what"),
        (list(reversed(make_rows(25))), "Row 1 of the source"),
    ],
)
def test_a_source_that_has_changed_since_is_an_error(place: LoadTable, source: Any, words: str) -> None:
    place.load(make_rows(25))
    with pytest.raises(ConflictError, match=words) as error:
        place.load(source)
    assert not error.value.retryable
    assert place.read_stored() == make_rows(25)


def test_rows_that_come_after_a_load_was_complete_are_an_error(place: LoadTable) -> None:
    place.load(make_rows(20))
    with pytest.raises(
        ConflictError, match=r"Row 21 of the source is new: load .* was complete with 20 rows"
    ):
        place.load(make_rows(21))
    assert place.read_stored() == make_rows(20)


def test_a_value_that_does_not_fit_is_corrected_and_the_load_goes_on(place: LoadTable) -> None:
    wrong = make_rows(25)
    wrong[13]["No"] = "thirteen"
    with pytest.raises(BulkWriteError, match="row 14, field 'No'"):
        place.load(iter(wrong))
    assert place.load(iter(make_rows(25))).replayed == 10
    assert place.read_stored() == make_rows(25)


def test_a_chunk_that_lark_refused_may_change(place: LoadTable, database: str) -> None:
    place.lark.fault(path=CREATE, skip=1, code=1254060)
    with pytest.raises(BulkWriteError, match="1254060"):
        place.load(make_rows(25))
    (load,) = ledger_admin.list_entries(urls.parse(database, "test"))
    assert (load.written, load.refused, load.uncertain) == (10, 1, 0)
    corrected = make_rows(25, r15="corrected")
    assert place.load(corrected).written == 25
    assert place.read_stored() == corrected


def test_a_request_that_lark_had_no_time_for_may_change(place: LoadTable) -> None:
    place.lark.fault(path=CREATE, status=429, code=99991400, times=99)
    bitable = LarkServiceClient(max_retries=0).clouddoc.bitable
    with pytest.raises(LarkError):
        bitable.bulk_insert(place.app_token, place.table_id, make_rows(5), idempotency_key="load")
    place.lark.clear_faults()
    assert place.load(make_rows(5, r1="other")).written == 5
    assert place.read_stored() == make_rows(5, r1="other")


def test_a_column_that_was_renamed_is_an_error(place: LoadTable) -> None:
    with pytest.raises(BulkWriteError):
        place.load(failing(15, OSError()))
    fields = {
        field["field_name"]: field for field in place.bitable.list_fields(place.app_token, place.table_id)
    }
    url = f"/bitable/v1/apps/{place.app_token}/tables/{place.table_id}/fields"
    client = LarkServiceClient()
    for name, new in (("Name", "Old name"), ("Mark", "Name")):
        client.call("PUT", f"{url}/{fields[name]['field_id']}", json={"field_name": new, "type": 1})
    with pytest.raises(NotFoundError, match=r"Column 'Name' is field fld.* now, and was field fld"):
        place.load(make_rows(15))
    assert place.requests() == 1


def test_a_restart_deletes_what_the_load_wrote_and_nothing_else(
    place: LoadTable, neighbour: LarkServiceClient
) -> None:
    place.load(make_rows(25))
    others = neighbour.clouddoc.bitable.create_record(place.app_token, place.table_id, {"No": 99})
    place.bitable.delete_record(place.app_token, place.table_id, place.list_ids()[3])  # a person did
    old = set(place.list_ids()) - {others.data["record"]["record_id"]}
    changed = make_rows(23, r7="other")
    result = place.load(changed, restart=1)
    assert (result.written, result.replayed) == (23, 0)
    assert place.read_stored() == [*changed, {"No": 99}]
    assert not old & set(place.list_ids())
    assert place.load(changed, restart=1).replayed == 23  # a retry of the restart is not another one
    assert place.load(changed).replayed == 23


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_restart_that_was_interrupted_goes_on(place: LoadTable, drop: str) -> None:
    place.load(make_rows(25))
    place.lark.fault(path="*/records/batch_delete", skip=1, code=1254302)
    with pytest.raises(LarkError, match="1254302"):
        place.load(make_rows(25), restart=1)
    place.lark.fault(path="*/records/batch_delete", drop=drop, times=9)
    place.lark.fault(path=CREATE, skip=1, code=1254302)
    with pytest.raises(LarkError):
        LarkServiceClient(max_retries=1).clouddoc.bitable.bulk_insert(
            place.app_token, place.table_id, make_rows(25), chunk_size=10, idempotency_key="load", restart=1
        )
    place.lark.clear_faults()
    place.load(make_rows(25), restart=1)
    assert place.read_stored() == make_rows(25)


def test_a_restart_deletes_what_an_earlier_attempt_writes_while_it_waits(
    place: LoadTable, caplog: pytest.LogCaptureFixture
) -> None:
    """The earlier attempt is still running: it has the table, and ends before the restart gets it."""
    caplog.set_level("INFO", logger="lark_provider")
    place.load(make_rows(10))
    with ThreadPoolExecutor(1) as pool:
        restarts: list[Future[Any]] = []

        def earlier() -> Iterator[dict[str, Any]]:
            for row in make_rows(45):
                if row["No"] == 30:
                    restarts.append(pool.submit(place.load, make_rows(45, r7="other"), key="two", restart=1))
                    until = time.monotonic() + 60
                    while "Waiting for another writer" not in caplog.text:
                        assert time.monotonic() < until
                        time.sleep(0.01)
                yield row

        place.load(earlier(), key="two")
        assert restarts[0].result().written == 45
    stored = place.read_stored()
    assert [row["No"] for row in stored] == sorted([*range(10), *range(45)])
    assert [row["Name"] for row in stored if row["No"] == 7] in (["row 7", "other"], ["other", "row 7"])


def test_a_restart_that_two_attempts_make_at_once_deletes_once(place: LoadTable) -> None:
    """The second one finds the load written again, under tokens that Lark knows."""
    place.load(make_rows(25))
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(place.load, make_rows(25, r7="other"), restart=1) for _ in range(2)]
        assert sorted(future.result().replayed for future in both) == [0, 25]
    assert place.load(make_rows(25, r7="other"), restart=1).replayed == 25
    assert place.read_stored() == make_rows(25, r7="other")


@pytest.mark.parametrize("restart", [0, 1])
def test_an_attempt_whose_load_was_restarted_writes_nothing(place: LoadTable, restart: int) -> None:
    """Who restarted it was killed; the tokens of the other attempt are those of records that were deleted."""
    place.load(make_rows(25))

    def break_off() -> Iterator[dict[str, Any]]:
        yield from ()
        raise OSError("gone")

    def slow() -> Iterator[dict[str, Any]]:
        with pytest.raises(OSError, match="gone"):
            place.load(break_off(), restart=restart + 1)
        yield from make_rows(25)

    with pytest.raises(ConflictError, match="restarted or forgotten by another process"):
        place.load(slow(), restart=restart)
    assert place.read_stored() == []
    assert place.load(make_rows(25), restart=restart + 1).replayed == 0
    assert place.read_stored() == make_rows(25)


def test_an_attempt_whose_load_was_forgotten_writes_nothing(place: LoadTable, database: str) -> None:
    url = urls.parse(database, "test")

    def slow() -> Iterator[dict[str, Any]]:
        ledger_admin.forget(url, ledger_admin.list_entries(url)[0].id)
        yield from make_rows(25)

    with pytest.raises(ConflictError, match="restarted or forgotten by another process"):
        place.load(slow())
    assert place.read_stored() == []
    assert ledger_admin.list_entries(url) == []


def test_an_empty_source_is_a_load(place: LoadTable) -> None:
    assert place.load([]).written == 0
    with pytest.raises(ConflictError, match="Row 1 of the source is new"):
        place.load(make_rows(1))


def test_values_that_are_not_converted_are_loaded_as_well(place: LoadTable) -> None:
    place.load(make_rows(15), convert=False)
    assert place.load(make_rows(15), convert=False).replayed == 15
    with pytest.raises(LarkError, match="Record 3 of the source must be serialisable as JSON"):
        place.load([*make_rows(2), {"No": object()}], "other", convert=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key_fields": "No"}, "key_fields must be a list"),
        ({"key_fields": ["Nothing"]}, "key_fields must be fields of text"),
        ({"token_window": -1}, "token_window must be a number of seconds"),
        ({"table_wait": "long"}, "table_wait must be a number of seconds"),
    ],
)
def test_invalid_options_are_refused(place: LoadTable, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        place.load(make_rows(3), **options)
    assert place.requests() == 0


def test_a_row_without_its_key_is_refused(place: LoadTable) -> None:
    with pytest.raises(InvalidRequestError, match="Record 2 of the source must have a value in 'Name'"):
        place.load([{"Name": "a", "No": 1}, {"No": 2}], key_fields=["No", "Name"])
    assert place.requests() == 0


def test_a_database_without_the_tables_stops_a_load_and_says_what_to_do(
    place: LoadTable, database: str
) -> None:
    migrate.downgrade(urls.parse(database, "test"), "0003")
    with pytest.raises(StorageError, match=r"is behind on migrations.* db upgrade"):
        place.load(make_rows(3))
    assert place.requests() == 0


def test_a_load_is_resumed_with_one_line_in_the_log(
    place: LoadTable, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BulkWriteError):
        place.load(failing(25, OSError()))
    with caplog.at_level(logging.INFO):
        place.load(make_rows(25))
    assert [record.message for record in caplog.records if "load" in record.message] == ["Resuming a load"]
