"""Loads without a database: as before there was a ledger, and one line says what is not guaranteed."""

from __future__ import annotations

import datetime as dt
import logging

import pytest

from lark_provider.errors import LarkAPIError
from tests.loads.conftest import CREATE, LoadTable, make_rows


def test_one_line_says_what_is_not_guaranteed(place: LoadTable, caplog: pytest.LogCaptureFixture) -> None:
    place.lark.fault(path=CREATE, drop="after")
    assert place.load(make_rows(15)).written == 15
    assert place.load(make_rows(15)).replayed == 0  # Lark still knows the key
    assert place.read_stored() == make_rows(15)
    warned = [record.message for record in caplog.records if "ledger" in record.message]
    assert len(warned) == 2
    assert "writes its rows twice" in warned[0]


def test_a_load_without_a_key_says_nothing(place: LoadTable, caplog: pytest.LogCaptureFixture) -> None:
    place.bitable.bulk_insert(place.app_token, place.table_id, make_rows(15))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(("count", "says"), [(15, True), (1, False)])
def test_a_refused_value_says_how_its_row_is_found(place: LoadTable, count: int, says: bool) -> None:
    place.lark.fault(path=CREATE, code=1254015)
    with pytest.raises(LarkAPIError, match="1254015") as caught:
        place.load(make_rows(count))
    assert ("on_bad_row='skip' finds them" in str(caught.value)) is says


@pytest.mark.parametrize("validate", ["chunk", "all"])
def test_days_are_those_of_the_base_which_is_asked_once(place: LoadTable, validate: str) -> None:
    bitable = place.bitable
    bitable.create_field(place.app_token, place.table_id, "Day", 5)
    days = [{"No": number, "Day": f"2026-03-0{number + 1}"} for number in range(5)]
    place.load(days, chunk_size=2, validate=validate)
    requests = place.lark.state(summary=True)["by_endpoint"]["GET /open-apis/bitable/v1/apps/:app_token"]
    shanghai = dt.timezone(dt.timedelta(hours=8))
    assert requests == 1
    assert [row["Day"] for row in place.read_stored()] == [
        dt.datetime(2026, 3, number + 1, tzinfo=shanghai) for number in range(5)
    ]


def test_single_records_and_updates_have_the_same_days(place: LoadTable) -> None:
    bitable, day = place.bitable, dt.date(2026, 3, 1)
    bitable.create_field(place.app_token, place.table_id, "Day", 5)
    response = bitable.create_record(place.app_token, place.table_id, {"No": 1, "Day": day})
    record = response.data["record"]["record_id"]
    shanghai, tokyo = (dt.timezone(dt.timedelta(hours=hours)) for hours in (8, 9))
    assert place.read_stored()[0]["Day"] == dt.datetime(2026, 3, 1, tzinfo=shanghai)
    bitable.update_record(place.app_token, place.table_id, record, {"Day": dt.date(2026, 3, 2)})
    assert place.read_stored()[0]["Day"] == dt.datetime(2026, 3, 2, tzinfo=shanghai)
    bitable.bulk_update(place.app_token, place.table_id, [(record, {"Day": day})])
    assert place.read_stored()[0]["Day"] == dt.datetime(2026, 3, 1, tzinfo=shanghai)
    bitable.update_record(place.app_token, place.table_id, record, {"Day": day}, zone="Asia/Tokyo")
    assert place.read_stored()[0]["Day"] == dt.datetime(2026, 3, 1, tzinfo=tokyo)
