"""A Bitable table that the tests of syncs share."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields as f
from tests.client.bitable_table import Table, make_table
from tests.client.conftest import count

RECORDS = "POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records"
KINDS = (
    ("No", f.TEXT), ("Paid", f.NUMBER), ("At", f.DATE), ("Kind", f.SINGLE_SELECT), ("Tags", f.MULTI_SELECT),
    ("Done", f.CHECKBOX), ("Url", f.URL), ("Who", f.PERSON), ("Note", f.TEXT), ("Gone", f.CHECKBOX),
)  # fmt: skip
COLUMNS = [f.Field(field_name=name, type=kind) for name, kind in KINDS]


@pytest.fixture
def table(lark: Emulator) -> Table:
    return make_table(lark, COLUMNS)


def make_rows(number: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "No": f"A-{n}", "Paid": n * 1.5, "At": dt.date(2026, 1, 1 + n % 28), "Kind": "ab"[n % 2],
            "Tags": ["x", "y"], "Done": n % 2 == 0, "Url": f"https://example.com/{n}",
        }
        for n in range(first, first + number)
    ]  # fmt: skip


def records(table: Table) -> list[dict[str, Any]]:
    return [dict(record) for record in LarkServiceClient().clouddoc.bitable.search_records(*table)]


def by_key(table: Table) -> dict[str, dict[str, Any]]:
    fields_by_key = {record["fields"]["No"]: record["fields"] for record in records(table)}
    assert len(fields_by_key) == len(records(table)), "no key is doubled"
    return fields_by_key


def writes(lark: Emulator) -> int:
    return sum(count(lark, f"{RECORDS}/{name}") for name in ("batch_create", "batch_update", "batch_delete"))
