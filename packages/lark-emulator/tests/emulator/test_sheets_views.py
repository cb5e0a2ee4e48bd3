"""Filter views: their ids, names, ranges and conditions, and what becomes of them when cells move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.spreadsheet import Book

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

VIEW = "pH9hbVcCXA"


@pytest.fixture
def book(api: Api, lark: Emulator) -> Book:
    lark.settings(rate_limits=False, sheet_write_ms=0)
    return Book(api)


def view(book: Book, cells: str = "A1:C9", **more: Any) -> Any:
    return book.api("POST", f"{book.path}/filter_views", {"range": book.range(cells), **more})


def condition(column: Any = "B", kind: str = "number", compare: str = "less", *expected: str) -> Any:
    return {"condition_id": column, "filter_type": kind, "compare_type": compare, "expected": list(expected)}


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"filter_view_id": "short"}, 1310237),
        ({"filter_view_id": "ümlautUmla"}, 1310237),
        ({"filter_view_id": 1234567890}, 1310237),
        ({"filter_view_id": VIEW}, 1310238),
        ({"filter_view_name": "x" * 101}, 1310239),
        ({"filter_view_name": ["x"]}, 1310239),
        ({"filter_view_name": "Mine"}, 1310240),
        ({"range": "A1:U9"}, 1310202),
        ({"range": None}, 1310202),
        ({"range": "nosuch!A1:B2"}, 1310215),
    ],
)
def test_what_is_refused(book: Book, spec: Any, code: int) -> None:
    assert view(book, filter_view_id=VIEW, filter_view_name="Mine")["code"] == 0
    before = book.revision()
    assert view(book, **spec)["code"] == code
    assert [
        filter_view["filter_view_id"]
        for filter_view in book.api.data("GET", f"{book.path}/filter_views/query")["items"]
    ] == [VIEW]
    assert book.revision() == before


def test_names_are_made_and_ranges_have_five_forms(book: Book) -> None:
    forms = ("", "!2:9", "!B:D", "!C1:H14", "!C2:H")
    for form in forms:
        assert book.api("POST", f"{book.path}/filter_views", {"range": book.sheet_id + form})["code"] == 0
    items = book.api.data("GET", f"{book.path}/filter_views/query")["items"]
    assert [filter_view["filter_view_name"] for filter_view in items] == [
        f"筛选视图 {n}" for n in range(1, 6)
    ]
    assert [filter_view["range"].partition("!")[2] for filter_view in items] == [
        "A1:T200",
        "A2:T9",
        "B1:D200",
        "C1:H14",
        "C2:H200",
    ]


def test_a_worksheet_has_at_most_150(book: Book) -> None:
    for _ in range(150):
        assert view(book)["code"] == 0
    assert view(book)["code"] == 1310241


def test_a_view_is_renamed_and_resized(book: Book, lark: Emulator) -> None:
    view(book, filter_view_id=VIEW, filter_view_name="Mine")
    view(book, filter_view_name="Other")
    view_path = f"{book.path}/filter_views/{VIEW}"
    for column in "AC":
        spec = condition(column, "text", "contains", "x")
        assert book.api("POST", f"{view_path}/conditions", spec)["code"] == 0
    assert book.api("PATCH", view_path, {"filter_view_name": "Other"})["code"] == 1310240
    assert book.api("PATCH", view_path, {"filter_view_name": "Mine"})["code"] == 1310216
    assert book.api("PATCH", view_path, {})["code"] == 1310216
    done = book.api.data("PATCH", view_path, {"filter_view_name": "Ours", "range": book.range("B1:C9")})
    assert done["filter_view"]["filter_view_name"] == "Ours"
    shown = lark.sheet(book.token)["filter_views"][0]
    assert (shown["name"], shown["range"], list(shown["conditions"])) == ("Ours", "B1:C9", ["C"])
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/conditions/query")):
        body: Any = {} if method == "PATCH" else None
        assert book.api(method, f"{book.path}/filter_views/nosuchview{path}", body)["code"] == 1310237


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        (condition("B", "number", "less", "6"), 0),
        (condition("B", "hiddenValue", "", "a", "b"), 0),
        (condition("B", "color", "backColor", "#ff0000"), 0),
        (condition("B", "multiValue", "", "a"), 1310236),
        (condition("B", "clear", ""), 1310236),
        (condition("B", "number", "between", "1"), 1310236),
        (condition("B", "number", "less", "six"), 1310236),
        (condition("B", "text", "contains", "x" * 1001), 1310236),
        (condition("D", "number", "less", "6"), 1310223),
        (condition(2, "number", "less", "6"), 1310223),
        (condition("A", "number", "less", "6"), 1310226),
    ],
)
def test_conditions(book: Book, spec: Any, code: int) -> None:
    view(book, filter_view_id=VIEW)
    path = f"{book.path}/filter_views/{VIEW}/conditions"
    assert book.api("POST", path, condition("A", "text", "equal", "x"))["code"] == 0
    assert book.api("POST", path, spec)["code"] == code
    items = book.api.data("GET", f"{path}/query")["items"]
    assert items[1:] == ([] if code else [spec])
    assert book.api("GET", f"{path}/C")["code"] == 1310223
    assert book.api("PUT", f"{path}/C", condition("C", "number", "less", "6"))["code"] == 1310223
    assert book.api("DELETE", f"{path}/A")["code"] == 0
    assert book.api("DELETE", f"{path}/A")["code"] == 1310223


def test_a_view_moves_with_its_cells_and_goes_with_them(book: Book, lark: Emulator) -> None:
    view(book, "B2:C9", filter_view_id=VIEW)
    path = f"{book.path}/filter_views/{VIEW}/conditions"
    book.api.data("POST", path, condition("C", "text", "equal", "x"))
    lines = {"sheetId": book.sheet_id, "majorDimension": "COLUMNS"}
    spec = {"dimension": {**lines, "startIndex": 0, "endIndex": 1}}
    assert book.api("POST", f"{book.v2}/insert_dimension_range", spec)["code"] == 0
    (shown,) = lark.sheet(book.token)["filter_views"]
    assert (shown["range"], list(shown["conditions"])) == ("C2:D9", ["D"])
    spec = {"dimension": {**lines, "startIndex": 3, "endIndex": 4}}
    assert book.api("DELETE", f"{book.v2}/dimension_range", spec)["code"] == 0
    assert lark.sheet(book.token)["filter_views"] == []
