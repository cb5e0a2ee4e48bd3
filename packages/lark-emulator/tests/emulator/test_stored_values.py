"""Values that Lark stores otherwise than written, and what it does not take at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Sheet


def read_fields(sheet: Sheet) -> list[dict[str, Any]]:
    return [item["fields"] for item in sheet.search()["data"]["items"]]


def list_options(sheet: Sheet, place: int) -> list[str]:
    column = sheet.api.data("GET", f"{sheet.path}/fields")["items"][place]
    return [option["name"] for option in column["property"]["options"]]


def test_numbers_are_kept_or_rounded(sheet: Sheet, lark: Emulator) -> None:
    sheet.add_field("N", 2, property={"formatter": "0.00"})
    sheet.add({"N": 1.23456})
    lark.settings(number_precision="formatter")
    assert sheet.add({"N": 1.23456})["data"]["record"]["fields"] == {"N": 1.23}
    assert read_fields(sheet) == [{"N": 1.23456}, {"N": 1.23}]


def test_texts_and_options_are_kept_or_trimmed(sheet: Sheet, lark: Emulator) -> None:
    sheet.add_field("Pick", 3)
    sheet.add_field("Tags", 4)
    row = {"Text": " a ", "Pick": " x", "Tags": ["y ", "y"]}
    sheet.add(row)
    lark.settings(text_ends="trimmed")
    sheet.add(row)
    sheet.add({"Text": "  ", "Pick": "x"})
    kept, trimmed, blank = read_fields(sheet)
    assert (kept["Text"][0]["text"], kept["Pick"], kept["Tags"]) == (" a ", " x", ["y ", "y"])
    assert (trimmed["Text"][0]["text"], trimmed["Pick"], trimmed["Tags"]) == ("a", "x", ["y"])
    assert blank == {"Pick": "x"}


def test_unknown_options_are_created_or_refused(sheet: Sheet, lark: Emulator) -> None:
    sheet.add_field("Pick", 3, property={"options": [{"name": "a"}]})
    sheet.add_field("Tags", 4)
    assert sheet.add({"Pick": "b", "Tags": ["c"]})["code"] == 0
    lark.settings(unknown_options="refused")
    assert sheet.add({"Pick": "b", "Tags": ["c"]})["code"] == 0
    assert sheet.add({"Pick": "d"})["code"] == 1254062
    assert sheet.add({"Tags": ["c", "d"]})["code"] == 1254063
    assert (list_options(sheet, 1), list_options(sheet, 2)) == (["a", "b"], ["c"])
    assert len(read_fields(sheet)) == 2


def condition(value: str, name: str = "Text") -> dict[str, Any]:
    return {"field_name": name, "operator": "is", "value": [value]}


def test_a_filter_has_at_most_50_conditions_and_2000_characters(sheet: Sheet, lark: Emulator) -> None:
    def code(*conditions: dict[str, Any]) -> int:
        answer = sheet.search({"filter": {"conjunction": "or", "conditions": list(conditions)}})
        assert answer["http"] == 200
        error_code: int = answer["code"]
        return error_code

    lark.settings(max_filter_chars=0)
    assert code(*[condition("a")] * 50) == 0
    assert code(*[condition("a")] * 51) == 1254018
    lark.settings(max_filter_chars=2000)
    head = len('{"conjunction":"or","conditions":[{"field_name":"Text","operator":"is","value":[""]}]}')
    assert code(condition("é" * (2000 - head))) == 0  # characters, not bytes
    assert code(condition("é" * (2001 - head))) == 1254107
    many = {**condition("a"), "value": ["a"] * 11}
    assert code(many) == 1254018


def test_the_legacy_list_bounds_filter_and_sort(sheet: Sheet) -> None:
    path = f"{sheet.path}/records"
    assert sheet.api("GET", path, filter="x" * 2001)["code"] == 1254107
    assert sheet.api("GET", path, sort="x" * 1001)["code"] == 1254108
    assert sheet.api("GET", path, page_size=501)["code"] == 99992402


def test_a_table_can_be_full(sheet: Sheet, lark: Emulator) -> None:
    lark.settings(records_per_table=3)
    row = {"fields": {"Text": "a"}}
    assert sheet.add_many([row] * 2)["code"] == 0
    assert sheet.add_many([row] * 2)["code"] == 1254103
    assert len(read_fields(sheet)) == 2
    assert sheet.add({"Text": "a"})["code"] == 0


def test_an_answer_can_be_too_large(sheet: Sheet, lark: Emulator) -> None:
    sheet.add_many([{"fields": {"Text": "x" * 1000}}] * 20)
    lark.settings(max_answer_bytes=15_000)
    answer = sheet.search({}, page_size=20)
    assert (answer["code"], answer["http"], answer["msg"]) == (1254030, 200, "TooLargeResponse")
    assert len(sheet.search({}, page_size=10)["data"]["items"]) == 10


@pytest.mark.parametrize("kind", [19, 20])
def test_formulas_and_lookups_are_read_and_not_written(sheet: Sheet, lark: Emulator, kind: int) -> None:
    where = {"app_token": sheet.app["app_token"], "table_id": sheet.app["default_table_id"]}
    for name in ("Sum", "Label", "Names", "Due"):
        assert sheet.add_field(name, kind)["code"] == 0
    due = {"type": 5, "value": [1767268800000]}
    rows = [{"Text": "a", "Sum": 42, "Label": "A-1", "Names": ["Ann", "Bob"], "Due": due}]
    (record_id,) = lark.add_rows(**where, rows=rows)
    (shown,) = read_fields(sheet)
    assert shown["Sum"] == {"type": 2, "value": [42]}
    assert shown["Label"] == {"type": 1, "value": [{"text": "A-1", "type": "text"}]}
    assert [segment["text"] for segment in shown["Names"]["value"]] == ["Ann", "Bob"]
    assert shown["Due"] == due
    assert sheet.add({"Sum": 1})["code"] == 1254015
    assert sheet.search({"filter": {"conditions": [condition("A-1", "Label")]}})["code"] == 1254018
    lark.edit_rows(**where, edits=[{"do": "edit", "records": [record_id], "fields": {"Sum": True}}])
    assert read_fields(sheet)[0]["Sum"] == {"type": 7, "value": [True]}
    with pytest.raises(ValueError, match="computed value"):
        lark.add_rows(**where, rows=[{"Sum": {"x": 1}}])


class Pair:
    """Two tables, People and Teams, with a two-way link."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.teams = sheet.api.data("POST", f"{sheet.base}/tables", {"table": {"name": "Teams"}})["table_id"]
        answer = sheet.add_field(
            "Team", 21, property={"table_id": self.teams, "back_field_name": "Members", "multiple": True}
        )
        self.field = answer["data"]["field"]

    @property
    def other(self) -> str:
        return f"{self.sheet.base}/tables/{self.teams}"

    def team(self, name: str, **more: Any) -> str:
        body = {"fields": {"Text": name, **more}}
        record = self.sheet.api.data("POST", f"{self.other}/records", body)["record"]
        return str(record["record_id"])

    def read_members(self) -> dict[str, list[str]]:
        items = self.sheet.api.data("POST", f"{self.other}/records/search", {})["items"]
        return {
            item["fields"]["Text"][0]["text"]: item["fields"].get("Members", {}).get("link_record_ids", [])
            for item in items
        }


