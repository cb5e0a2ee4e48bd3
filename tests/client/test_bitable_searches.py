"""Searches of Bitable records and listings of fields over HTTP."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields as f
from lark_provider.errors import InvalidRequestError, LarkAPIError, PermissionDeniedError
from tests.client.bitable_table import LIST_FIELDS, NOON, Table, list_fields, make_rows, search, table
from tests.client.conftest import Do, count

__all__ = ["table"]  # a fixture

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
GET_APP = "GET /open-apis/bitable/v1/apps/:app_token"


NEW_YORK = "America/New_York"


def test_a_search_walks_all_pages_and_converts_back(lark: Emulator, do: Do, table: Table) -> None:
    do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(1100)))
    everything = do(lambda c: search(c, table))
    assert [record["fields"]["No"] for record in everything] == [f"A-{number}" for number in range(1100)]
    assert everything[0]["fields"] == {"No": "A-0", "Paid": 0, "At": NOON, "Kind": "b2c"}
    assert do(lambda c: search(c, table, page_size=100))[-1] == everything[-1]


def test_a_search_filters_sorts_and_picks(lark: Emulator, do: Do, table: Table) -> None:
    do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(20)))
    conditions = [("Paid", "isGreater", 15), ("At", "is", NOON), ("Kind", "isNotEmpty", None)]
    some = do(lambda c: search(c, table, filter=conditions, sort=["-Paid"], field_names=["Paid"]))
    assert [record["fields"] for record in some] == [{"Paid": number} for number in (19, 18, 17, 16)]
    with pytest.raises(LarkAPIError, match="Next: "):
        do(lambda c: search(c, table, filter=[("Nope", "is", 1)]))
    with pytest.raises(InvalidRequestError, match="page_size must be an int from 1 to 500, got 501"):
        do(lambda c: search(c, table, page_size=501))


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (("Kind", "contains", {"b2c"}), 3),
        (("Paid", "isGreater", np.int64(1)), 1),
        (("Paid", "isLess", Decimal("1E-7")), 1),
        (("At", "is", np.datetime64("2026-01-01T12:00")), 3),
        (("Kind", "is", {"id": "b2c"}), "must compare 'Kind' with text, .*, got {'id': 'b2c'}"),
        (("Kind", "is", [b"b2c"]), "must compare 'Kind' with text, .*, got b'b2c'"),
        (("Paid", "is", float("nan")), "is on 'Paid' must have a value"),
        (("At", "isGreater", pd.NaT), "isGreater on 'At' must have a value"),
    ],
    ids=str,
)
def test_a_filter_takes_what_a_cell_takes_and_refuses_what_would_match_nothing(
    lark: Emulator, do: Do, table: Table, condition: tuple[str, str, Any], found: int | str
) -> None:
    do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(3)))
    if isinstance(found, int):
        assert len(do(lambda c: search(c, table, filter=[condition]))) == found
    else:
        with pytest.raises(InvalidRequestError, match=found):
            do(lambda c: search(c, table, filter=[condition]))


@pytest.fixture
def days(lark: Emulator) -> Table:
    """Create a table with three days at midnight, in a base in New York's time zone."""
    client = LarkServiceClient()
    app = {"name": "Days", "time_zone": NEW_YORK}
    app_token = client.call("POST", "/bitable/v1/apps", json=app).data["app"]["app_token"]
    fields = [f.Field(field_name="Day", type=f.DATE)]
    created = Table(
        app_token, client.clouddoc.bitable.create_table(app_token, "Days", fields).data["table_id"]
    )
    rows = [{"Day": dt.date(2026, 3, day)} for day in (7, 8, 9)]
    client.clouddoc.bitable.bulk_insert(*created, rows, zone=NEW_YORK)  # so that the base is not asked for it
    return created


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
    calls_before = count(lark, GET_APP)
    day = dt.date(2026, 3, 8)
    some = do(lambda c: search(c, days, filter=[("Day", operator, day)], zone=zone))
    assert local_days(some) == expected
    assert count(lark, GET_APP) - calls_before == (zone is None)


def test_the_zone_of_days_in_filters_is_read_once(lark: Emulator, do: Do, days: Table) -> None:
    calls_before = count(lark, GET_APP)
    since = [("Day", "isGreater", dt.date(2026, 3, 6))]
    assert local_days(do(lambda c: search(c, days, filter=since, page_size=1))) == [7, 8, 9]
    assert count(lark, GET_APP) - calls_before == 1
    moment = dt.datetime(2026, 3, 8, 12, tzinfo=dt.UTC)
    own: dict[str, Any] = {"conjunction": "and", "conditions": []}
    for filtered in ([("Day", "is", moment)], own, [], None):
        do(partial(search, table=days, filter=filtered))
    assert count(lark, GET_APP) - calls_before == 1


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
        do(lambda c: search(c, days, filter=conditions))
    assert local_days(do(lambda c: search(c, days, filter=conditions, zone=NEW_YORK))) == [8]


@pytest.mark.parametrize("tokens", [["p", "p"], ["p", "q", "p"], [""], [None]])
def test_a_listing_that_would_not_end_is_an_error(
    lark: Emulator, do: Do, table: Table, tokens: list[str | None]
) -> None:
    for token in tokens:
        page = {"has_more": True, "page_token": token, "items": [{"field_name": "No", "type": 1}]}
        body = orjson.dumps({"code": 0, "msg": "ok", "data": page}).decode()
        lark.fault(method="GET", path="*/fields", status=200, body=body)
    with pytest.raises(LarkAPIError, match=r"page_token.*Next: list again") as refused:
        do(lambda c: list_fields(c, table))
    assert refused.value.retryable
    assert count(lark, LIST_FIELDS) == len(tokens)


def test_formulas_and_lookups_read_as_what_they_are(lark: Emulator, do: Do, table: Table) -> None:
    def plan(endpoint: str, *items: dict[str, Any]) -> None:
        body = orjson.dumps({"code": 0, "msg": "ok", "data": {"has_more": False, "items": items}}).decode()
        lark.fault(path=f"*/{endpoint}", status=200, body=body)

    kinds = {"Names": f.LOOKUP, "Sum": f.FORMULA, "Label": f.FORMULA, "Due": f.FORMULA}
    plan("fields", *({"field_name": name, "type": kind} for name, kind in kinds.items()))
    fields = {
        "Names": {"type": 1, "value": [{"type": "text", "text": name} for name in ("Ann", "Bob")]},
        "Sum": {"type": 2, "value": [42]},
        "Label": {"type": 1, "value": [{"type": "text", "text": "A-1"}]},
        "Due": {"type": 5, "value": [1767268800000]},
    }
    plan("records/search", {"record_id": "rec1", "fields": fields})
    (record,) = do(lambda c: search(c, table))
    assert record["fields"] == {"Names": ["Ann", "Bob"], "Sum": 42, "Label": "A-1", "Due": NOON}
