"""Values of cells: what is written, what is read, and what is refused."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.emulator.spreadsheet import Book

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

URL = "https://example.com/a?b=c"


@pytest.fixture
def book(api: Api) -> Book:
    return Book(api)


def link(text: str, to: str) -> list[dict[str, Any]]:
    return [{"cellPosition": None, "link": to, "text": text, "type": "url"}]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("text", "text"),
        ("00123", "00123"),
        ("=SUM(A1:A9)", "=SUM(A1:A9)"),
        ("", None),
        (None, None),
        (0, 0),
        (1.5, 1.5),
        (2**53, 2**53),
        (2**53 + 1, float(2**53)),
        (True, True),
        (URL, link(URL, URL)),
        ({"type": "url", "text": "here", "link": URL}, link("here", URL)),
        ("a@example.com", link("a@example.com", "mailto:a@example.com")),
        ("tab\tline\nend", "tab\tline\nend"),
        ("#N/A", {"type": "#UNSUPPORT VALUE"}),
        ({"type": "multipleValue", "values": ["a", 1]}, "a,1"),
    ],
)
def test_what_is_written_is_read(book: Book, written: Any, read: Any) -> None:
    assert book.put("B2:B2", [[written]])["code"] == 0
    assert book.read("B2:B2") == [[read]]


def test_a_mention_reads_as_a_segment_with_the_name(book: Book) -> None:
    mention = {"type": "mention", "text": "alice@example.com", "textType": "email", "notify": False}
    assert book.put("A1:A1", [[mention]])["code"] == 0
    ((segments,),) = book.read("A1:A1")
    assert (segments[0]["type"], segments[0]["text"]) == ("mention", "@李雷")


@pytest.mark.parametrize(
    ("setting", "value", "written", "read"),
    [
        ("bool_cells", "text", False, "FALSE"),
        ("url_strings", "text", URL, URL),
        ("email_strings", "text", "a@example.com", "a@example.com"),
        ("equals_strings", "formula", "=1+1", "=1+1"),
        ("import_range", "taken", {"type": "formula", "text": "=IMPORTRANGE(1)"}, "=IMPORTRANGE(1)"),
        ("null_write", "kept", None, "before"),
    ],
)
def test_both_answers_where_sources_differ(
    book: Book, lark: Emulator, setting: str, value: str, written: Any, read: Any
) -> None:
    book.put("A1:A1", [["before"]])
    lark.settings(**{setting: value})
    assert book.put("A1:A1", [[written]])["code"] == 0
    assert book.read("A1:A1") == [[read]]
    is_formula = isinstance(lark.sheet(book.token)["values"][0][0], dict)
    assert is_formula == str(read).startswith("=")


@pytest.mark.parametrize(
    ("cells", "values", "code"),
    [
        ("A1:A1", [["a", "b"]], 90202),
        ("A1:A1", [["a"], ["b"]], 90202),
        ("A1", [["a"]], 90202),
        ("1:2", [["a"]], 90202),
        ("B5:A1", [["a"]], 90202),
        ("A0:A1", [["a"]], 90202),
        ("A1:B2:C3", [["a"]], 90202),
        ("A1:A1", [], 90226),
        ("A1:B2", [[], []], 90226),
        ("A1:A1", "a", 90204),
        ("A1:A1", ["a"], 90204),
        ("A1:A1", [[{"type": "what"}]], 90204),
        ("A1:A1", [[{"type": "formula", "text": "SUM(1)"}]], 90204),
        ("A1:A1", [[{"type": "formula", "text": "=IMPORTRANGE(1)"}]], 90204),
        ("A1:A1", [[{"type": "multipleValue", "values": ["a,b"]}]], 90204),
        ("A1:A1", [["x" * 50_001]], 90222),
        ("A1:A1", [['"' * 50_001]], 90222),
        ("A1:A1", [["bad\x07"]], 90202),
        ("A1:A1", [["bad\x1f"]], 90202),
        ("A1:A5001", [["a"]], 90226),
        ("A1:CW1", [["a"]], 90226),
        ("A1:A51", [[{"type": "mention", "textType": "openId", "text": "ou_1"}]] * 51, 90226),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    book: Book, cells: str, values: Any, code: int
) -> None:
    before = book.revision()
    answer = book.put(cells, values)
    assert (answer["code"], answer["http"]) == (code, 400)
    assert (book.revision(), book.read("A1:B2")) == (before, [[None, None]] * 2)


def test_the_longest_cell_and_the_largest_write_pass(book: Book) -> None:
    assert book.put("A1:A1", [["x" * 50_000]])["code"] == 0
    assert book.put("A1:CV5000", [["y"] * 100] * 5000)["data"]["updatedCells"] == 500_000
    assert book.read("CV5000:CV5000") == [["y"]]


def test_unknown_worksheets_files_and_json(book: Book, api: Api) -> None:
    body = {"valueRange": {"range": "nosuch!A1:A1", "values": [["a"]]}}
    assert api("PUT", f"{book.v2}/values", body)["code"] == 90215
    assert api("PUT", "/sheets/v2/spreadsheets/shtnone/values", body)["code"] == 90214
    assert api("GET", "/sheets/v3/spreadsheets/shtnone")["code"] == 1310214
    answer = api.http.put(f"/open-apis{book.v2}/values", content=b"{")
    assert (answer.json()["code"], answer.status_code) == (90201, 400)


def test_the_bytes_of_a_request_and_of_an_answer_are_limited(book: Book, lark: Emulator) -> None:
    lark.settings(max_sheet_request_bytes=2000, max_sheet_answer_bytes=1000)
    assert book.put("A1:A50", [["x" * 100]] * 50)["code"] == 90227
    for start in (1, 11, 21):
        assert book.put(f"A{start}:A{start + 9}", [["x" * 80]] * 10)["code"] == 0
    assert book.api("GET", f"{book.v2}/values/{book.range('A1:A30')}")["code"] == 90221
    assert len(book.read("A1:A10")) == 10
    lark.settings(sheet_error_status="200")
    assert book.put("A1:A50", [["x" * 100]] * 50)["http"] == 200


@pytest.mark.parametrize(("growth", "rows"), [("data", 202), ("range", 300)])
def test_a_write_below_the_grid_lets_it_grow(book: Book, lark: Emulator, growth: str, rows: int) -> None:
    lark.settings(grid_growth=growth)
    assert book.put("A199:V300", [["a"] * 22] * 4)["code"] == 0
    grid = book.sheets()[0]["grid_properties"]
    assert (grid["row_count"], grid["column_count"]) == (rows, 22)


def test_a_grid_that_may_not_grow_refuses(book: Book, lark: Emulator) -> None:
    lark.settings(grid_growth="refused")
    assert book.put("A200:A201", [["a"], ["b"]])["code"] == 90202
    assert book.put("A200:A201", [["a"]])["code"] == 0
    lark.settings(grid_growth="data", max_sheet_cells=4000)
    assert book.put("A201:A201", [["a"]])["code"] == 90219


def test_reads_are_cut_at_the_grid(book: Book, lark: Emulator) -> None:
    book.put("A1:A2", [["a"], ["b"]])
    assert len(book.read("A1:A99999")) == 200
    assert len(book.read("A:A")) == 200
    assert book.api("GET", f"{book.v2}/values/{book.range('A201:A300')}")["code"] == 90202
    lark.settings(read_outside="empty", trailing_rows="cut")
    assert book.read("A201:A300") == []
    assert book.read("A1:A99999") == [["a"], ["b"]]
    value_range = book.api.data("GET", f"{book.v2}/values/{book.range('C1:C9')}")["valueRange"]
    assert value_range["range"] == ""


def test_numbers_and_dates_by_the_options_of_the_read(book: Book) -> None:
    book.put("A1:E1", [[45306.75, 1234.5, 0.256, "t", {"type": "formula", "text": "=SUM(B1:C1)"}]])
    for cell, formatter in (("A1:A1", "yyyy-MM-dd"), ("B1:B1", "#,##0.00"), ("C1:C1", "0.00%")):
        assert book.style(cell, {"formatter": formatter})["code"] == 0
    raw = [45306.75, 1234.5, 0.256, "t"]
    assert book.read("A1:E1") == [[*raw, "=SUM(B1:C1)"]]
    assert book.read("A1:E1", valueRenderOption="Formula") == [[*raw, "=SUM(B1:C1)"]]
    assert book.read("A1:E1", valueRenderOption="UnformattedValue") == [[*raw, 1234.756]]
    assert book.read("A1:E1", valueRenderOption="ToString") == [[*raw, 1234.756]]
    assert book.read("A1:D1", dateTimeRenderOption="FormattedString") == [["2024-01-15", *raw[1:]]]
    shown = book.read("A1:E1", valueRenderOption="FormattedValue", dateTimeRenderOption="FormattedString")
    assert shown == [["2024-01-15", "1,234.50", "25.60%", "t", "1234.756"]]
    wrong = book.api("GET", f"{book.v2}/values/{book.range('A1:A1')}", valueRenderOption="x")
    assert wrong["code"] == 90229


def test_append_finds_the_first_blank_cell_of_the_first_column(book: Book) -> None:
    book.put("B2:C5", [["a", 1], ["b", 2], ["", 3], ["d", 4]])
    overwritten = book.append("B2:C2", [["n", 9], ["m", 8]])["data"]
    assert overwritten["updates"]["updatedRange"] == book.range("B4:C5")
    assert book.read("B2:C5") == [["a", 1], ["b", 2], ["n", 9], ["m", 8]]
    book.put("B4:B4", [[""]])
    inserted = book.append("B2:C2", [["i", 0]], insertDataOption="INSERT_ROWS")["data"]
    assert inserted["updates"]["updatedRange"] == book.range("B4:C4")
    assert book.read("B2:C6") == [["a", 1], ["b", 2], ["i", 0], [None, 9], ["m", 8]]
    body = {"valueRange": {"range": book.range("B2:C2"), "values": [["top", 7]]}}
    assert book.api("POST", f"{book.v2}/values_prepend", body)["code"] == 0
    assert book.read("B1:B3") == [[None], ["top"], ["a"]]
    assert book.sheets()[0]["grid_properties"]["row_count"] == 202


@pytest.mark.parametrize(("batches", "stands"), [("whole", None), ("one_by_one", "a")])
def test_a_refused_range_of_a_batch(book: Book, lark: Emulator, batches: str, stands: Any) -> None:
    lark.settings(value_batches=batches)
    ranges = [
        {"range": book.range("A1:A1"), "values": [["a"]]},
        {"range": book.range("B1:B1"), "values": [["b", "too many"]]},
    ]
    answer = book.api("POST", f"{book.v2}/values_batch_update", {"valueRanges": ranges})
    assert answer["code"] == 90202
    assert book.read("A1:B1") == [[stands, None]]


def test_each_write_counts_in_the_revision(book: Book) -> None:
    first = book.put("A1:A1", [["a"]])["data"]["revision"]
    assert book.put("A1:A1", [["a"]])["data"]["revision"] == first + 1
    data = book.api.data("GET", f"{book.v2}/values/{book.range('A1:A1')}")
    assert (data["revision"], data["valueRange"]["revision"]) == (first + 1, first + 1)


def test_a_busy_spreadsheet_refuses_other_writes(book: Book, lark: Emulator) -> None:
    other = Book(book.api)
    before = book.revision()
    lark.settings(sheet_write_ms=3000)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(book.api, "PUT", f"{book.v2}/values", book.make_body("A1:A1", [["a"]]))
        deadline = time.monotonic() + 3
        while book.revision() == before:
            assert time.monotonic() < deadline
        assert book.put("A1:A1", [["b"]])["code"] == 90217
        lark.settings(sheet_busy="90235", sheet_write_ms=0)
        assert book.put("A1:A1", [["b"]])["code"] == 90235
        assert book.api("PATCH", book.v3, {"title": "x"})["code"] == 1310235
        assert other.put("A1:A1", [["b"]])["code"] == 0
        assert book.read("A1:A1") == [["a"]]
        assert first.result()["code"] == 0
    assert book.put("A1:A1", [["b"]])["code"] == 0


def test_codes_on_demand_have_the_status_of_the_endpoint(book: Book, lark: Emulator) -> None:
    lark.fault("PUT", "*/values", code=90217)
    assert (book.put("A1:A1", [["a"]])["http"], book.read("A1:A1")) == (400, [[None]])
    lark.settings(sheet_error_status="200")
    lark.fault("PUT", "*/values", code=90235, perform="first")
    answer = book.put("A1:A1", [["a"]])
    assert (answer["http"], answer["code"], book.read("A1:A1")) == (200, 90235, [["a"]])
    lark.fault("PATCH", f"/open-apis{book.v3}", code=1310217)
    assert book.api("PATCH", book.v3, {"title": "x"})["http"] == 400


def test_a_late_append_lands_behind_what_came_meanwhile(book: Book, lark: Emulator) -> None:
    lark.fault("POST", "*/values_append", drop="late", late_s=30)
    with pytest.raises(httpx.TransportError):
        book.append("A1:A1", [["late"]])
    assert book.append("A1:A1", [["first"]])["code"] == 0
    lark.advance(31)
    assert book.read("A1:A2") == [["first"], ["late"]]
    assert lark.late_requests()[0]["code"] == 0


@pytest.mark.parametrize(("plan", "stands"), [({"perform": "first"}, "new"), ({}, None)])
def test_a_502_before_or_after_the_write(book: Book, lark: Emulator, plan: Any, stands: Any) -> None:
    lark.fault("PUT", f"/open-apis{book.v2}/values", status=502, body="<html>bad gateway</html>", **plan)
    body = book.make_body("A1:A1", [["new"]])
    assert book.api.http.put(f"/open-apis{book.v2}/values", json=body).status_code == 502
    assert book.read("A1:A1") == [[stands]]
