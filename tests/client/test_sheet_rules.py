"""Rules of worksheets under failure, and the less common ways to write."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.sheets import Condition, ConditionalFormat, Formula, Style
from lark_provider.client.sheets import Sheet
from lark_provider.errors import InvalidRequestError, LarkAPIError, OutcomeUnknownError
from tests.client.conftest import Do


@pytest.fixture
def sheet(lark: Emulator) -> Sheet[Any]:
    lark.settings(rate_limits=False, sheet_write_ms=0)
    sheets = LarkServiceClient().clouddoc.sheets
    return sheets.open(sheets.create("Daily").token)["Sheet1"]


RED = ConditionalFormat(["B2:B9"], "cellIs", Style(color="#ff0000"), "greaterThan", [3])


def test_single_conditional_formats_may_be_refused(lark: Emulator, sheet: Sheet[Any]) -> None:
    body = (
        '{"code":0,"msg":"success","data":{"responses":[{"res_code":0,"res_msg":"success","cf_id":"a"},'
        '{"res_code":90230,"res_msg":"unknown rule_type"}]}}'
    )
    lark.fault("POST", "*/condition_formats/batch_create", status=200, body=body)
    other = ConditionalFormat(["A1:A2", "C1"], "uniqueValues", Style(bold=True))
    refused = r"Lark refused 1 conditional format\(s\): uniqueValues on \S+A1:A2, \S+C1:C1: 90230 unknown"
    with pytest.raises(LarkAPIError, match=refused) as error:
        sheet.add_conditional_formats([RED, other])
    assert error.value.code == 90230


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_lost_answer_to_conditional_formats_is_settled(
    lark: Emulator, sheet: Sheet[Any], drop: str
) -> None:
    lark.fault("POST", "*/condition_formats/batch_create", drop=drop)
    if drop == "before":
        with pytest.raises(OutcomeUnknownError):
            sheet.add_conditional_formats([RED])
    assert len(sheet.add_conditional_formats([RED])) == 1


def test_conditions_come_back_as_they_were_set(sheet: Sheet[Any]) -> None:
    wanted = [
        ConditionalFormat(["A1:A9"], "cellIs", Style(bold=True, italic=False), "between", [1, 2.5]),
        ConditionalFormat(["A1:A9"], "cellIs", Style(strike=True), "equal", ['say "x"']),
        ConditionalFormat(
            ["A1:A9"], "cellIs", Style(underline=True, strike=True), "lessThan", [Formula("$B$1")]
        ),
        ConditionalFormat(["A1:A9"], "timePeriod", Style(background="#abcdef"), values=["last7Days"]),
    ]
    rules = sheet.add_conditional_formats(wanted)
    assert [list(rule.values) for rule in rules] == [list(rule.values) for rule in wanted]
    assert [rule.operator for rule in rules] == [rule.operator for rule in wanted]
    assert sheet.add_conditional_formats(rules) == rules


@pytest.mark.parametrize(
    ("format_", "words"),
    [
        (ConditionalFormat(["A1"], "nonsense"), "rule_type must be one of"),  # type: ignore[arg-type]
        (ConditionalFormat([], "uniqueValues"), "must have ranges, got none"),
        (ConditionalFormat(["A1"], "cellIs", operator="between", values=[1]), r"must have 2 value\(s\)"),
        (ConditionalFormat(["A1"], "containsText"), "containsText must have one value"),
        (
            ConditionalFormat(["A1"], "uniqueValues", Style(font_size=12)),
            "style of a conditional format must be",
        ),
        (ConditionalFormat(["ZZ1"], "uniqueValues"), "The range must begin on the sheet"),
        (ConditionalFormat(["Other!A1"], "uniqueValues"), "must be on the worksheet 'Sheet1', got 'Other'"),
    ],
)
def test_wrong_conditional_formats_are_named(
    sheet: Sheet[Any], format_: ConditionalFormat, words: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        sheet.add_conditional_formats([format_])
    assert sheet.list_conditional_formats() == []


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_lost_answer_to_a_filter_is_settled(lark: Emulator, sheet: Sheet[Any], drop: str) -> None:
    sheet.write("A1", [["Name"], ["a"]])
    lark.fault("POST", "*/filter", drop=drop)
    wanted = {"A": Condition("multiValue", ["b"])}
    if drop == "before":
        with pytest.raises(OutcomeUnknownError):
            sheet.set_filter("A1:A2", wanted)
    assert sheet.set_filter("A1:A2", wanted).hidden_rows == (2,)


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_lost_answer_to_the_end_of_a_filter_is_repeated(
    lark: Emulator, sheet: Sheet[Any], drop: str
) -> None:
    sheet.set_filter("A1:A2")
    lark.fault("DELETE", "*/filter", drop=drop)
    assert sheet.clear_filter() is True
    assert sheet.get_filter() is None


def test_a_second_condition_that_lark_has_not_taken_is_not_passed_over(
    lark: Emulator, sheet: Sheet[Any]
) -> None:
    sheet.write("A1", [["Name", "Paid"], ["a", 1], ["b", 5]])
    wanted: dict[str | int, Condition] = {
        "A": Condition("multiValue", ["a"]),
        "B": Condition("number", ["3"], "greater"),
    }
    lark.fault("PUT", "*/filter", drop="before")
    with pytest.raises(OutcomeUnknownError):
        LarkServiceClient(max_retries=0).clouddoc.sheets.set_filter(sheet.ref.token, "A1:B3", wanted)
    assert sheet.set_filter("A1:B3", wanted).conditions.keys() == {"A", "B"}


def test_the_filter_of_another_worksheet_stays(sheet: Sheet[Any]) -> None:
    sheets = LarkServiceClient().clouddoc.sheets
    sheets.add_sheet(sheet.ref.token, "Other")
    other = sheets.open(sheet.ref.token)["Other"]
    for worksheet in (sheet, other):
        worksheet.write("A1", [["Name"], ["a"]])
        worksheet.set_filter("A1:A2", {"A": Condition("multiValue", ["a"])})
    before = sheet.get_filter()
    sheets.set_filter(sheet.ref.token, "Other!A1:A2", {"A": Condition("multiValue", ["b"])})
    assert sheet.get_filter() == before
    changed = other.get_filter()
    assert changed is not None
    assert changed.hidden_rows == (2,)


def test_the_values_of_a_filter_are_a_list(lark: Emulator, sheet: Sheet[Any]) -> None:
    seen = len(lark.requests())
    with pytest.raises(InvalidRequestError, match=r"expected must be a list, got 'Open'"):
        sheet.set_filter("A1:A2", {"A": Condition("multiValue", "Open")})
    assert len(lark.requests()) == seen


def test_raw_values_are_sent_as_they_are(do: Do, sheet: Sheet[Any]) -> None:
    token = sheet.ref.token
    do(
        lambda c: c.clouddoc.sheets.write(
            token, "A1", [[{"type": "formula", "text": "=SUM(B1:B2)"}, 5]], raw=True
        )
    )
    assert sheet.read("A1:B1") == [[5, 5]]
    with pytest.raises(InvalidRequestError, match=r"rows of the same length, got lengths \[1, 2\]"):
        do(lambda c: c.clouddoc.sheets.write(token, "A1", [[1], [1, 2]], raw=True))


def test_aware_datetimes_are_shown_in_a_zone(sheet: Sheet[Any]) -> None:
    moment = dt.datetime(2026, 1, 31, 20, tzinfo=dt.UTC)
    sheet.write("A1", [[moment]])
    sheet.write("A2", [[moment]], zone="Asia/Shanghai")
    assert sheet.read("A1:A2", shown=True) == [["2026/01/31 20:00:00"], ["2026/02/01 04:00:00"]]
    with pytest.raises(InvalidRequestError):
        sheet.write("A2", [[moment]], zone="Nowhere/City")


def test_append_may_overwrite_what_lies_below(sheet: Sheet[Any]) -> None:
    sheet.write("A1", [["a"], [None], ["below"]])
    sheet.append("A:A", [["b"], ["c"]], insert_rows=False)
    assert sheet.read() == [["a"], ["b"], ["c"]]
    sheet.clear("A2:A3")
    sheet.write("A3", [["below"]])
    sheet.append("A:A", [["b"], ["c"]])
    assert sheet.read() == [["a"], ["b"], ["c"], [None], ["below"]]


def test_an_answer_without_a_range_is_named(lark: Emulator, sheet: Sheet[Any]) -> None:
    lark.fault("POST", "*/values_append", status=200, body='{"code":0,"msg":"","data":{"revision":2}}')
    with pytest.raises(LarkAPIError, match="does not name the range that was written"):
        sheet.append("A:A", [["x"]])
