"""Spreadsheets over HTTP: files, worksheets, cells, and how they look."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.sheets.addressing import MAX_COLUMNS, Range
from lark_provider.api.clouddoc.sheets.conditions import ConditionalFormat
from lark_provider.api.clouddoc.sheets.filters import Condition
from lark_provider.api.clouddoc.sheets.styles import Style
from lark_provider.api.clouddoc.sheets.values import Formula, Link, Mention
from lark_provider.client.sheets import Sheet
from lark_provider.errors import (
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
)
from tests.client.conftest import Do, count

VALUES = "/open-apis/sheets/v2/spreadsheets/:spreadsheetToken/values"
PUT = f"PUT {VALUES}"
READ = f"GET {VALUES}/:range"
QUERY = "GET /open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/query"
BATCH = "POST /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/sheets_batch_update"
DAY = dt.date(2026, 1, 31)


@pytest.fixture
def token(lark: Emulator) -> str:
    lark.settings(rate_limits=False, sheet_write_ms=0)
    return LarkServiceClient().clouddoc.sheets.create("Daily").token


@pytest.fixture
def sheet(token: str) -> Sheet[Any]:
    return LarkServiceClient().clouddoc.sheets.open(token)["Sheet1"]


def test_the_example_of_the_documents(lark: Emulator, do: Do, token: str) -> None:
    url = f"https://x.feishu.cn/sheets/{token}?sheet=nope"
    do(lambda c: c.clouddoc.sheets.open(url)["Sheet1"].write("A1", [["Day", "Paid"], [DAY, Decimal("9.5")]]))
    assert do(lambda c: c.clouddoc.sheets.open(url)["Sheet1"].read("A1:C3")) == [
        ["Day", "Paid", None],
        [DAY, 9.5, None],
        [None, None, None],
    ]
    node = lark.add_wiki_node("sheet", token)
    wiki = f"https://x.feishu.cn/wiki/{node}"
    assert do(lambda c: c.clouddoc.sheets.read(wiki)) == [["Day", "Paid"], [DAY, 9.5]]
    assert do(lambda c: c.clouddoc.sheets.open(wiki)[0].read("B2")) == [[9.5]]


def test_every_type_comes_back(sheet: Sheet[Any]) -> None:
    row = [
        "text",
        "00123",
        "=1+1",
        "https://a.example/b",
        123456789012345678,
        5,
        1.25,
        True,
        None,
        DAY,
        dt.time(23, 59, 58),
        dt.datetime(2026, 1, 31, 1, 2, 3),  # noqa: DTZ001
        Link("Lark", "https://larksuite.com"),
        Mention("ou_emulator0001_alice"),
        Formula("=SUM(F1:G1)"),
    ]
    sheet.write("A1", [row])
    read = [*row]
    read[4], read[-1] = "123456789012345678", 6.25
    assert sheet.read("A1:O1") == [read]
    assert sheet.read("I1:K1", typed=False) == [[None, 46053, pytest.approx(0.9999768518518518)]]
    assert sheet.read("J1:L1", shown=True) == [["2026-01-31", "23:59:58", "2026/01/31 01:02:03"]]


cells = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)
    | st.from_regex(r"=?[0-9+/:-]{1,8}", fullmatch=True)
    | st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1))
    | st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=0)
    )
    | st.times().map(lambda time: time.replace(microsecond=0, fold=0))
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1)
    )
)
def test_tables_come_back_as_they_were_written(sheet: Sheet[Any], table: list[list[Any]]) -> None:
    sheet.style("A1:D40", Style(formatter=""))
    sheet.write("A1", table)
    expected = [[None if value == "" else value for value in row] for row in table]
    height, width = len(table), len(table[0])
    rows = sheet.read((1, 1, height, width))
    assert rows == expected
    assert [list(map(find_kind, row)) for row in rows] == [list(map(find_kind, row)) for row in expected]


def find_kind(value: Any) -> type:
    return int if type(value) is float else type(value)  # 1.0 is 1


@pytest.mark.parametrize("switch", [{"equals_strings": "formula"}, {"trailing_rows": "cut"}])
def test_what_is_not_known_of_lark_makes_no_difference(
    lark: Emulator, sheet: Sheet[Any], switch: dict[str, str]
) -> None:
    lark.settings(**switch)
    sheet.write("A1", [["=SUM(A9:A10)", 1], [None, None]])
    assert sheet.read("A1:C3") == [["=SUM(A9:A10)", 1, None], [None] * 3, [None] * 3]
    sheet.write("A1", [[None, 2]])
    assert sheet.read() == [[None, 2]]


def test_files(lark: Emulator, do: Do, token: str) -> None:
    spreadsheet = do(lambda c: c.clouddoc.sheets.create("Weekly", folder="Reports/2026-11"))
    assert spreadsheet.url
    described = lark.document(spreadsheet.token)
    assert do(lambda c: c.clouddoc.sheets.get(spreadsheet.url)).title == "Weekly"
    assert do(lambda c: c.clouddoc.sheets.open(spreadsheet.url).rename("Weekly 2")).title == "Weekly 2"
    assert described["folder_token"] == spreadsheet.folder_token
    assert (
        do(lambda c: c.clouddoc.sheets.create("Other", folder=spreadsheet.folder_token)).folder_token
        == spreadsheet.folder_token
    )
    before = do(lambda c: c.clouddoc.sheets.revision(token))
    do(lambda c: c.clouddoc.sheets.write(token, "A1", [[1]]))
    assert do(lambda c: c.clouddoc.sheets.revision(token)) == before + 1


def test_worksheets(do: Do, token: str) -> None:
    added = do(lambda c: c.clouddoc.sheets.add_sheet(token, "More"))
    assert (added.title, added.index, added.rows, added.columns) == ("More", 1, 200, 20)
    assert do(lambda c: c.clouddoc.sheets.rename_sheet(token, "More", "Other")).sheet_id == added.sheet_id
    copied = do(lambda c: c.clouddoc.sheets.copy_sheet(token, added.sheet_id, "Copy"))
    assert [worksheet.title for worksheet in do(lambda c: c.clouddoc.sheets.list_sheets(token))] == [
        "Sheet1",
        "Other",
        "Copy",
    ]
    assert copied.title == "Copy"
    do(lambda c: c.clouddoc.sheets.delete_sheet(token, "Copy"))
    do(lambda c: c.clouddoc.sheets.open(token).delete_sheet(1))
    with pytest.raises(ConflictError, match="is the only one of the spreadsheet"):
        do(lambda c: c.clouddoc.sheets.delete_sheet(token, "Sheet1"))
    with pytest.raises(InvalidRequestError, match="worksheet to delete must be named"):
        do(lambda c: c.clouddoc.sheets.delete_sheet(token))
    with pytest.raises(ConflictError, match="already has a worksheet titled 'Sheet1'"):
        do(lambda c: c.clouddoc.sheets.add_sheet(token, "Sheet1"))


def test_a_worksheet_that_exists_is_not_taken_for_the_copy(lark: Emulator, do: Do, token: str) -> None:
    do(lambda c: c.clouddoc.sheets.add_sheet(token, "Today"))
    lark.fault("POST", "*/sheets_batch_update", drop="before")
    with pytest.raises(ConflictError, match="already has a worksheet titled 'Today'"):
        do(lambda c: c.clouddoc.sheets.copy_sheet(token, "Sheet1", "Today"))


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize("operation", ["add", "copy", "rename", "delete"])
def test_a_lost_answer_to_a_change_of_worksheets_is_settled(
    lark: Emulator, token: str, operation: str, drop: str
) -> None:
    book = LarkServiceClient().clouddoc.sheets.open(token)
    book.add_sheet("One")
    lark.fault("POST", "*/sheets_batch_update", drop=drop)
    works: dict[str, Callable[[], Any]] = {
        "add": lambda: book.add_sheet("Two"),
        "copy": lambda: book.copy_sheet("One", "Two"),
        "rename": lambda: book.rename_sheet("One", "Two"),
        "delete": lambda: book.delete_sheet("One"),
    }
    work = works[operation]
    if drop == "before" and operation != "rename":
        with pytest.raises(OutcomeUnknownError):
            work()
    work_done = drop == "after" or operation == "rename"
    if work_done:
        work()
    titles = {"add": ["Sheet1", "One", "Two"], "copy": ["Sheet1", "One", "Two"], "rename": ["Sheet1", "Two"]}
    after = titles.get(operation, ["Sheet1"]) if work_done else ["Sheet1", "One"]
    assert [worksheet.title for worksheet in book.list_sheets()] == after


@pytest.mark.parametrize("growth", ["data", "range", "refused"])
def test_the_grid_grows(lark: Emulator, sheet: Sheet[Any], growth: str) -> None:
    lark.settings(grid_growth=growth)
    sheet.write("Z201", [[DAY, "00"]] * 2)
    assert sheet.read("Z200:AB203") == [[None] * 2, [DAY, "00"], [DAY, "00"]]
    with pytest.raises(
        InvalidRequestError, match="must begin on the sheet 'Sheet1', which has 202 rows and 27"
    ):
        sheet.read("AB1")
    with pytest.raises(ConflictError, match=f"at most {MAX_COLUMNS:,} columns and 5,000,000 cells"):
        sheet.write("A200000", [[1]])


@pytest.mark.parametrize("drop", ["before", "after"])
def test_growth_survives_a_lost_answer(lark: Emulator, sheet: Sheet[Any], drop: str) -> None:
    lark.fault("POST", "*/dimension_range", drop=drop)
    sheet.write("A300", [[1]])
    assert sheet.read("A300:A999") == [[1]]


def test_a_large_table_is_split_and_read_in_windows(lark: Emulator, sheet: Sheet[Any]) -> None:
    table = [[row * 1000 + column for column in range(120)] for row in range(300)]
    lark.settings(max_sheet_request_bytes=60_000, max_sheet_answer_bytes=70_000)
    written = sheet.write("B2", table)
    assert (written.range, written.cells) == ("B2:DQ301", 36_000)
    assert written.calls > 5
    assert sheet.read("B2:DQ301") == table
    assert list(sheet.read_rows("B2:DQ")) == table
    assert count(lark, READ) > 10


def test_a_range_without_an_end_ends_with_its_data(sheet: Sheet[Any]) -> None:
    sheet.write("A1", [["a", None], [None, None], [None, "b"], [None, None]])
    assert sheet.read() == [["a", None], [None, None], [None, "b"]]
    assert sheet.read("A2:C") == [[None, None, None], [None, "b", None]]
    assert list(sheet.read_rows("A:B")) == [["a", None], [None, None], [None, "b"]]
    assert sheet.read("D:E") == []
    assert sheet.read("3:4") == [[None, "b"], [None, None]]


def test_a_spreadsheet_that_changes_is_read_again(lark: Emulator, token: str, sheet: Sheet[Any]) -> None:
    sheet.write("A1", [[number] for number in range(150)])
    lark.settings(max_sheet_answer_bytes=600)
    edit = {"do": "insert_rows", "at": 1, "count": 1}
    lark.plan_sheet_edit(token, [edit], before="read", skip=6)
    assert sheet.read("A:A") == [[None], *([number] for number in range(150))]
    lark.plan_sheet_edit(token, [edit], before="read", skip=6)
    with pytest.raises(ConflictError, match=r"was changed while rows .* were read") as error:
        list(sheet.read_rows("A:A"))
    assert error.value.retryable
    lark.plan_sheet_edit(token, [edit], before="read", skip=6)
    assert len(list(sheet.read_rows("A:A", consistent=False))) >= 150


def test_append_and_clear(lark: Emulator, do: Do, token: str) -> None:
    do(lambda c: c.clouddoc.sheets.write(token, "A1", [["Day", "No"], [DAY, "01"]]))
    added = do(lambda c: c.clouddoc.sheets.append(token, "A:B", [[DAY, "02"], [DAY, "03"]]))
    assert added.range == "A3:B4"
    assert do(lambda c: c.clouddoc.sheets.read(token)) == [
        ["Day", "No"],
        *([DAY, f"0{number}"] for number in (1, 2, 3)),
    ]
    cleared = do(lambda c: c.clouddoc.sheets.clear(token, "A2:B"))
    assert cleared.rows == 201
    assert do(lambda c: c.clouddoc.sheets.read(token)) == [["Day", "No"]]
    with pytest.raises(
        InvalidRequestError, match=r"append takes 5,000 rows, .* use write_table\(mode=\"append\"\)"
    ):
        do(lambda c: c.clouddoc.sheets.append(token, "A:B", [[1]] * 5001))
    lark.fault("POST", "*/values_append", drop="after")
    with pytest.raises(OutcomeUnknownError):
        do(lambda c: c.clouddoc.sheets.append(token, "A:A", [["x"]]))


@pytest.mark.parametrize("match_case", ["ignores", "matches"])
def test_find(lark: Emulator, sheet: Sheet[Any], match_case: str) -> None:
    lark.settings(match_case=match_case)
    sheet.write("A1", [["Paid", "paid"], ["unpaid", 5]])
    assert sheet.find("paid") == [(1, 1), (1, 2), (2, 1)]
    assert sheet.find("Paid", match_case=True) == [(1, 1)]
    assert sheet.find("paid", whole_cell=True, range="A1:A9") == [(1, 1)]
    assert sheet.find("5") == [(2, 2)]
    assert sheet.find("nothing") == []
    with pytest.raises(InvalidRequestError, match="text must be a non-empty string"):
        sheet.find("")


def test_styles_widths_freeze(lark: Emulator, do: Do, token: str) -> None:
    do(lambda c: c.clouddoc.sheets.write(token, "A1", [["Day", "Paid"], [DAY, 5]]))
    do(
        lambda c: c.clouddoc.sheets.style(
            token, "A1:B1", Style(bold=True, background="#F5F6F7", align="center")
        )
    )
    do(lambda c: c.clouddoc.sheets.style(token, "B2:B", Style(formatter="#,##0.00")))
    do(lambda c: c.clouddoc.sheets.set_widths(token, {"A": 120, "B:C": 80, 30: 50}))
    do(lambda c: c.clouddoc.sheets.set_heights(token, {1: 40}))
    frozen = do(lambda c: c.clouddoc.sheets.freeze(token, rows=1, columns=2))
    assert (frozen.frozen_rows, frozen.frozen_columns, frozen.columns) == (1, 2, 30)
    assert do(lambda c: c.clouddoc.sheets.read(token, "B2", shown=True)) == [["5.00"]]
    before = count(lark, BATCH)
    do(lambda c: c.clouddoc.sheets.freeze(token, rows=1))
    assert count(lark, BATCH) == before
    assert do(lambda c: c.clouddoc.sheets.freeze(token, rows=0, columns=0)).frozen_rows == 0


def test_merges(sheet: Sheet[Any], token: str) -> None:
    book = LarkServiceClient().clouddoc.sheets.open(token)
    sheet.merge("A1:C2", "rows")
    sheet.merge("A1:C2", "rows")
    assert book.list_sheets()[0].merges == (Range(1, 1, 1, 3), Range(2, 1, 2, 3))
    with pytest.raises(InvalidRequestError, match="overlaps merged cells: A1:C1"):
        sheet.merge("B1:D1")
    with pytest.raises(InvalidRequestError, match="has merged cells that would hide values: A1:C1"):
        sheet.write("A1", [["x", "y"]])
    sheet.write("A1", [["x", None, None]])
    sheet.unmerge("A1:A1")
    assert book.list_sheets()[0].merges == (Range(2, 1, 2, 3),)
    sheet.unmerge()
    sheet.unmerge()
    assert book.list_sheets()[0].merges == ()


def test_rows_are_inserted_and_deleted_by_their_numbers(sheet: Sheet[Any]) -> None:
    sheet.write("A1", [[1], [2], [3]])
    sheet.insert_rows(2, 2)
    assert sheet.read() == [[1], [None], [None], [2], [3]]
    sheet.delete_rows(2, 3)
    assert sheet.read() == [[1], [3]]


@pytest.mark.parametrize("again", ["refused", "overwrites"])
def test_a_filter_is_made_once(lark: Emulator, sheet: Sheet[Any], again: str) -> None:
    lark.settings(filter_again=again)
    sheet.write("A1", [["Name", "Paid"], ["a", 1], ["b", 5]])
    assert sheet.get_filter() is None
    assert sheet.set_filter("A1:B3").conditions == {}
    created = count(lark, "POST /open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/:sheet_id/filter")
    sheet.set_filter("A1:B3")
    condition = Condition("number", ["3"], "greater")
    assert created == count(
        lark, "POST /open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/:sheet_id/filter"
    )
    shown = sheet.set_filter("A1:B3", {"B": condition})
    assert [dict(criterion.to_lark()) for criterion in shown.conditions["B"]] == [condition.to_lark()]
    assert sheet.set_filter("A1:B3").conditions == shown.conditions  # what was chosen stays
    assert sheet.set_filter("A1:B2", {1: condition, 2: condition}).conditions.keys() == {"A", "B"}
    assert sheet.clear_filter() is True
    assert sheet.clear_filter() is False


def test_conditional_formats_are_made_once(sheet: Sheet[Any]) -> None:
    wanted = [
        ConditionalFormat(["B2:B9"], "cellIs", Style(color="#FF0000", bold=True), "greaterThan", [3]),
        ConditionalFormat(
            ["A1:A9", "C1:C9"], "containsText", Style(background="#00ff00"), "beginsWith", ["x"]
        ),
        ConditionalFormat(["A:A"], "duplicateValues", Style(underline=True)),
    ]
    rules = sheet.add_conditional_formats(wanted)
    assert [rule.rule_type for rule in rules] == ["cellIs", "containsText", "duplicateValues"]
    assert sheet.add_conditional_formats(wanted + wanted) == rules
    assert sheet.add_conditional_formats(rules) == rules
    with pytest.raises(InvalidRequestError, match="at most 20 conditional formats, got 3 and 18 more"):
        sheet.add_conditional_formats(ConditionalFormat([f"A{row}"], "uniqueValues") for row in range(1, 19))
    assert sheet.delete_conditional_formats([rules[0].id or ""]) == 1
    assert sheet.delete_conditional_formats() == 2
    assert sheet.list_conditional_formats() == []


def test_a_spreadsheet_that_was_not_shared_is_named(lark: Emulator, do: Do) -> None:
    token = lark.add_document("Theirs", type="sheet")
    with pytest.raises(PermissionDeniedError, match="Next: share the document with the app"):
        do(lambda c: c.clouddoc.sheets.read(token, "A1"))
    lark.share_document(token, f"app:{lark.app_id}", "view")
    assert do(lambda c: c.clouddoc.sheets.read(token)) == []
    with pytest.raises(PermissionDeniedError):
        do(lambda c: c.clouddoc.sheets.write(token, "A1", [[1]]))


@pytest.mark.parametrize("busy", ["90217", "90235"])
def test_a_busy_spreadsheet_is_tried_again(lark: Emulator, do: Do, token: str, busy: str) -> None:
    lark.fault("PUT", "*/values", code=int(busy), status=400, times=2)
    assert do(lambda c: c.clouddoc.sheets.write(token, "A1", [[1]])).calls == 1


def test_a_lost_answer_to_values_is_repeated(lark: Emulator, do: Do, token: str) -> None:
    for drop in ("before", "after"):
        lark.fault("PUT", "*/values", drop=drop)
        do(lambda c: c.clouddoc.sheets.write(token, "A1", [[1]]))
    lark.fault("PUT", "*/values", status=502, body="<html>", perform="first")
    do(lambda c: c.clouddoc.sheets.write(token, "A1", [[2]]))
    assert do(lambda c: c.clouddoc.sheets.read(token)) == [[2]]


def test_unknown_worksheets_are_named(do: Do, token: str) -> None:
    with pytest.raises(NotFoundError, match="has no worksheet 'Nope'; its worksheets: 'Sheet1'") as error:
        do(lambda c: c.clouddoc.sheets.read(token, "Nope!A1"))
    assert error.value.code == 90215
    with pytest.raises(NotFoundError, match="has no worksheet 7; its worksheets: 'Sheet1'"):
        do(lambda c: c.clouddoc.sheets.open(token)[7].read("A1"))


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda c, t: c.read(t, "nonsense"), "A range must be A1 text"),
        (lambda c, t: c.write(t, "A1", [[float("nan")]]), "Cell A1 must be a finite number"),
        (lambda c, t: c.write(t, "B3", [[1, 2], [3]]), "got 1 in row 4"),
        (lambda c, t: c.write(t, "A1", [["x" * 50_001]]), "Cell A1 must have at most 50,000 characters"),
        (
            lambda c, t: c.write(t, "A1:B1", [[1], [2]]),
            "must be as large as the values, which need A1:A2, got A1:B1",
        ),
        (lambda c, t: c.write(t, "SFC1", [[1, 2]]), "within 13,000 columns"),
        (lambda c, _: c.create(""), "title of a spreadsheet must have 1 to 255"),
        (lambda c, _: c.create("x" * 256), "title of a spreadsheet must have 1 to 255"),
        (lambda c, t: c.add_sheet(t, "a/b"), "title of a worksheet must have 1 to 100"),
        (lambda c, t: c.rename_sheet(t, "Sheet1", ""), "title of a worksheet must have 1 to 100"),
        (lambda c, _: c.read("https://x.feishu.cn/docx/doxcn1"), "must lead to a sheet, got a docx"),
        (lambda c, t: c.style(t, "A1", Style()), "A style must be at least one property"),
        (lambda c, t: c.style(t, "A1", Style(color="red")), "color must be a colour such as #f5f6f7"),
        (lambda c, t: c.style(t, "A1", {"bold": True}), "style must be a Style"),
        (lambda c, t: c.set_widths(t, {"A": 0}), "A size must be a column or row"),
        (lambda c, t: c.set_widths(t, {"1": 10}), "A size must be a column or row"),
        (lambda c, t: c.insert_rows(t, 0), "Rows must be a number from 1"),
        (lambda c, t: c.merge(t, "A1:B2", "x"), "kind must be one of all, rows, columns"),
        (lambda c, t: c.set_filter(t, "A1:B2", {"1": Condition()}), "A column must be letters or a number"),
    ],
)
def test_bad_input_is_named_before_anything_is_sent(
    lark: Emulator, do: Do, token: str, work: Any, words: str
) -> None:
    before = len(lark.requests())
    with pytest.raises(InvalidRequestError, match=words) as error:
        do(lambda c: work(c.clouddoc.sheets, token))
    assert " Next: " in str(error.value)
    assert error.value.http_status is None
    assert len(lark.requests()) == before


def test_a_title_that_lark_ignores_is_noticed(lark: Emulator, do: Do, token: str) -> None:
    lark.fault("POST", "*/sheets_batch_update", status=200, body='{"code":0,"msg":"","data":{"replies":[]}}')
    with pytest.raises(InvalidRequestError, match="did not take the title 'Fine'"):
        do(lambda c: c.clouddoc.sheets.rename_sheet(token, "Sheet1", "Fine"))


def test_a_cell_too_large_for_a_request_is_the_end_of_halving(lark: Emulator, do: Do, token: str) -> None:
    lark.settings(max_sheet_request_bytes=1000)
    with pytest.raises(LarkAPIError) as error:
        do(lambda c: c.clouddoc.sheets.write(token, "A1", [["a", "x" * 2000]]))
    assert error.value.code == 90227


def test_names_and_looks(token: str) -> None:
    book = LarkServiceClient().clouddoc.sheets.open(token)
    assert repr(book) == f"<Spreadsheet {token!r}>"
    assert repr(book["Sheet1"]) == f"<Sheet 'Sheet1' of {token!r}>"
