"""What loads and syncs meet, as the official SDK sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk

TOKEN = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


class Loads:
    """Record calls of the SDK on one table with the field Text."""

    def __init__(self, lark: Emulator, sdk: Sdk) -> None:
        self._sdk = sdk
        self._client = sdk.client(lark)
        lark.settings(new_base="bare")
        self._calls = self._client.bitable.v1.app_table_record
        request = sdk.request(sdk.bitable, "CreateApp", {"name": "x"}, model="ReqApp")
        app = self._client.bitable.v1.app.create(request).data.app
        self.where = {"app_token": app.app_token, "table_id": app.default_table_id}

    def next_day(self, lark: Emulator) -> None:
        """Let a day pass, which ends the life of the SDK's token."""
        lark.advance(24 * 3600)
        self._sdk.forget_tokens()

    def add_field(self, **spec: Any) -> None:
        request = self._sdk.request(
            self._sdk.bitable, "CreateAppTableField", spec, model="AppTableField", **self.where
        )
        assert self._client.bitable.v1.app_table_field.create(request).success()

    def load(self, *texts: str, token: str = TOKEN) -> Any:
        body = {"records": [{"fields": {"Text": text}} for text in texts]}
        name = "BatchCreateAppTableRecord"
        request = self._sdk.request(self._sdk.bitable, name, body, client_token=token, **self.where)
        return self._calls.batch_create(request)

    def search(self, body: Any = None, **query: Any) -> Any:
        name = "SearchAppTableRecord"
        return self._calls.search(
            self._sdk.request(self._sdk.bitable, name, body or {}, **query, **self.where)
        )

    def list_records(self, **query: Any) -> Any:
        request = self._sdk.request(self._sdk.bitable, "ListAppTableRecord", **query, **self.where)
        return self._calls.list(request)

    def get(self, record_ids: list[str]) -> Any:
        body = {"record_ids": record_ids, "automatic_fields": True}
        request = self._sdk.request(self._sdk.bitable, "BatchGetAppTableRecord", body, **self.where)
        return self._calls.batch_get(request)

    def app(self) -> Any:
        request = self._sdk.request(self._sdk.bitable, "GetApp", app_token=self.where["app_token"])
        return self._client.bitable.v1.app.get(request).data.app


@pytest.fixture
def loads(lark: Emulator, sdk: Sdk) -> Loads:
    return Loads(lark, sdk)


def test_the_three_answers_to_a_repeated_token(loads: Loads, lark: Emulator) -> None:
    first = [record.record_id for record in loads.load("a", "b").data.records]
    assert [record.record_id for record in loads.load("a", "b").data.records] == first
    for policy, status in (("1254608", 403), ("1255006", 400)):
        lark.settings(client_token_replay=policy)
        answer = loads.load("a", "b")
        assert (answer.code, answer.raw.status_code) == (int(policy), status)
    lark.settings(client_token_window=60)
    lark.advance(61)
    assert loads.load("a", "b").success()
    assert loads.search().data.total == 4


def test_who_made_a_record_and_when(loads: Loads, lark: Emulator) -> None:
    loads.load("a")
    loads.next_day(lark)
    lark.add_rows(**loads.where, rows=[{"Text": "b"}], user_id="alice")
    searched = loads.search({"automatic_fields": True}).data.items
    listed = loads.list_records(automatic_fields=True).data.items
    got = loads.get([item.record_id for item in searched]).data.records
    for ours, hers in (searched, listed, got):
        assert (ours.created_by.id, hers.created_by.id) == (
            "ou_emulator0001_bot",
            "ou_emulator0001_alice",
        )
        assert hers.created_time - ours.created_time >= 24 * 3600 * 1000
        assert (ours.last_modified_by.id, ours.last_modified_time) == (
            ours.created_by.id,
            ours.created_time,
        )
    assert loads.search().data.items[0].created_time is None


