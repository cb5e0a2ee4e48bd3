"""Bitable over HTTP: tables, single records, and loads of many."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields as f
from lark_provider.errors import (
    BulkOutcomeUnknownError,
    BulkWriteError,
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
)
from lark_provider.protocol import answers
from tests.client.conftest import Do, count

CREATE = "POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_create"
LIST_FIELDS = "GET /open-apis/bitable/v1/apps/:app_token/tables/:table_id/fields"
GET_APP = "GET /open-apis/bitable/v1/apps/:app_token"
BATCH = "*/records/batch_create"
NEW_YORK = "America/New_York"
COLUMNS = [
    f.Field(field_name=name, type=kind)
    for name, kind in (("No", f.TEXT), ("Paid", f.NUMBER), ("At", f.DATE), ("Kind", f.SINGLE_SELECT))
]
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


class Table(NamedTuple):
    app_token: str
    table_id: str


@pytest.fixture
def table(lark: Emulator) -> Table:
    lark.settings(rate_limits=False)
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Orders").data["app"]["app_token"]
    return Table(app_token, bitable.create_table(app_token, "2026", COLUMNS).data["table_id"])


def rows(number: int) -> list[dict[str, Any]]:
    return [{"No": f"A-{n}", "Paid": Decimal(n), "At": NOON, "Kind": "b2c"} for n in range(number)]


def stored(table: Table) -> list[dict[str, Any]]:
    client, found, token = LarkServiceClient(), [], None
    url = f"/bitable/v1/apps/{table.app_token}/tables/{table.table_id}/records/search"
    while True:
        params = {"page_size": "500"} | ({"page_token": token} if token else {})
        data = client.call("POST", url, params=params, json={}, idempotent=True).data
        found += data["items"]
        if not data["has_more"]:
            return found
        token = data["page_token"]


def test_bases_tables_and_fields(lark: Emulator, do: Do, table: Table) -> None:
    made = do(lambda c: c.clouddoc.bitable.create_field(*table, "Note", f.TEXT, idempotency_key="note"))
    assert made.data["field"]["field_id"].startswith("fld")
    for number in range(104):
        LarkServiceClient().clouddoc.bitable.create_field(*table, f"F{number}", f.TEXT)
    names = [field["field_name"] for field in do(lambda c: _listed(c, table))]
    assert names == ["No", "Paid", "At", "Kind", "Note", *(f"F{number}" for number in range(104))]
    with pytest.raises(ConflictError):
        do(lambda c: c.clouddoc.bitable.create_field(*table, "Note", f.TEXT))


def _listed(client: Any, table: Table) -> Any:
    found = client.clouddoc.bitable.list_fields(*table)
    return list(found) if isinstance(found, Iterator) else found


def test_a_record_is_converted_by_its_fields_which_are_read_once(
    lark: Emulator, do: Do, table: Table
) -> None:
    for _ in range(3):
        answer = do(
            lambda c: c.clouddoc.bitable.create_record(*table, {"No": 7, "Paid": Decimal("1.5"), "At": NOON})
        )
    assert answer.data["record"]["record_id"].startswith("rec")
    assert count(lark, LIST_FIELDS) == 1
    assert stored(table)[0]["fields"] == {
        "No": [{"text": "7", "type": "text"}], "Paid": 1.5, "At": 1767268800000,
    }  # fmt: skip


def test_a_field_added_since_is_found(lark: Emulator, do: Do, table: Table) -> None:
    do(lambda c: c.clouddoc.bitable.create_record(*table, {"No": "1"}))
    LarkServiceClient().clouddoc.bitable.create_field(*table, "New", f.TEXT)
    do(lambda c: c.clouddoc.bitable.create_record(*table, {"No": "2", "New": "x"}))
    assert len(stored(table)) == 2


NAIVE = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - the point


@pytest.mark.parametrize(
    ("record", "reason"),
    [({"no": "1"}, "did you mean 'No'"), ({"Paid": "much"}, "must be a number"), ({"At": NAIVE}, "zone=")],
)
def test_a_record_that_does_not_fit_is_not_sent(
    lark: Emulator, do: Do, table: Table, record: Any, reason: str
) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        do(lambda c: c.clouddoc.bitable.create_record(*table, record))
    assert stored(table) == []


def test_what_is_not_converted_is_refused_by_lark_by_name(lark: Emulator, do: Do, table: Table) -> None:
    with pytest.raises(NotFoundError, match="Next: check the field names") as refused:
        do(lambda c: c.clouddoc.bitable.create_record(*table, {"Nope": 1}, convert=False))
    assert refused.value.code == 1254045
    with pytest.raises(InvalidRequestError) as refused_value:
        do(lambda c: c.clouddoc.bitable.create_record(*table, {"Paid": "much"}, convert=False))
    assert refused_value.value.code == 1254061


def test_a_load_goes_in_chunks_and_keeps_its_order(lark: Emulator, do: Do, table: Table) -> None:
    done = do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(2500)))
    assert (done.written, done.chunks, done.replayed, len(done.record_ids)) == (2500, 3, 0, 2500)
    found = stored(table)
    assert [record["record_id"] for record in found] == done.record_ids
    assert [record["fields"]["Paid"] for record in found] == list(range(2500))


def test_the_answer_to_a_chunk_is_not_parsed(table: Table, do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    read = answers._json

    def spy(content: bytes) -> Any:
        parsed.append(content)
        return read(content)

    monkeypatch.setattr(answers, "_json", spy)
    done = do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(20), chunk_size=10))
    assert len(set(done.record_ids)) == 20
    assert parsed
    assert not [content for content in parsed if b"record_id" in content]


def test_a_generator_is_read_as_it_is_written(lark: Emulator, do: Do, table: Table) -> None:
    seen: list[int] = []

    def source() -> Iterator[dict[str, Any]]:
        for number, row in enumerate(rows(30)):
            seen.append(count(lark, CREATE))
            assert number // 10 <= seen[-1] + 1
            yield row

    assert do(lambda c: c.clouddoc.bitable.bulk_insert(*table, source(), chunk_size=10)).written == 30
    assert seen == [0] * 10 + [1] * 10 + [2] * 10


def test_an_asynchronous_source_needs_the_asynchronous_client(lark: Emulator, do: Do, table: Table) -> None:
    async def source() -> AsyncIterator[dict[str, Any]]:
        for row in rows(5):
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
    source = rows(1500)
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
    source = rows(25)
    source[17]["Paid"] = "much"
    with pytest.raises(BulkWriteError, match="row 18, field 'Paid'") as stopped:
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, iter(source), chunk_size=10))
    assert (stopped.value.written, stopped.value.failed_chunk, stopped.value.retryable) == (10, 1, False)
    assert len(stored(table)) == 10


def test_a_source_that_breaks_says_what_was_written(lark: Emulator, do: Do, table: Table) -> None:
    def source() -> Iterator[dict[str, Any]]:
        yield from rows(15)
        raise OSError("source is unavailable")

    with pytest.raises(BulkWriteError, match="source is unavailable") as stopped:
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, source(), chunk_size=10))
    assert stopped.value.written == 10
    assert isinstance(stopped.value.__cause__, OSError)


def test_a_half_finished_load_says_how_far_it_came(lark: Emulator, do: Do, table: Table) -> None:
    lark.fault(path=BATCH, skip=1, code=1254302, msg="Permission denied")
    with pytest.raises(BulkWriteError, match="1000 records are written") as stopped:
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(2500)))
    assert (stopped.value.written, stopped.value.failed_chunk) == (1000, 1)
    assert isinstance(stopped.value.__cause__, PermissionDeniedError)
    assert len(stopped.value.record_ids) == len(stored(table)) == 1000


def test_a_refusal_before_anything_was_written_is_the_plain_one(lark: Emulator, do: Do, table: Table) -> None:
    lark.fault(path=BATCH, code=1254302, msg="Permission denied")
    with pytest.raises(PermissionDeniedError):
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(5)))
    with pytest.raises(NotFoundError):
        do(lambda c: c.clouddoc.bitable.bulk_insert(table.app_token, "tblnothere", rows(5)))
    with pytest.raises(InvalidRequestError, match="chunk_size must be an int from 1 to 1000, got 1001"):
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(5), chunk_size=1001))


def test_write_conflicts_are_waited_out(lark: Emulator, do: Do, table: Table) -> None:
    lark.fault(path=BATCH, code=1254291, msg="Write conflict", times=2)
    assert do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(5))).written == 5
    lark.fault(path=BATCH, code=1254291, msg="Write conflict", times=9)
    with pytest.raises(RateLimitError, match="one job write at a time"):
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(5)), max_retries=1)


@pytest.mark.parametrize("replay", ["same", "1254608", "1255006"])
def test_a_chunk_whose_answer_is_lost_is_never_written_twice(
    lark: Emulator, do: Do, table: Table, replay: str
) -> None:
    lark.settings(client_token_replay=replay)
    lark.fault(path=BATCH, skip=1, drop="after")

    def work(client: Any) -> Any:
        return client.clouddoc.bitable.bulk_insert(*table, rows(25), chunk_size=10)

    if replay == "same":
        assert do(work).written == 25
        assert len(stored(table)) == 25
        return
    with pytest.raises(BulkOutcomeUnknownError, match="may or may not be") as stopped:
        do(work)
    assert isinstance(stopped.value, OutcomeUnknownError)
    assert stopped.value.written == 10
    assert len(stored(table)) == 20


def test_a_load_that_is_repeated_under_its_key_adds_nothing(lark: Emulator, do: Do, table: Table) -> None:
    for _ in range(2):
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(25), chunk_size=10, idempotency_key="day 1"))
    assert len(stored(table)) == 25
    do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(25), chunk_size=10, idempotency_key="day 2"))
    assert len(stored(table)) == 50


@pytest.mark.parametrize("key", ["", " ", 5])
def test_keys_that_tell_nothing_apart_are_refused(lark: Emulator, do: Do, table: Table, key: Any) -> None:
    with pytest.raises(InvalidRequestError, match="idempotency_key"):
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(2), idempotency_key=key))
    with pytest.raises(InvalidRequestError, match="idempotency_key"):
        do(lambda c: c.clouddoc.bitable.create_record(*table, {"No": "1"}, idempotency_key=key))
    assert stored(table) == []


def test_the_same_key_with_other_chunks_is_another_write(lark: Emulator, do: Do, table: Table) -> None:
    do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(4), chunk_size=4, idempotency_key="k"))
    do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(4), chunk_size=2, idempotency_key="k"))
    assert len(stored(table)) == 8


def test_an_answer_without_records_leaves_the_outcome_open(lark: Emulator, do: Do, table: Table) -> None:
    lark.fault(path=BATCH, status=200, body='{"code": 0, "msg": "ok", "data": {}}')
    with pytest.raises(BulkOutcomeUnknownError, match="must name the 2 records sent, got 0"):
        do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(2)))


def test_a_stream_finds_a_field_added_since(lark: Emulator, do: Do, table: Table) -> None:
    do(lambda c: c.clouddoc.bitable.bulk_insert(*table, iter(rows(1))))
    LarkServiceClient().clouddoc.bitable.create_field(*table, "New", f.TEXT)
    assert do(lambda c: c.clouddoc.bitable.bulk_insert(*table, iter([{"New": "x"}]))).written == 1


def test_a_source_is_closed_when_the_load_stops(lark: Emulator, do: Do, table: Table) -> None:
    closed = []

    def source() -> Iterator[dict[str, Any]]:
        try:
            yield from rows(15)
            yield {"Paid": "much"}
            yield from rows(15)
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
    done = do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(5), keep_ids=False))
    assert (done.written, done.record_ids) == (5, [])


def test_records_are_changed_and_cells_cleared(lark: Emulator, do: Do, table: Table) -> None:
    ids = do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(3))).record_ids
    do(lambda c: c.clouddoc.bitable.update_record(*table, ids[0], {"Paid": Decimal(9), "Kind": None}))
    pairs = [(ident, {"At": None, "Paid": 5}) for ident in ids[1:]]
    assert do(lambda c: c.clouddoc.bitable.bulk_update(*table, iter(pairs), chunk_size=1)).written == 2
    fields = [record["fields"] for record in stored(table)]
    assert [one["Paid"] for one in fields] == [9, 5, 5]
    assert ["At" in one for one in fields] == [True, False, False]
    assert ["Kind" in one for one in fields] == [False, True, True]
    with pytest.raises(NotFoundError):
        do(lambda c: c.clouddoc.bitable.update_record(*table, "recnothere", {"Paid": 1}))
    with pytest.raises(InvalidRequestError, match="must be a number"):
        do(lambda c: c.clouddoc.bitable.bulk_update(*table, [(ids[0], {"Paid": "much"})]))


def test_records_are_deleted(lark: Emulator, do: Do, table: Table) -> None:
    ids = do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(1203))).record_ids
    assert do(lambda c: c.clouddoc.bitable.delete_record(*table, ids[0])).data["deleted"]
    done = do(lambda c: c.clouddoc.bitable.bulk_delete(*table, ids[1:-1]))
    assert (done.written, done.chunks) == (1201, 3)
    assert [record["record_id"] for record in stored(table)] == ids[-1:]
    with pytest.raises(NotFoundError):
        do(lambda c: c.clouddoc.bitable.bulk_delete(*table, ids[:2]))
    assert len(stored(table)) == 1


def found(client: Any, table: Table, **options: Any) -> Any:
    listing = client.clouddoc.bitable.search_records(*table, **options)
    return list(listing) if isinstance(listing, Iterator) else listing


def test_a_search_walks_all_pages_and_converts_back(lark: Emulator, do: Do, table: Table) -> None:
    do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(1100)))
    everything = do(lambda c: found(c, table))
    assert [record["fields"]["No"] for record in everything] == [f"A-{number}" for number in range(1100)]
    assert everything[0]["fields"] == {"No": "A-0", "Paid": 0, "At": NOON, "Kind": "b2c"}
    assert do(lambda c: found(c, table, page_size=100))[-1] == everything[-1]


def test_a_search_filters_sorts_and_picks(lark: Emulator, do: Do, table: Table) -> None:
    do(lambda c: c.clouddoc.bitable.bulk_insert(*table, rows(20)))
    conditions = [("Paid", "isGreater", 15), ("At", "is", NOON), ("Kind", "isNotEmpty", None)]
    some = do(lambda c: found(c, table, filter=conditions, sort=["-Paid"], field_names=["Paid"]))
    assert [record["fields"] for record in some] == [{"Paid": number} for number in (19, 18, 17, 16)]
    with pytest.raises(LarkAPIError, match="Next: "):
        do(lambda c: found(c, table, filter=[("Nope", "is", 1)]))
    with pytest.raises(InvalidRequestError, match="page_size must be an int from 1 to 500, got 501"):
        do(lambda c: found(c, table, page_size=501))


@pytest.fixture
def days(lark: Emulator) -> Table:
    """A table of three days at midnight, in a base of New York."""
    client = LarkServiceClient()
    app = {"name": "Days", "time_zone": NEW_YORK}
    app_token = client.call("POST", "/bitable/v1/apps", json=app).data["app"]["app_token"]
    fields = [f.Field(field_name="Day", type=f.DATE)]
    made = Table(app_token, client.clouddoc.bitable.create_table(app_token, "Days", fields).data["table_id"])
    rows = [{"Day": dt.date(2026, 3, day)} for day in (7, 8, 9)]
    client.clouddoc.bitable.bulk_insert(*made, rows, zone=NEW_YORK)  # so that the base is not asked for it
    return made


def local_days(records: Iterable[Mapping[str, Any]]) -> list[int]:
    return [record["fields"]["Day"].astimezone(ZoneInfo(NEW_YORK)).day for record in records]


@pytest.mark.parametrize(
    ("operator", "zone", "expected"),
    [
        ("is", None, [8]),
        ("isGreater", None, [9]),
        ("isLess", None, [7]),
        ("is", NEW_YORK, [8]),
        ("is", "UTC", [7]),  # there the 8th begins when it still is the 7th in New York
    ],
)
def test_a_day_in_a_filter_is_one_of_the_base(
    lark: Emulator, do: Do, days: Table, operator: str, zone: str | None, expected: list[int]
) -> None:
    asked = count(lark, GET_APP)
    day = dt.date(2026, 3, 8)
    some = do(lambda c: found(c, days, filter=[("Day", operator, day)], zone=zone))
    assert local_days(some) == expected
    assert count(lark, GET_APP) - asked == (zone is None)


def test_the_zone_of_days_in_filters_is_read_once(lark: Emulator, do: Do, days: Table) -> None:
    asked = count(lark, GET_APP)
    since = [("Day", "isGreater", dt.date(2026, 3, 6))]
    assert local_days(do(lambda c: found(c, days, filter=since, page_size=1))) == [7, 8, 9]
    assert count(lark, GET_APP) - asked == 1
    moment = dt.datetime(2026, 3, 8, 12, tzinfo=dt.UTC)
    own: dict[str, Any] = {"conjunction": "and", "conditions": []}
    for filtered in ([("Day", "is", moment)], own, [], None):
        do(partial(found, table=days, filter=filtered))
    assert count(lark, GET_APP) - asked == 1


def test_a_filter_is_what_it_was_when_the_search_was_made(days: Table) -> None:
    with LarkServiceClient() as client:
        conditions = [("Day", "is", dt.date(2026, 3, 8))]
        listing = client.clouddoc.bitable.search_records(*days, filter=conditions)
        conditions[0] = ("Day", "is", dt.date(2026, 3, 9))
        assert local_days(listing) == [8]


def test_an_app_that_may_not_read_the_base_needs_a_zone_for_days_in_filters(
    lark: Emulator, do: Do, days: Table
) -> None:
    lark.fault("GET", f"/open-apis/bitable/v1/apps/{days.app_token}", status=403, code=91403, times=9)
    conditions = [("Day", "is", dt.date(2026, 3, 8))]
    with pytest.raises(PermissionDeniedError, match="zone="):
        do(lambda c: found(c, days, filter=conditions))
    assert local_days(do(lambda c: found(c, days, filter=conditions, zone=NEW_YORK))) == [8]


def test_links_do_where_tokens_do(lark: Emulator, do: Do, table: Table) -> None:
    link = f"https://x.feishu.cn/base/{table.app_token}?table={table.table_id}&view=vew1"
    assert do(lambda c: c.clouddoc.bitable.bulk_insert(link, None, rows(2))).written == 2
    assert len(do(lambda c: found(c, Table(link, "")))) == 2
    with pytest.raises(InvalidRequestError, match="unless app_token is a link that names a table"):
        do(lambda c: c.clouddoc.bitable.bulk_insert(link.split("?", maxsplit=1)[0], None, rows(2)))
    with pytest.raises(InvalidRequestError, match="got a docx"):
        do(lambda c: c.clouddoc.bitable.bulk_insert("https://x.feishu.cn/docx/abc", None, rows(2)))
    with pytest.raises(InvalidRequestError, match="must lead to a Lark document"):
        do(lambda c: c.clouddoc.bitable.bulk_insert("https://x.example/abc", None, rows(2)))


def test_a_change_to_what_is_there_already_answers_with_the_record(
    lark: Emulator, do: Do, table: Table
) -> None:
    (ident,) = LarkServiceClient().clouddoc.bitable.bulk_insert(*table, rows(1)).record_ids
    lark.settings(unchanged_write="1254606")
    change = {"Paid": 0, "At": NOON, "Kind": "b2c"}
    answer = do(lambda c: c.clouddoc.bitable.update_record(*table, ident, change))
    assert answer.code == 0
    assert answer.data["record"]["record_id"] == ident
    assert answer.data["record"]["fields"] == {"Paid": 0, "At": 1767268800000, "Kind": "b2c"}
    assert do(lambda c: c.clouddoc.bitable.bulk_update(*table, [(ident, change)])).record_ids == [ident]


def test_rows_of_a_csv_file_have_empty_cells_if_that_is_said(lark: Emulator, do: Do, table: Table) -> None:
    row = {"No": "", "Paid": "", "At": "", "Kind": ""}

    def load(source: Any, **options: Any) -> Callable[[Any], Any]:
        return lambda c: c.clouddoc.bitable.bulk_insert(*table, source, chunk_size=2, **options)

    for source in ([row] * 3, iter([row] * 3)):
        with pytest.raises(
            InvalidRequestError, match="row 1, field 'Paid': must be a number, got ''; for an empty"
        ):
            do(load(source))
    assert stored(table) == []
    given: dict[str, Any] = {"empty_as_none": True}
    for source in ([row] * 3, iter([row] * 3)):
        assert do(load(source, **given)).written == 3
    made = do(lambda c: c.clouddoc.bitable.create_record(*table, row | {"Paid": 5}, **given))
    ident = made.data["record"]["record_id"]
    do(lambda c: c.clouddoc.bitable.update_record(*table, ident, {"Paid": ""}, **given))
    do(lambda c: c.clouddoc.bitable.update_record(*table, ident, {"Paid": 6}))
    do(lambda c: c.clouddoc.bitable.bulk_update(*table, [(ident, {"Paid": ""})], **given))
    assert not any({"Paid", "At", "Kind"} & set(record["fields"]) for record in stored(table))


def test_seconds_are_not_taken_for_milliseconds(lark: Emulator, do: Do, table: Table) -> None:
    with pytest.raises(InvalidRequestError, match="must be milliseconds, not seconds"):
        do(lambda c: c.clouddoc.bitable.create_record(*table, {"At": int(NOON.timestamp())}))
    assert stored(table) == []
    do(lambda c: c.clouddoc.bitable.create_record(*table, {"At": int(NOON.timestamp() * 1000)}))
    assert do(lambda c: found(c, table))[0]["fields"]["At"] == NOON


@pytest.mark.parametrize("tokens", [["p", "p"], ["p", "q", "p"], [""], [None]])
def test_a_listing_that_would_not_end_is_an_error(
    lark: Emulator, do: Do, table: Table, tokens: list[str | None]
) -> None:
    for token in tokens:
        page = {"has_more": True, "page_token": token, "items": [{"field_name": "No", "type": 1}]}
        body = orjson.dumps({"code": 0, "msg": "ok", "data": page}).decode()
        lark.fault(method="GET", path="*/fields", status=200, body=body)
    with pytest.raises(LarkAPIError, match=r"page_token.*Next: list again") as refused:
        do(lambda c: _listed(c, table))
    assert refused.value.retryable
    assert count(lark, LIST_FIELDS) == len(tokens)


def test_formulas_and_lookups_read_as_what_they_are(lark: Emulator, do: Do, table: Table) -> None:
    def plan(endpoint: str, *items: dict[str, Any]) -> None:
        body = orjson.dumps({"code": 0, "msg": "ok", "data": {"has_more": False, "items": items}}).decode()
        lark.fault(path=f"*/{endpoint}", status=200, body=body)

    kinds = {"Names": f.LOOKUP, "Sum": f.FORMULA, "Label": f.FORMULA, "Due": f.FORMULA}
    plan("fields", *({"field_name": name, "type": kind} for name, kind in kinds.items()))
    fields = {
        "Names": {"type": 1, "value": [{"type": "text", "text": one} for one in ("Ann", "Bob")]},
        "Sum": {"type": 2, "value": [42]},
        "Label": {"type": 1, "value": [{"type": "text", "text": "A-1"}]},
        "Due": {"type": 5, "value": [1767268800000]},
    }
    plan("records/search", {"record_id": "rec1", "fields": fields})
    (record,) = do(lambda c: found(c, table))
    assert record["fields"] == {"Names": ["Ann", "Bob"], "Sum": 42, "Label": "A-1", "Due": NOON}
