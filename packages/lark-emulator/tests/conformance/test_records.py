"""What the official SDK sees when records are changed, deleted and searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk


class Records:
    """Record calls of the SDK on one table with the fields Text and Delay."""

    def __init__(self, sdk: Sdk, client: Any) -> None:
        self._sdk = sdk
        self._calls = client.bitable.v1.app_table_record
        request = sdk.request(sdk.bitable, "CreateApp", {"name": "x"}, model="ReqApp")
        app = client.bitable.v1.app.create(request).data.app
        self._where = {"app_token": app.app_token, "table_id": app.default_table_id}
        body = {"field_name": "Delay", "type": 2}
        request = sdk.request(sdk.bitable, "CreateAppTableField", body, model="AppTableField", **self._where)
        assert client.bitable.v1.app_table_field.create(request).success()
        rows = [{"fields": {"Text": f"UA{n}", "Delay": n}} for n in range(3)]
        self.ids = [record.record_id for record in self.batch("create", rows).data.records]

    def batch(self, name: str, records: list[Any]) -> Any:
        model = f"Batch{name.capitalize()}AppTableRecord"
        request = self._sdk.request(self._sdk.bitable, model, {"records": records}, **self._where)
        return getattr(self._calls, f"batch_{name}")(request)

    def update(self, record_id: str, **fields: Any) -> Any:
        request = self._sdk.request(
            self._sdk.bitable,
            "UpdateAppTableRecord",
            {"fields": fields},
            model="AppTableRecord",
            record_id=record_id,
            **self._where,
        )
        return self._calls.update(request)

    def delete(self, record_id: str) -> Any:
        request = self._sdk.request(
            self._sdk.bitable, "DeleteAppTableRecord", record_id=record_id, **self._where
        )
        return self._calls.delete(request)

    def search(self, body: Any = None) -> Any:
        request = self._sdk.request(self._sdk.bitable, "SearchAppTableRecord", body or {}, **self._where)
        return self._calls.search(request)

    def get_batch(self, record_ids: list[str]) -> Any:
        body = {"record_ids": record_ids}
        request = self._sdk.request(self._sdk.bitable, "BatchGetAppTableRecord", body, **self._where)
        return self._calls.batch_get(request)

    def read_fields(self) -> list[dict[str, Any]]:
        return [item.fields for item in self.search().data.items]


@pytest.fixture
def records(lark: Emulator, sdk: Sdk) -> Records:
    lark.settings(new_base="bare")
    return Records(sdk, sdk.client(lark))


def test_an_update_clears_what_it_empties_and_leaves_the_rest(records: Records) -> None:
    # With null it would be the same, but the SDK leaves null out of what it sends.
    answer = records.update(records.ids[0], Text="")
    assert answer.success()
    assert answer.data.record.record_id == records.ids[0]
    assert records.read_fields()[0] == {"Delay": 0}


def test_changes_that_are_refused(records: Records) -> None:
    before = records.read_fields()
    assert records.update("recnone", Delay=1).code == 1254043
    assert records.update(records.ids[0], Nope=1).code == 1254045
    refused = records.update(records.ids[0], Delay="1")
    assert (refused.code, refused.raw.status_code) == (1254061, 200)
    good, bad = (
        {"record_id": record_id, "fields": {"Delay": 9}} for record_id in (records.ids[0], "recnone")
    )
    assert records.batch("update", [good, bad]).code == 1254043
    assert records.batch("update", [good] * 1001).code == 1254104
    assert records.batch("update", []).code == 1254007
    assert records.read_fields() == before


def test_deletions_and_those_that_are_refused(records: Records) -> None:
    assert records.batch("delete", [records.ids[0], "recnone"]).code == 1254043
    assert records.batch("delete", [f"rec{n}" for n in range(501)]).code == 1254104
    assert len(records.read_fields()) == 3
    assert records.delete(records.ids[0]).data.deleted is True
    assert records.delete(records.ids[0]).code == 1254043
    gone = records.batch("delete", records.ids[1:]).data.records
    assert [(record.record_id, record.deleted) for record in gone] == [
        (record_id, True) for record_id in records.ids[1:]
    ]
    assert records.read_fields() == []


def test_a_write_that_changes_nothing(records: Records, lark: Emulator) -> None:
    assert records.update(records.ids[1], Delay=1).success()
    lark.settings(unchanged_write="1254606")
    answer = records.update(records.ids[1], Delay=1)
    assert (answer.code, answer.raw.status_code) == (1254606, 200)


def test_the_rows_without_values_of_a_new_base(lark: Emulator, sdk: Sdk) -> None:
    records = Records(sdk, sdk.client(lark))
    everything = records.search().data
    empty = [row.record_id for row in everything.items if row.fields == {}]
    assert (everything.total, len(empty)) == (13, 10)
    condition = {"field_name": "Text", "operator": "isEmpty", "value": []}
    results = records.search({"filter": {"conjunction": "and", "conditions": [condition]}}).data
    assert (results.total, [row.record_id for row in results.items]) == (10, empty)
    got = records.get_batch(empty[:1]).data.records
    assert [(row.record_id, row.fields) for row in got] == [(empty[0], {})]
    assert records.update(empty[0], Text="filled").data.record.fields == {"Text": "filled"}
    assert records.delete(empty[0]).data.deleted is True
    assert len(records.batch("delete", empty[1:]).data.records) == 9
    assert [row.record_id for row in records.search().data.items] == records.ids


def test_searches(records: Records) -> None:
    def search_delays(operator: str, *value: str) -> list[int]:
        condition = {"field_name": "Delay", "operator": operator, "value": list(value)}
        body = {"filter": {"conjunction": "and", "conditions": [condition]}}
        sort = [{"field_name": "Delay", "desc": True}]
        return [item.fields["Delay"] for item in records.search({**body, "sort": sort}).data.items]

    assert search_delays("isGreaterEqual", "1") == [2, 1]
    assert search_delays("isNot", "1") == [2, 0]
    assert search_delays("isNotEmpty") == [2, 1, 0]
    body = {"conjunction": "and", "conditions": [{"field_name": "Delay", "operator": "like", "value": ["1"]}]}
    assert records.search({"filter": body}).code == 1254018
    assert records.search({"sort": [{"field_name": "Nope"}]}).code == 1254016
