"""A Bitable table that the tests of tables, loads and searches share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields as f

LIST_FIELDS = "GET /open-apis/bitable/v1/apps/:app_token/tables/:table_id/fields"
BATCH = "*/records/batch_create"
COLUMNS = [
    f.Field(field_name=name, type=kind)
    for name, kind in (("No", f.TEXT), ("Paid", f.NUMBER), ("At", f.DATE), ("Kind", f.SINGLE_SELECT))
]
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


class Table(NamedTuple):
    app_token: str
    table_id: str

    @property
    def link(self) -> str:
        return f"https://x.feishu.cn/base/{self.app_token}?table={self.table_id}"


def make_table(lark: Emulator, columns: Sequence[f.Field]) -> Table:
    lark.settings(rate_limits=False)
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Orders").data["app"]["app_token"]
    return Table(app_token, bitable.create_table(app_token, "2026", columns).data["table_id"])


@pytest.fixture
def table(lark: Emulator) -> Table:
    return make_table(lark, COLUMNS)


def make_rows(number: int) -> list[dict[str, Any]]:
    return [{"No": f"A-{n}", "Paid": Decimal(n), "At": NOON, "Kind": "b2c"} for n in range(number)]


def read_stored(table: Table) -> list[dict[str, Any]]:
    client, records, token = LarkServiceClient(), [], None
    url = f"/bitable/v1/apps/{table.app_token}/tables/{table.table_id}/records/search"
    while True:
        params = {"page_size": "500"} | ({"page_token": token} if token else {})
        data = client.call("POST", url, params=params, json={}, idempotent=True).data
        records += data["items"]
        if not data["has_more"]:
            return records
        token = data["page_token"]


def list_fields(client: Any, table: Table) -> Any:
    fields = client.clouddoc.bitable.list_fields(*table)
    return list(fields) if isinstance(fields, Iterator) else fields


def search(client: Any, table: Table, **options: Any) -> Any:
    listing = client.clouddoc.bitable.search_records(*table, **options)
    return list(listing) if isinstance(listing, Iterator) else listing
