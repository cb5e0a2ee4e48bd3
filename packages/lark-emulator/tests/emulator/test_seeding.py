"""Rows that people add through the control plane: a few, or a hundred thousand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Sheet

MANY = 20_000


def where(sheet: Sheet) -> tuple[str, str]:
    return sheet.app["app_token"], sheet.app["default_table_id"]


def test_rows_of_people_name_them_as_their_makers(sheet: Sheet, lark: Emulator) -> None:
    sheet.add_field("Who", 11)
    sheet.add_field("By", 1003)
    (record_id,) = lark.add_rows(*where(sheet), [{"Text": "a", "Who": [{"id": "carol"}]}], user_id="bob")
    (item,) = sheet.search({"automatic_fields": True}, user_id_type="user_id")["data"]["items"]
    assert item["record_id"] == record_id
    assert (item["fields"]["Who"][0]["id"], item["fields"]["By"][0]["id"]) == ("carol", "bob")
    assert (item["created_by"]["id"], item["last_modified_by"]["id"]) == ("bob", "bob")
    condition = {"field_name": "By", "operator": "is", "value": ["bob"]}
    results = sheet.search({"filter": {"conditions": [condition]}}, user_id_type="user_id")["data"]
    assert results["total"] == 1


def test_many_rows_are_made_from_a_template_and_scanned_by_pages(sheet: Sheet, lark: Emulator) -> None:
    for name, kind in (("N", 2), ("Pick", 3), ("Day", 5)):
        assert sheet.add_field(name, kind)["code"] == 0
    fields = {"Text": "key {n}", "N": "{n}.5", "Pick": {"cycle": ["x", "y"]}, "Day": "170000000000{n}"}
    lark.make_rows(*where(sheet), MANY, fields)
    lark.settings(rate_limits=False)
    pages, seen, token = 0, set(), ""
    while pages == 0 or token:
        answer = sheet.search({}, page_size=500, **({"page_token": token} if token else {}))["data"]
        seen |= {item["fields"]["Text"][0]["text"] for item in answer["items"]}
        pages, token = pages + 1, answer.get("page_token")
    assert (pages, len(seen)) == (MANY / 500, MANY)
    first = sheet.search({}, page_size=1)["data"]["items"][0]["fields"]
    assert {**first, "Text": 0} == {"Text": 0, "N": 0.5, "Pick": "x", "Day": 1700000000000}
    keys = [{"field_name": "Text", "operator": "is", "value": [f"key {n}"]} for n in (19_999, 5, 20_000)]
    matches = sheet.search({"filter": {"conjunction": "or", "conditions": keys}})["data"]["items"]
    assert [item["fields"]["N"] for item in matches] == [5.5, 19_999.5]
    both = [keys[1], {"field_name": "Pick", "operator": "is", "value": ["x"]}]
    assert sheet.search({"filter": {"conditions": both}})["data"]["total"] == 0


def test_look_ups_follow_every_edit(sheet: Sheet, lark: Emulator) -> None:
    def total(text: str) -> int:
        condition = {"field_name": "Text", "operator": "is", "value": [text]}
        count: int = sheet.search({"filter": {"conditions": [condition]}})["data"]["total"]
        return count

    (record_id,) = lark.add_rows(*where(sheet), [{"Text": "a"}])
    assert (total("a"), total("b")) == (1, 0)
    lark.edit_rows(*where(sheet), [{"do": "edit", "records": [record_id], "fields": {"Text": "b"}}])
    assert (total("a"), total("b")) == (0, 1)
    sheet.api("PUT", f"{sheet.path}/records/{record_id}", {"fields": {"Text": None}})
    assert (total("a"), total("b")) == (0, 0)
    sheet.add({"Text": "a"})
    field_id = sheet.api.data("GET", f"{sheet.path}/fields")["items"][0]["field_id"]
    assert total("a") == 1
    sheet.api("PUT", f"{sheet.path}/fields/{field_id}", {"field_name": "Text", "type": 13})
    assert total("a") == 0


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({}, "rows"),
        ({"rows": [], "fields": {}}, "rows"),
        ({"rows": "a"}, "rows"),
        ({"rows": [{"Text": "a"}, {"Text": 1}]}, "1254060"),
        ({"rows": [{"Nope": 1}]}, "Nope"),
        ({"fields": {"Nope": "{n}"}}, "Nope"),
        ({"fields": {"Text": "a"}, "count": 0}, "count"),
        ({"fields": {"Text": {"cycle": []}}}, "cycle"),
        ({"rows": [{"Text": "a"}], "user_id": "dave"}, "dave"),
        ({"rows": [{"Text": "a"}], "table_id": "tblx"}, "tblx"),
    ],
)
def test_bad_rows_are_named_and_none_is_added(sheet: Sheet, spec: dict[str, Any], named: str) -> None:
    app_token, table_id = where(sheet)
    body = {"app_token": app_token, "table_id": table_id, **spec}
    answer = sheet.api.http.post("/_emulator/records/add", json=body)
    assert answer.status_code == 400
    assert named in answer.json()["error"]
    assert sheet.search()["data"]["total"] == 0


def test_rows_can_be_added_while_the_emulator_is_stopped(sheet: Sheet, lark: Emulator) -> None:
    lark.stop()
    lark.make_rows(*where(sheet), 2500, {"Text": "k{n}"})
    assert len(lark.add_rows(*where(sheet), [{"Text": "a"}])) == 1
    assert lark.state(summary=True)["bitables"][0]["tables"][0]["record_count"] == 2501
