"""Payloads of changed records stay small, and hold every record."""

from __future__ import annotations

import json

import orjson
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.triggers.record_payloads import divide


def test_a_payload_holds_a_record_as_it_is() -> None:
    values = {"Sum": 2e19, "Text": "Infinity"}
    record = {"record_id": "rec1", "change": "edited", "modified_at": None, "fields": None, "after": values}
    [payload] = divide({"table_id": "t"}, [record], 1024)
    assert orjson.loads(orjson.dumps(payload)) == {"table_id": "t", "records": [record]}


@given(st.lists(st.integers(0, 3000), max_size=250), st.integers(1024, 5000))
def test_payloads_stay_within_their_bound_and_hold_every_record(sizes: list[int], most: int) -> None:
    records = [
        {"record_id": f"rec{n}", "change": "edited", "modified_at": None, "fields": {"Text": "x" * size}}
        for n, size in enumerate(sizes)
    ]
    payloads = list(divide({"app_token": "b", "table_id": "t"}, records, most))
    assert [record["record_id"] for part in payloads for record in part["records"]] == [
        record["record_id"] for record in records
    ]
    for part in payloads:
        assert len(json.dumps(part, separators=(",", ":"))) <= most
        assert 1 <= len(part["records"]) <= 100
    whole = [record for part in payloads for record in part["records"] if not record.get("truncated")]
    assert all(record in records for record in whole)
