"""What an app sees: records of a moment ago, or fewer than there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark_emulator.world.apps import App
from lark_emulator.world.records import Record, Records, get_number

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Sheet


def read_texts(sheet: Sheet) -> list[str]:
    return [item["fields"]["Text"][0]["text"] for item in sheet.search()["data"]["items"]]


def update(sheet: Sheet, record_id: str, text: str, **query: Any) -> Any:
    return sheet.api("PUT", f"{sheet.path}/records/{record_id}", {"fields": {"Text": text}}, **query)


def delete(sheet: Sheet, record_id: str) -> Any:
    return sheet.api("DELETE", f"{sheet.path}/records/{record_id}")


def test_reads_are_stale_for_a_while_after_a_write(sheet: Sheet, lark: Emulator) -> None:
    ids = [
        r["record_id"] for r in sheet.add_many([{"fields": {"Text": t}} for t in "abc"])["data"]["records"]
    ]
    lark.settings(stale_reads_s=60)
    update(sheet, ids[0], "A")
    lark.advance(30)
    delete(sheet, ids[1])
    added = sheet.add({"Text": "d"})["data"]["record"]["record_id"]
    assert read_texts(sheet) == ["a", "b", "c"]
    got = sheet.api.data("POST", f"{sheet.path}/records/batch_get", {"record_ids": [ids[1], added]})
    assert ([r["record_id"] for r in got["records"]], got["absent_record_ids"]) == ([ids[1]], [added])
    assert sheet.api("GET", f"{sheet.path}/records/{added}")["code"] == 1254043
    assert update(sheet, added, "D")["code"] == 0  # a write meets what is there now
    condition = {"field_name": "Text", "operator": "is", "value": ["b"]}
    assert sheet.search({"filter": {"conditions": [condition]}})["data"]["total"] == 1
    lark.advance(31)
    assert read_texts(sheet) == ["A", "b", "c"]
    lark.advance(30)
    assert read_texts(sheet) == ["A", "c", "D"]


def test_reads_can_be_stale_only_after_writes_that_waive_consistency(sheet: Sheet, lark: Emulator) -> None:
    lark.settings(stale_reads_s=60, stale_after="unchecked")
    sheet.add({"Text": "a"})
    assert read_texts(sheet) == ["a"]
    sheet.add({"Text": "b"}, ignore_consistency_check="true")
    assert read_texts(sheet) == ["a"]
    sheet.add({"Text": "c"})
    assert read_texts(sheet) == ["a", "b", "c"]


def test_an_app_that_sees_nothing_gets_empty_successes(sheet: Sheet, lark: Emulator) -> None:
    token = sheet.app["app_token"]
    assert sheet.api.data("GET", sheet.base)["app"]["is_advanced"] is False
    record_id = sheet.add({"Text": "a"})["data"]["record"]["record_id"]
    lark.limit_base(token, sees="none")
    assert sheet.api.data("GET", sheet.base)["app"]["is_advanced"] is True
    for answer in (sheet.search()["data"], sheet.api.data("GET", f"{sheet.path}/records")):
        assert (answer["items"], answer["total"], answer["has_more"]) == ([], 0, False)
    condition = {"field_name": "Text", "operator": "is", "value": ["a"]}
    assert sheet.search({"filter": {"conditions": [condition]}})["data"]["items"] == []
    got = sheet.api.data("POST", f"{sheet.path}/records/batch_get", {"record_ids": [record_id, "recx"]})
    assert got == {"records": [], "forbidden_record_ids": [record_id], "absent_record_ids": ["recx"]}
    assert sheet.api("GET", f"{sheet.path}/records/{record_id}")["code"] == 1254302
    assert update(sheet, record_id, "b")["code"] == 1254302
    assert delete(sheet, record_id)["code"] == 1254302
    assert sheet.add({"Text": "b"})["code"] == 0
    lark.limit_base(token)
    assert read_texts(sheet) == ["a", "b"]


def test_an_app_may_see_its_own_records_or_write_none(sheet: Sheet, lark: Emulator) -> None:
    token, table = sheet.app["app_token"], sheet.app["default_table_id"]
    lark.add_rows(token, table, [{"Text": "a person's"}])
    sheet.add({"Text": "ours"})
    lark.limit_base(token, sees="own", writes=False)
    assert read_texts(sheet) == ["ours"]
    assert sheet.add({"Text": "b"})["code"] == 1254302
    lark.limit_base(token, sees="own", is_advanced=False)
    assert read_texts(sheet) == ["a person's", "ours"]
    assert lark.state()["bitables"][0]["limits"]["cli_1a2b3c4d5e6f0001"] == {"sees": "own", "writes": True}
    with pytest.raises(ValueError, match="sees"):
        lark.limit_base(token, sees="some")


_edits = st.lists(
    st.tuples(
        st.sampled_from(["add", "change", "remove", "empty"]), st.integers(0, 30), st.sampled_from("abc")
    ),
    max_size=60,
)


@given(_edits)
def test_records_are_found_by_place_value_and_time(edits: list[tuple[str, int, str]]) -> None:
    records, app = Records(), App("cli_x", "", "x")
    records.history_s = 1000
    assert list(records.with_value("f", "a")) == []  # builds the index before there is anything
    model: dict[str, str | None] = {}
    history = [dict(model)]
    for time, (doing, number, value) in enumerate(edits, 1):
        ids = list(model)
        record_id = ids[number % len(ids)] if ids else ""
        if doing == "add" or not ids:
            records.add(f"rec{time}", {"f": value}, app, 0, now=time)
            model[f"rec{time}"] = value
        elif doing == "remove":
            records.remove(record_id, now=time)
            del model[record_id]
        else:
            wanted = None if doing == "empty" else value
            records.change(record_id, {"f": wanted}, app, 0, now=time)
            model[record_id] = wanted
        history.append(dict(model))

    def list_content(rows: list[Record]) -> list[tuple[str, str | None]]:
        return [(record.record_id, record.cells.get("f")) for record in rows]

    assert list_content(records.list_all()) == list(model.items())
    for value in "abc":
        matched = {record.record_id for record in records.with_value("f", value)}
        assert matched == {record_id for record_id, held in model.items() if held == value}
    for time, then in enumerate(history):
        before = records.collect_earlier(time)
        shown = {record.record_id: record for record in records.list_all() if record.record_id not in before}
        shown |= {record_id: record for record_id, record in before.items() if record is not None}
        assert list_content(sorted(shown.values(), key=get_number)) == list(then.items())
