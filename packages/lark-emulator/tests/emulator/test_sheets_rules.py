"""Filters, searches, conditional formats and dropdowns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.spreadsheet import Book

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

ROWS = [["name", "count"], ["ann", 1], ["bob", 20], ["Bob", 300], ["eve", None]]


@pytest.fixture
def book(api: Api) -> Book:
    spreadsheet = Book(api)
    assert spreadsheet.put("A1:B5", ROWS)["code"] == 0
    return spreadsheet


def condition(kind: str, compare: str, *expected: str) -> dict[str, Any]:
    return {"filter_type": kind, "compare_type": compare, "expected": list(expected)}


@pytest.mark.parametrize(
    ("column", "spec", "hidden"),
    [
        ("B", condition("number", "less", "20"), [3, 4, 5]),
        ("B", condition("number", "between", "2", "300"), [2, 5]),
        ("A", condition("multiValue", "", "ann", "eve"), [3, 4]),
        ("A", condition("text", "beginsWith", "b"), [2, 4, 5]),
        ("A", condition("text", "notContains", "o"), [3, 4]),
    ],
)
def test_a_filter_hides_rows(book: Book, lark: Emulator, column: str, spec: Any, hidden: list[int]) -> None:
    body = {"range": book.range("A1:B5"), "col": column, "condition": spec}
    assert book.api("POST", f"{book.path}/filter", body)["code"] == 0
    info = book.api.data("GET", f"{book.path}/filter")["sheet_filter_info"]
    assert info["filtered_out_rows"] == hidden
    assert lark.sheet(book.token)["filter"] == {"range": "A1:B5", "conditions": {column: [spec]}}


def test_a_worksheet_has_one_filter(book: Book, lark: Emulator) -> None:
    path = f"{book.path}/filter"
    body = {"range": book.range("A1:B5"), "col": "B", "condition": condition("number", "less", "2")}
    assert book.api("PUT", path, body)["code"] == 1310251
    assert book.api("POST", path, body)["code"] == 0
    assert book.api("POST", path, body)["code"] == 1310236
    assert book.api("PUT", path, body)["code"] == 1310226
    assert book.api("PUT", path, {**body, "condition": condition("clear", "")})["code"] == 0
    assert book.api("PUT", path, {**body, "col": "C"})["code"] == 1310251
    wrong = {**body, "col": "A", "condition": condition("number", "between", "1")}
    assert book.api("PUT", path, wrong)["code"] == 1310248
    lark.settings(filter_again="overwrites")
    assert book.api("POST", path, {**body, "range": book.range("B1:B5")})["code"] == 0
    assert lark.sheet(book.token)["filter"]["range"] == "B1:B5"
    assert book.api("DELETE", path)["code"] == 0
    assert book.api.data("GET", path) == {}


@pytest.mark.parametrize(
    ("text", "more", "cells"),
    [
        ("bob", {}, ["A3"]),
        ("bob", {"match_case": True}, ["A3", "A4"]),
        ("o", {"match_entire_cell": True}, []),
        ("^b.b$", {"search_by_regex": True}, ["A3"]),
        ("300", {}, ["B4"]),
    ],
)
def test_what_is_found(book: Book, lark: Emulator, text: str, more: Any, cells: list[str]) -> None:
    where = {"range": book.range("A1:B5"), **more}
    body = {"find": text, "find_condition": where}
    assert book.api.data("POST", f"{book.path}/find", body)["find_result"]["matched_cells"] == cells
    where["range"] = book.range("A1:B201")
    assert book.api("POST", f"{book.path}/find", body)["code"] == 1310202
    if more == {"match_case": True}:
        lark.settings(match_case="matches")
        where["range"] = book.range("A1:B5")
        assert book.api.data("POST", f"{book.path}/find", body)["find_result"]["matched_cells"] == ["A3"]


def test_what_is_found_is_replaced(book: Book, lark: Emulator) -> None:
    book.put("C1:C1", [[{"type": "formula", "text": "=SUM(B2:B3)"}]])
    where = {"range": book.range("A1:C5"), "include_formulas": True}
    body = {"find": "B", "replacement": "X", "find_condition": where}
    result = book.api.data("POST", f"{book.path}/replace", body)["replace_result"]
    assert (result["matched_cells"], result["matched_formula_cells"]) == (["A4"], ["C1"])
    values = lark.sheet(book.token)["values"]
    assert (values[3][0], values[0][2]["formula"]) == ("Xob", "=SUM(X2:X3)")
    where = {"range": book.range("B1:B5"), "search_by_regex": True}
    body = {"find": r"0+$", "replacement": "5", "find_condition": where}
    book.api.data("POST", f"{book.path}/replace", body)
    assert book.read("B3:B4") == [[25], [35]]
    body["replacement"] = r"\9"
    body["find"] = "5"
    assert book.api("POST", f"{book.path}/replace", body)["code"] == 1310251
    where["search_by_regex"] = False
    book.api.data("POST", f"{book.path}/replace", body)
    assert book.read("B3:B3") == [[r"2\9"]]
    where["search_by_regex"] = True
    body["find"] = "("
    assert book.api("POST", f"{book.path}/replace", body)["code"] == 1310251


def rule(book: Book, **changes: Any) -> dict[str, Any]:
    spec = {
        "ranges": [book.range("B2:B5")],
        "rule_type": "cellIs",
        "attrs": [{"operator": "greaterThan", "formula": ["5"]}],
        "style": {"back_color": "#ff0000"},
        **changes,
    }
    return {"sheet_id": book.sheet_id, "condition_format": spec}


def test_conditional_formats_have_a_result_each(book: Book, lark: Emulator) -> None:
    path = f"{book.v2}/condition_formats"
    specs = [rule(book), rule(book, rule_type="nosuch"), rule(book, ranges=[book.range("B2:B999")])]
    done = book.api.data("POST", f"{path}/batch_create", {"sheet_condition_formats": specs})["responses"]
    assert [result["res_code"] for result in done] == [0, 90230, 90202]
    (shown,) = lark.sheet(book.token)["conditional_formats"]
    assert (shown["id"], shown["ranges"]) == (done[0]["cf_id"], ["B2:B5"])
    specs = [rule(book, cf_id=shown["id"], rule_type="uniqueValues", attrs=[])]
    book.api.data("POST", f"{path}/batch_update", {"sheet_condition_formats": specs})
    (listed,) = book.api.data("GET", path, sheet_ids=book.sheet_id)["sheet_condition_formats"]
    assert listed["condition_format"]["rule_type"] == "uniqueValues"
    body = {"sheet_cf_ids": [{"sheet_id": book.sheet_id, "cf_id": cf_id} for cf_id in (shown["id"], "x")]}
    gone = book.api.data("DELETE", f"{path}/batch_delete", body)["responses"]
    assert [result["res_code"] for result in gone] == [0, 90230]
    assert lark.sheet(book.token)["conditional_formats"] == []


def test_there_are_at_most_ten_at_once_and_twenty_in_a_worksheet(book: Book) -> None:
    path = f"{book.v2}/condition_formats/batch_create"
    assert book.api("POST", path, {"sheet_condition_formats": [rule(book)] * 11})["code"] == 90226
    for _ in range(2):
        book.api.data("POST", path, {"sheet_condition_formats": [rule(book)] * 10})
    last = book.api.data("POST", path, {"sheet_condition_formats": [rule(book)]})["responses"][0]
    assert last["res_code"] == 90226


def test_dropdowns_are_made_cut_and_deleted(book: Book, lark: Emulator) -> None:
    path = f"{book.v2}/dataValidation"
    spec = {"conditionValues": ["a", "b"], "options": {"multipleValues": True}}
    body = {"range": book.range("C1:C9"), "dataValidationType": "list", "dataValidation": spec}
    assert book.api("POST", path, {**body, "dataValidation": {"conditionValues": ["a,b"]}})["code"] == 90204
    assert book.api("POST", path, body)["code"] == 0
    both = {"type": "multipleValue", "values": ["a", "b"]}
    book.put("C1:C1", [[both]])
    assert book.read("C1:C1") == [["a,b"]]
    lark.settings(dropdown_reads="list", dropdown_writes="refused")
    assert book.read("C1:C1") == [[["a", "b"]]]
    assert book.put("C2:C2", [["z"]])["code"] == 90202
    assert book.put("C2:C2", [["b"]])["code"] == 0
    ranges = [{"range": book.range(cells)} for cells in ("C4:C5", "C1:C999")]
    done = book.api.data("DELETE", path, {"dataValidationRanges": ranges})["rangeResults"]
    assert [(result["success"], result["updatedCells"]) for result in done] == [(True, 2), (False, 0)]
    (shown,) = lark.sheet(book.token)["dropdowns"]
    assert shown["ranges"] == ["C1:C3", "C6:C9"]
    assert book.put("C4:C4", [["z"]])["code"] == 0
