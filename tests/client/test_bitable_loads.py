"""Loads of many Bitable records over HTTP: chunks, bad rows, lost answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields as f
from lark_provider.errors import (
    BulkOutcomeUnknownError,
    BulkWriteError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
)
from lark_provider.protocol import answers
from tests.client.bitable_table import BATCH, Table, make_rows, read_stored, table
from tests.client.conftest import Do, count

__all__ = ["table"]  # a fixture

CREATE = "POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_create"


def test_a_load_goes_in_chunks_and_keeps_its_order(lark: Emulator, do: Do, table: Table) -> None:
    done = do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(2500)))
    assert (done.written, done.chunks, done.replayed, len(done.record_ids)) == (2500, 3, 0, 2500)
    records = read_stored(table)
    assert [record["record_id"] for record in records] == done.record_ids
    assert [record["fields"]["Paid"] for record in records] == list(range(2500))


def test_the_answer_to_a_chunk_is_not_parsed(table: Table, do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    read = answers._parse_json

    def spy(content: bytes) -> Any:
        parsed.append(content)
        return read(content)

    monkeypatch.setattr(answers, "_parse_json", spy)
    done = do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(20), chunk_size=10))
    assert len(set(done.record_ids)) == 20
    assert parsed
    assert not [content for content in parsed if b"record_id" in content]


def test_a_generator_is_read_as_it_is_written(lark: Emulator, do: Do, table: Table) -> None:
    seen: list[int] = []

    def source() -> Iterator[dict[str, Any]]:
        for number, row in enumerate(make_rows(30)):
            seen.append(count(lark, CREATE))
            assert number // 10 <= seen[-1] + 1
            yield row

    assert do(lambda c: c.clouddoc.bitable.bulk_insert(*table, source(), chunk_size=10)).written == 30
    assert seen == [0] * 10 + [1] * 10 + [2] * 10


def test_an_asynchronous_source_needs_the_asynchronous_client(lark: Emulator, do: Do, table: Table) -> None:
    async def source() -> AsyncIterator[dict[str, Any]]:
        for row in make_rows(5):
            yield row

    def work(client: Any) -> Any:
        if isinstance(client, LarkServiceClient):
            with pytest.raises(InvalidRequestError, match="AsyncLarkServiceClient"):
                client.clouddoc.bitable.bulk_insert(*table, source())
            return None
        return client.clouddoc.bitable.bulk_insert(*table, source(), chunk_size=2)

    do(work)


def test_an_empty_load_writes_nothing(lark: Emulator, do: Do, table: Table) -> None:
    assert do(lambda c: c.clouddoc.bitable.bulk_insert(*table, [])).written == 0
    assert count(lark, CREATE) == 0


def test_a_bad_row_in_a_list_stops_the_load_before_it_begins(lark: Emulator, do: Do, table: Table) -> None:
    source = make_rows(1500)
    source[1200]["Paid"] = "much"
    source[1300]["Kindd"] = "x"
    with pytest.raises(
        InvalidRequestError, match="row 1201, field 'Paid': must be a number, got 'much'"
    ) as refused:
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, source))
    assert "row 1301, field 'Kindd'" in str(refused.value)
    assert refused.value.field_violations[0]["field"] == "Paid"
    assert count(lark, CREATE) == 0


def test_a_bad_row_in_a_stream_stops_its_chunk(lark: Emulator, do: Do, table: Table) -> None:
    source = make_rows(25)
    source[17]["Paid"] = "much"
    with pytest.raises(BulkWriteError, match="row 18, field 'Paid'") as stopped:
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, iter(source), chunk_size=10))
    assert (stopped.value.written, stopped.value.failed_chunk, stopped.value.retryable) == (10, 1, False)
    assert len(read_stored(table)) == 10


def test_a_source_that_breaks_says_what_was_written(lark: Emulator, do: Do, table: Table) -> None:
    def source() -> Iterator[dict[str, Any]]:
        yield from make_rows(15)
        raise OSError("source is unavailable")

    with pytest.raises(BulkWriteError, match="source is unavailable") as stopped:
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, source(), chunk_size=10))
    assert stopped.value.written == 10
    assert isinstance(stopped.value.__cause__, OSError)


def test_a_half_finished_load_says_how_far_it_came(lark: Emulator, do: Do, table: Table) -> None:
    lark.fault(path=BATCH, skip=1, code=1254302, msg="Permission denied")
    with pytest.raises(BulkWriteError, match="1000 records are written") as stopped:
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(2500)))
    assert (stopped.value.written, stopped.value.failed_chunk) == (1000, 1)
    assert isinstance(stopped.value.__cause__, PermissionDeniedError)
    assert len(stopped.value.record_ids) == len(read_stored(table)) == 1000


def test_a_refusal_before_anything_was_written_is_the_plain_one(lark: Emulator, do: Do, table: Table) -> None:
    lark.fault(path=BATCH, code=1254302, msg="Permission denied")
    with pytest.raises(PermissionDeniedError):
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(5)))
    with pytest.raises(NotFoundError):
        do(lambda c: c.clouddoc.bitable.bulk_insert(table.app_token, "tblnothere", make_rows(5)))
    with pytest.raises(InvalidRequestError, match="chunk_size must be an int from 1 to 1000, got 1001"):
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(5), chunk_size=1001))


def test_write_conflicts_are_waited_out(lark: Emulator, do: Do, table: Table) -> None:
    lark.fault(path=BATCH, code=1254291, msg="Write conflict", times=2)
    assert do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(5))).written == 5
    lark.fault(path=BATCH, code=1254291, msg="Write conflict", times=9)
    with pytest.raises(RateLimitError, match="one job write at a time"):
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(5)), max_retries=1)


@pytest.mark.parametrize("replay", ["same", "1254608", "1255006"])
def test_a_chunk_whose_answer_is_lost_is_never_written_twice(
    lark: Emulator, do: Do, table: Table, replay: str
) -> None:
    lark.settings(client_token_replay=replay)
    lark.fault(path=BATCH, skip=1, drop="after")

    def work(client: Any) -> Any:
        return client.clouddoc.bitable.bulk_insert(*table, make_rows(25), chunk_size=10)

    if replay == "same":
        assert do(work).written == 25
        assert len(read_stored(table)) == 25
        return
    with pytest.raises(BulkOutcomeUnknownError, match="may or may not be") as stopped:
        do(work)
    assert isinstance(stopped.value, OutcomeUnknownError)
    assert stopped.value.written == 10
    assert len(read_stored(table)) == 20


def test_a_load_that_is_repeated_under_its_key_adds_nothing(lark: Emulator, do: Do, table: Table) -> None:
    for _ in range(2):
        do(
            lambda c: c.clouddoc.bitable.bulk_insert(
                *table, make_rows(25), chunk_size=10, idempotency_key="day 1"
            )
        )
    assert len(read_stored(table)) == 25
    do(
        lambda c: c.clouddoc.bitable.bulk_insert(
            *table, make_rows(25), chunk_size=10, idempotency_key="day 2"
        )
    )
    assert len(read_stored(table)) == 50


@pytest.mark.parametrize("key", ["", " ", 5])
def test_keys_that_tell_nothing_apart_are_refused(lark: Emulator, do: Do, table: Table, key: Any) -> None:
    with pytest.raises(InvalidRequestError, match="idempotency_key"):
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(2), idempotency_key=key))
    with pytest.raises(InvalidRequestError, match="idempotency_key"):
        do(lambda c: c.clouddoc.bitable.create_record(*table, {"No": "1"}, idempotency_key=key))
    assert read_stored(table) == []


def test_the_same_key_with_other_chunks_is_another_write(lark: Emulator, do: Do, table: Table) -> None:
    do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(4), chunk_size=4, idempotency_key="k"))
    do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(4), chunk_size=2, idempotency_key="k"))
    assert len(read_stored(table)) == 8


def test_an_answer_without_records_leaves_the_outcome_open(lark: Emulator, do: Do, table: Table) -> None:
    lark.fault(path=BATCH, status=200, body='{"code": 0, "msg": "ok", "data": {}}')
    with pytest.raises(BulkOutcomeUnknownError, match="2 records were sent, and the answer names 0"):
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(2)))


def test_a_stream_finds_a_field_added_since(lark: Emulator, do: Do, table: Table) -> None:
    do(lambda c: c.clouddoc.bitable.bulk_insert(*table, iter(make_rows(1))))
    LarkServiceClient().clouddoc.bitable.create_field(*table, "New", f.TEXT)
    assert do(lambda c: c.clouddoc.bitable.bulk_insert(*table, iter([{"New": "x"}]))).written == 1


def test_a_source_is_closed_when_the_load_stops(lark: Emulator, do: Do, table: Table) -> None:
    closed = []

    def source() -> Iterator[dict[str, Any]]:
        try:
            yield from make_rows(15)
            yield {"Paid": "much"}
            yield from make_rows(15)
        finally:
            closed.append(True)

    with pytest.raises(BulkWriteError):
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, source(), chunk_size=10))
    assert closed == [True]


@pytest.mark.parametrize("records", [None, "rows", {"No": 1}, 5])
def test_records_that_are_none_are_named(lark: Emulator, do: Do, table: Table, records: Any) -> None:
    with pytest.raises(InvalidRequestError, match="must be a list, a generator or another iterable"):
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, records))


def test_ids_need_not_be_kept(lark: Emulator, do: Do, table: Table) -> None:
    done = do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(5), keep_ids=False))
    assert (done.written, done.record_ids) == (5, [])


def test_rows_of_a_csv_file_have_empty_cells_if_that_is_said(lark: Emulator, do: Do, table: Table) -> None:
    row = {"No": "", "Paid": "", "At": "", "Kind": ""}

    def load(source: Any, **options: Any) -> Callable[[Any], Any]:
        return lambda c: c.clouddoc.bitable.bulk_insert(*table, source, chunk_size=2, **options)

    for source in ([row] * 3, iter([row] * 3)):
        with pytest.raises(
            InvalidRequestError, match="row 1, field 'Paid': must be a number, got ''; for an empty"
        ):
            do(load(source))
    assert read_stored(table) == []
    cell_options: dict[str, Any] = {"empty_as_none": True}
    for source in ([row] * 3, iter([row] * 3)):
        assert do(load(source, **cell_options)).written == 3
    response = do(lambda c: c.clouddoc.bitable.create_record(*table, row | {"Paid": 5}, **cell_options))
    ident = response.data["record"]["record_id"]
    do(lambda c: c.clouddoc.bitable.update_record(*table, ident, {"Paid": ""}, **cell_options))
    do(lambda c: c.clouddoc.bitable.update_record(*table, ident, {"Paid": 6}))
    do(lambda c: c.clouddoc.bitable.bulk_update(*table, [(ident, {"Paid": ""})], **cell_options))
    assert not any({"Paid", "At", "Kind"} & set(record["fields"]) for record in read_stored(table))