@pytest.fixture
def pair(sheet: Sheet) -> Pair:
    return Pair(sheet)


def test_two_way_links_are_seen_from_both_tables(pair: Pair) -> None:
    sheet = pair.sheet
    red, blue = pair.team("red"), pair.team("blue")
    ann = sheet.add({"Text": "Ann", "Team": [red]})["data"]["record"]
    assert ann["fields"]["Team"] == [red]
    bob = sheet.add({"Text": "Bob", "Team": [red, blue]})["data"]["record"]["record_id"]
    assert pair.read_members() == {"red": [ann["record_id"], bob], "blue": [bob]}
    sheet.api.data("PUT", f"{sheet.path}/records/{bob}", {"fields": {"Team": [blue]}})
    assert pair.read_members() == {"red": [ann["record_id"]], "blue": [bob]}
    pair.team("green", Members=[bob])
    team = read_fields(sheet)[1]["Team"]["link_record_ids"]
    assert (team[0], len(team)) == (blue, 2)
    sheet.api.data("DELETE", f"{sheet.path}/records/{bob}")
    assert pair.read_members() == {"red": [ann["record_id"]], "blue": [], "green": []}
    assert sheet.add({"Team": ["recx"]})["code"] == 1254074


def test_both_fields_of_a_two_way_link_go_together(pair: Pair) -> None:
    sheet = pair.sheet

    def list_names() -> list[str]:
        return [field["field_name"] for field in sheet.api.data("GET", f"{pair.other}/fields")["items"]]

    assert list_names() == ["Text", "Members"]
    again = sheet.add_field("Again", 21, property={"table_id": pair.teams, "back_field_name": "Members"})
    assert again["code"] == 1254014
    assert sheet.add_field("Nowhere", 21, property={"table_id": "tblx"})["code"] == 1254089
    path = f"{sheet.path}/fields/{pair.field['field_id']}"
    renamed = {"field_name": "T", "type": 21, "property": {"table_id": pair.teams}}
    assert sheet.api("PUT", path, renamed)["code"] == 0
    assert list_names() == ["Text", "Members"]
    assert sheet.api("DELETE", path)["code"] == 0
    assert list_names() == ["Text"]


def test_links_to_deleted_records_are_not_shown(sheet: Sheet) -> None:
    sheet.add_field("Link", 18, property={"table_id": sheet.app["default_table_id"]})
    target = sheet.add({"Text": "t"})["data"]["record"]["record_id"]
    sheet.add({"Link": [target]})
    sheet.api.data("DELETE", f"{sheet.path}/records/{target}")
    assert read_fields(sheet) == [{}]
