"""Worksheets, styles, merged cells, rows and columns."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.conftest import Api
from tests.emulator.spreadsheet import Book

if TYPE_CHECKING:
    from lark_emulator import Emulator


@pytest.fixture
def book(api: Api) -> Book:
    return Book(api)


def titles(book: Book) -> list[str]:
    return [sheet["title"] for sheet in book.sheets()]


def dimension(book: Book, axis: str, **where: int) -> dict[str, Any]:
    return {"sheetId": book.sheet_id, "majorDimension": axis, **where}


def test_a_new_file_has_one_worksheet(book: Book) -> None:
    (sheet,) = book.sheets()
    assert (sheet["title"], sheet["index"], sheet["hidden"]) == ("Sheet1", 0, False)
    assert (sheet["grid_properties"]["row_count"], sheet["grid_properties"]["column_count"]) == (200, 20)
    assert "merges" not in sheet
    shown = book.api.data("GET", book.v3)["spreadsheet"]
    assert (shown["title"], shown["owner_id"]) == ("Report", "ou_emulator0001_bot")
    assert book.api("PATCH", book.v3, {"title": "x" * 256})["code"] == 1310250


def test_worksheets_are_added_copied_changed_and_deleted(book: Book) -> None:
    book.put("A1:A1", [["a"]])
    book.style("A1:A1", {"font": {"bold": True}})
    added = book.change({"addSheet": {"properties": {"title": "B", "index": 1}}})["data"]["replies"]
    second = added[0]["addSheet"]["properties"]["sheetId"]
    assert book.change({"addSheet": {"properties": {"title": "B"}}})["code"] == 90210
    book.change({"copySheet": {"source": {"sheetId": book.sheet_id}, "destination": {}}})
    assert titles(book) == ["Sheet1", "Sheet1(副本_0)", "B"]
    copied = book.sheets()[1]["sheet_id"]
    book.put("A1:A1", [["changed"]])
    values = book.api.data("GET", f"{book.v2}/values/{copied}!A1:A1")["valueRange"]["values"]
    assert values == [["a"]]
    changes = {"sheetId": second, "title": "C", "index": 0, "hidden": True, "frozenRowCount": 2}
    echoed = book.change({"updateSheet": {"properties": changes}})["data"]["replies"][0]
    assert echoed == {"updateSheet": {"properties": changes}}
    first = book.sheets()[0]
    assert (first["title"], first["hidden"], first["grid_properties"]["frozen_row_count"]) == ("C", True, 2)
    assert book.change({"deleteSheet": {"sheetId": copied}})["code"] == 0
    assert titles(book) == ["C", "Sheet1"]
    assert book.change({"deleteSheet": {"sheetId": copied}})["code"] == 90215


def test_an_illegal_title_is_ignored_silently(book: Book) -> None:
    for title in ("a/b", "a:b", "[x]", "x" * 101):
        reply = book.change({"updateSheet": {"properties": {"sheetId": book.sheet_id, "title": title}}})
        assert reply["code"] == 0
        assert titles(book) == ["Sheet1"]


@pytest.mark.parametrize(
    ("changes", "titles_after"),
    [
        ({}, ["B", "Sheet1"]),
        ({"sheets_batch": "whole"}, ["Sheet1"]),
    ],
)
def test_a_refused_item_of_a_batch(book: Book, lark: Emulator, changes: Any, titles_after: list[str]) -> None:
    lark.settings(**changes)
    answer = book.change({"addSheet": {"properties": {"title": "B"}}}, {"deleteSheet": {"sheetId": "nosuch"}})
    assert answer["code"] == 90215
    assert titles(book) == titles_after


def test_replies_may_come_in_one_element_and_the_last_worksheet_may_go(book: Book, lark: Emulator) -> None:
    assert book.change({"deleteSheet": {"sheetId": book.sheet_id}})["code"] == 90226
    lark.settings(sheets_replies="merged", last_worksheet="deleted")
    requests = ({"addSheet": {"properties": {"title": "B"}}}, {"deleteSheet": {"sheetId": book.sheet_id}})
    (reply,) = book.change(*requests)["data"]["replies"]
    assert reply.keys() == {"addSheet", "deleteSheet"}


def test_styles_are_put_on_each_other(book: Book, lark: Emulator) -> None:
    book.style("A1:B2", {"font": {"bold": True, "fontSize": "10pt/1.5"}, "backColor": "#ffffff"})
    book.style("B2:C2", {"font": {"italic": True}, "formatter": "0.00"})
    formats = lark.sheet(book.token)["formats"]
    bold: dict[str, Any] = {"font": {"bold": True, "fontSize": "10pt/1.5"}, "backColor": "#ffffff"}
    assert formats["A1"] == formats["B1"] == bold
    assert formats["B2"] == {**bold, "font": {**bold["font"], "italic": True}, "formatter": "0.00"}
    assert formats["C2"] == {"font": {"italic": True}, "formatter": "0.00"}
    data = [
        {"ranges": [book.range("A1:B1"), book.range("C1:C1")], "style": {"hAlign": 1}},
        {"ranges": [book.range("B1:B1")], "style": {"clean": True}},
    ]
    done = book.api.data("PUT", f"{book.v2}/styles_batch_update", {"data": data})
    assert (done["totalUpdatedCells"], len(done["responses"])) == (4, 3)
    formats = lark.sheet(book.token)["formats"]
    assert formats["A1"] == {**bold, "hAlign": 1}
    assert "B1" not in formats


@pytest.mark.parametrize(("batches", "stands"), [("whole", False), ("one_by_one", True)])
def test_a_refused_range_of_a_batch_of_styles(
    book: Book, lark: Emulator, batches: str, *, stands: bool
) -> None:
    lark.settings(style_batches=batches)
    data = [{"ranges": [book.range("A1:A1"), book.range("A1:A999")], "style": {"hAlign": 1}}]
    assert book.api("PUT", f"{book.v2}/styles_batch_update", {"data": data})["code"] == 90202
    assert ("A1" in lark.sheet(book.token)["formats"]) == stands


@pytest.mark.parametrize(
    ("cells", "style", "code"),
    [
        ("A1:A201", {"hAlign": 1}, 90202),
        ("U1:U1", {"hAlign": 1}, 90202),
        ("A1", {"hAlign": 1}, 90202),
        ("A1:A1", {"hAlign": 3}, 90204),
        ("A1:A1", {"backColor": "red"}, 90204),
        ("A1:A1", {"font": {"fontSize": "8pt/1.5"}}, 90204),
        ("A1:A1", {"unknown": 1}, 90204),
        ("A1:A1", {"borderType": "ROUND"}, 90204),
    ],
)
def test_styles_that_are_refused(book: Book, cells: str, style: Any, code: int) -> None:
    assert book.style(cells, style)["code"] == code


def test_styles_have_their_limits(book: Book, lark: Emulator) -> None:
    book.append("A1:A1", [["a"]] * 5000)
    book.put("A5001:A5001", [["a"]])
    assert book.style("A1:A5001", {"hAlign": 1})["code"] == 90202
    assert book.style("A1:A5000", {"hAlign": 1})["code"] == 0
    assert book.style("A1:G5000", {"borderType": "FULL_BORDER"})["code"] == 90219
    lark.settings(max_style_rows=2000)
    assert book.style("A1:A2001", {"hAlign": 1})["code"] == 90202


@pytest.mark.parametrize(("formats", "stays"), [("kept", True), ("reset", False)])
def test_what_a_write_of_values_does_to_formats(
    book: Book, lark: Emulator, formats: str, *, stays: bool
) -> None:
    lark.settings(value_write_formats=formats)
    book.style("A1:A1", {"formatter": "0.00"})
    book.put("A1:A1", [[1]])
    assert ("A1" in lark.sheet(book.token)["formats"]) == stays


def test_merged_cells_hold_one_value(book: Book, lark: Emulator) -> None:
    book.put("A1:B2", [["a", "b"], ["c", "d"]])
    body = {"range": book.range("A1:B2"), "mergeType": "MERGE_ALL"}
    assert book.api("POST", f"{book.v2}/merge_cells", body)["code"] == 0
    book.put("A1:C2", [["x", "lost", "y"], ["lost", "lost", "z"]])
    assert book.read("A1:C2") == [["x", None, "y"], [None, None, "z"]]
    (merge,) = book.sheets()[0]["merges"]
    assert merge == {"start_row_index": 0, "end_row_index": 1, "start_column_index": 0, "end_column_index": 1}
    lark.settings(remerge="refused")
    wider = {"range": book.range("A1:C2"), "mergeType": "MERGE_ROWS"}
    assert book.api("POST", f"{book.v2}/merge_cells", wider)["code"] == 90202
    assert book.api("POST", f"{book.v2}/merge_cells", body)["code"] == 0
    lark.settings(merged_writes="stored")
    book.put("B2:B2", [["kept"]])
    book.api("POST", f"{book.v2}/unmerge_cells", {"range": book.range("B2:B2")})
    assert (lark.sheet(book.token)["merges"], book.read("B2:B2")) == ([], [["kept"]])


def test_each_endpoint_counts_rows_in_its_own_way(book: Book, lark: Emulator) -> None:
    book.put("A1:A6", [[n] for n in "abcdef"])
    path = f"{book.v2}/dimension_range"
    assert book.api("POST", path, {"dimension": dimension(book, "ROWS", length=3)})["data"]["addCount"] == 3
    inserted = {"dimension": dimension(book, "ROWS", startIndex=1, endIndex=2), "inheritStyle": "BEFORE"}
    book.style("A1:A1", {"hAlign": 1})
    assert book.api("POST", f"{book.v2}/insert_dimension_range", inserted)["code"] == 0
    assert book.read("A1:A3") == [["a"], [None], ["b"]]
    assert lark.sheet(book.token)["formats"]["A2"] == {"hAlign": 1}
    gone = {"dimension": dimension(book, "ROWS", startIndex=2, endIndex=3)}
    assert book.api("DELETE", path, gone)["data"]["delCount"] == 2
    assert book.read("A1:A5") == [[n] for n in "acdef"]
    moved = {"source": {"major_dimension": "ROWS", "start_index": 0, "end_index": 1}, "destination_index": 4}
    assert book.api("POST", f"{book.path}/move_dimension", moved)["code"] == 0
    assert book.read("A1:A5") == [[n] for n in "deacf"]
    assert book.sheets()[0]["grid_properties"]["row_count"] == 202
    everything = {"dimension": dimension(book, "ROWS", startIndex=1, endIndex=202)}
    assert book.api("DELETE", path, everything)["code"] == 90223


def test_widths_and_hidden_rows_move_with_their_columns(book: Book, lark: Emulator) -> None:
    path = f"{book.v2}/dimension_range"
    wide = {
        "dimension": dimension(book, "COLUMNS", startIndex=2, endIndex=3),
        "dimensionProperties": {"fixedSize": 120},
    }
    assert book.api("PUT", path, wide)["code"] == 0
    hide = {
        "dimension": dimension(book, "ROWS", startIndex=4, endIndex=4),
        "dimensionProperties": {"visible": False},
    }
    assert book.api("PUT", path, hide)["code"] == 0
    inserted = {"dimension": dimension(book, "COLUMNS", startIndex=0, endIndex=1)}
    assert book.api("POST", f"{book.v2}/insert_dimension_range", inserted)["code"] == 0
    sheet = lark.sheet(book.token)
    assert (sheet["widths"], sheet["hidden_rows"]) == ({"C": 120, "D": 120}, [4])
    assert sheet["column_count"] == 21
    empty = {"dimension": dimension(book, "ROWS", startIndex=1, endIndex=1), "dimensionProperties": {}}
    assert book.api("PUT", path, empty)["code"] == 90216


def test_a_second_app_is_refused_until_it_is_shared_with(book: Book, lark: Emulator) -> None:
    app = lark.add_app("cli_other", "secret")
    other = Api(lark, "cli_other", "secret")
    with closing(other.http):
        assert other("GET", f"{book.v2}/metainfo")["code"] == 91403
        lark.settings(never_shared_status="200")
        assert other("GET", f"{book.v2}/metainfo")["http"] == 200
        lark.settings(sheet_denied="90213")
        refused = other("GET", f"{book.v2}/metainfo"), other("GET", book.v3)
        assert [(answer["code"], answer["http"]) for answer in refused] == [(90213, 403), (1310213, 403)]
        member = {"member_type": "openid", "member_id": app["bot_open_id"], "perm": "view"}
        book.api.data("POST", f"/drive/v1/permissions/{book.token}/members", member, type="sheet")
        assert other("GET", f"{book.v2}/metainfo")["code"] == 0
        body = {"valueRange": {"range": book.range("A1:A1"), "values": [["a"]]}}
        assert other("PUT", f"{book.v2}/values", body)["code"] == 90213
        lark.share_document(book.token, "app:cli_other", "edit")
        assert other("PUT", f"{book.v2}/values", body)["code"] == 0