def test_the_time_of_creation_is_filtered_by_days(loads: Loads, lark: Emulator) -> None:
    loads.add_field(field_name="Made", type=1001)
    loads.load("a")
    created_at = loads.search().data.items[0].fields["Made"]
    loads.next_day(lark)
    loads.load("b", token=TOKEN.replace("3301", "3302"))

    def search_made(operator: str, *value: str) -> list[str]:
        condition = {"field_name": "Made", "operator": operator, "value": list(value)}
        items = loads.search({"filter": {"conjunction": "and", "conditions": [condition]}}).data.items
        return [item.fields["Text"][0]["text"] for item in items]

    assert search_made("is", "Today") == ["b"]
    assert search_made("is", "Yesterday") == ["a"]
    assert search_made("isGreater", "Yesterday") == ["b"]
    assert search_made("isLess", "Today") == ["a"]
    assert search_made("is", "ExactDate", str(created_at)) == ["a"]
    assert search_made("isGreater", "ExactDate", str(created_at - 1)) == search_made(
        "isGreater", "ExactDate", str(created_at)
    )
    condition = {"field_name": "Made", "operator": "isGreaterEqual", "value": ["Today"]}
    assert loads.search({"filter": {"conjunction": "and", "conditions": [condition]}}).code == 1254018


@pytest.mark.parametrize(("code", "status"), [(1254290, 200), (1254291, 200), (1254607, 400), (1255040, 504)])
def test_codes_that_may_be_tried_again(loads: Loads, lark: Emulator, code: int, status: int) -> None:
    lark.fault(path="*/records/batch_create", code=code)
    answer = loads.load("a")
    assert (answer.code, answer.raw.status_code, answer.success()) == (code, status, False)
    assert loads.load("a").success()


def test_a_base_whose_records_are_hidden(loads: Loads, lark: Emulator) -> None:
    (record,) = loads.load("a").data.records
    lark.limit_base(loads.where["app_token"], sees="none")
    assert loads.app().is_advanced is True
    answer = loads.search()
    assert (answer.success(), answer.data.total, answer.data.items) == (True, 0, [])
    assert loads.get([record.record_id]).data.forbidden_record_ids == [record.record_id]
    lark.limit_base(loads.where["app_token"])
    assert loads.search().data.total == 1


def test_pages_as_planned(loads: Loads, lark: Emulator) -> None:
    loads.load(*(str(n) for n in range(50)))
    lark.plan_page(1, total="absent")
    lark.plan_page(2, ends=True)
    first = loads.search(page_size=20).data
    assert (len(first.items), first.total, first.has_more) == (20, None, True)
    second = loads.search(page_size=20, page_token=first.page_token).data
    assert (len(second.items), second.total, second.has_more) == (20, 50, False)
    assert second.page_token is None


def test_formulas_lookups_and_two_way_links_are_read(loads: Loads, lark: Emulator) -> None:
    for name, kind in (("Names", 19), ("Sum", 20)):
        loads.add_field(field_name=name, type=kind)
    loads.add_field(field_name="Next", type=21, property={"table_id": loads.where["table_id"]})
    (first,) = lark.add_rows(**loads.where, rows=[{"Text": "a", "Names": ["Ann", "Bob"], "Sum": 42}])
    (second,) = lark.add_rows(**loads.where, rows=[{"Text": "b", "Next": [first]}])
    a, b = (item.fields for item in loads.search().data.items)
    assert a["Sum"] == {"type": 2, "value": [42]}
    assert [segment["text"] for segment in a["Names"]["value"]] == ["Ann", "Bob"]
    assert b["Next"] == {"link_record_ids": [first]}
    assert a["Table 1-Next"] == {"link_record_ids": [second]}


def test_limits_of_a_table_a_filter_and_an_answer(loads: Loads, lark: Emulator) -> None:
    lark.settings(records_per_table=2, max_answer_bytes=10)
    assert loads.load("a", "b", "c").code == 1254103
    assert loads.load("a", "b").success()
    assert loads.search().code == 1254030
    condition = {"field_name": "Text", "operator": "is", "value": ["x" * 2000]}
    body = {"filter": {"conjunction": "and", "conditions": [condition]}}
    assert loads.search(body).code == 1254107
    assert loads.list_records(filter="x" * 2001).code == 1254107
