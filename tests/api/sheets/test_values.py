"""Cells, from Python to Lark and back, without a server."""

from __future__ import annotations

import datetime as dt
import enum
import math
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lark_provider.api.clouddoc.cells import MisfitError
from lark_provider.api.clouddoc.sheets.addressing import Cell, Range
from lark_provider.api.clouddoc.sheets.blocks import encode_column
from lark_provider.api.clouddoc.sheets.decoding import decode, decode_rows
from lark_provider.api.clouddoc.sheets.runs import Runs
from lark_provider.api.clouddoc.sheets.serials import decode_serial, encode_serial
from lark_provider.api.clouddoc.sheets.tabulating import encode
from lark_provider.api.clouddoc.sheets.values import (
    MAX_CHARS,
    Formula,
    Link,
    Mention,
    encode_row,
    to_cell,
)
from lark_provider.errors import InvalidRequestError

numpy = pytest.importorskip("numpy")
pandas = pytest.importorskip("pandas")
BERLIN = dt.timezone(dt.timedelta(hours=1))


class Kind(enum.Enum):
    PAID = "paid"
    OPEN = 1


@pytest.mark.parametrize(
    ("value", "wire", "formatter"),
    [
        (None, "", None),
        ("", "", None),
        ("héllo\n\tworld", "héllo\n\tworld", None),
        (True, True, None),
        (0, 0, None),
        (2**53, 2**53, None),
        (2**53 + 1, "9007199254740993", "@"),
        (123456789012345678, "123456789012345678", "@"),
        (-(10**30), "-1000000000000000000000000000000", "@"),
        (1.5, 1.5, None),
        (Decimal("12.50"), 12.5, None),
        (Decimal(7), 7, None),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789", "@"),
        (Decimal("1.2345678901234567891E-8"), "0.000000012345678901234567891", "@"),
        (Decimal("1E-999999999"), "1E-999999999", "@"),
        (Decimal(9007199254740993), "9007199254740993", "@"),
        ("00123", "00123", "@"),
        ("+8613800000001", "+8613800000001", "@"),
        ("1,234.50", "1,234.50", "@"),
        ("12%", "12%", "@"),
        ("1e5", "1e5", "@"),
        ("2024-01-15", "2024-01-15", "@"),
        ("1/2", "1/2", "@"),
        ("12:30", "12:30", "@"),
        ("true", "true", "@"),
        ("9" * 100, "9" * 100, "@"),
        ("A-1", "A-1", None),
        ("1st", "1st", None),
        ("=SUM(A1:A2)", [{"type": "text", "text": "=SUM(A1:A2)"}], "@"),
        *(
            (text, [{"type": "text", "text": text}], "@")
            for text in ("#N/A", "#n/a", "#REF!", "#DIV/0!", "#NAME?")
        ),
        *((text, text, None) for text in ("#1", "#fff", "#N/A.", "x #N/A", "#", "#data team!")),
        (Formula("=SUM(A1:A2)"), {"type": "formula", "text": "=SUM(A1:A2)"}, None),
        (
            Link("Lark", "https://larksuite.com"),
            {"type": "url", "text": "Lark", "link": "https://larksuite.com"},
            None,
        ),
        (dt.date(2024, 1, 15), 45306, "yyyy-MM-dd"),
        (dt.date(1899, 12, 30), 0, "yyyy-MM-dd"),
        (dt.date(1899, 12, 29), "1899-12-29", "@"),
        (dt.datetime(2024, 1, 15, 12), 45306.5, "yyyy/MM/dd HH:mm:ss"),  # noqa: DTZ001
        (dt.datetime(2024, 1, 15, 12, tzinfo=BERLIN), 45306.5, "yyyy/MM/dd HH:mm:ss"),
        (dt.datetime(1, 1, 1, 2), "0001-01-01 02:00:00", "@"),  # noqa: DTZ001
        (dt.time(6), 0.25, "HH:mm:ss"),
        (Kind.PAID, "paid", None),
        (Kind.OPEN, 1, None),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001", None),
        (numpy.int64(3), 3, None),
        (numpy.float64(1.5), 1.5, None),
        (numpy.bool_(True), True, None),
        (numpy.str_("01"), "01", "@"),
        (numpy.datetime64("2024-01-15T12:00"), 45306.5, "yyyy/MM/dd HH:mm:ss"),
        (pandas.Timestamp("2024-01-15 12:00", tz="Asia/Shanghai"), 45306.5, "yyyy/MM/dd HH:mm:ss"),
        (pandas.NaT, "", None),
        (pandas.NA, "", None),
    ],
)
def test_what_python_has_and_what_lark_takes(value: Any, wire: Any, formatter: str | None) -> None:
    cell = to_cell(value)
    assert cell == (wire, formatter)
    assert type(cell[0]) is type(wire)


def test_a_mention_names_the_kind_of_its_id() -> None:
    kinds = [to_cell(Mention(person_id))[0]["textType"] for person_id in ("ou_1", "on_1", "a@b.example")]
    assert kinds == ["openId", "unionId", "email"]
    assert to_cell(Mention("ou_1"))[0]["notify"] is False


def test_aware_datetimes_are_converted_where_a_zone_is_named() -> None:
    assert to_cell(dt.datetime(2024, 1, 15, 12, tzinfo=dt.UTC), BERLIN)[0] == 45306 + 13 / 24
    assert to_cell(dt.datetime(2024, 1, 15, 12), BERLIN)[0] == 45306.5  # noqa: DTZ001 - naive ones are not


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "must be a finite number; None is an empty cell"),
        (math.inf, "must be a finite number"),
        (numpy.float32("nan"), "must be a finite number"),
        (numpy.datetime64("10000-01-01"), "within the years 1 to 9999"),
        (numpy.datetime64("-5000-01-01"), "within the years 1 to 9999"),
        (Decimal("NaN"), "must be a finite number"),
        (Decimal("-Infinity"), "must be a finite number"),
        ("a\x00b", r"no control characters .* U\+0000 at character 2"),
        ("x\x1f", r"U\+001F at character 2"),
        ("\ud800", "valid Unicode, without a lone surrogate"),
        ("x" * (MAX_CHARS + 1), "at most 50,000 characters and has 50,001"),
        ([1], "must be text, a number"),
        ({"type": "formula", "text": "=1"}, "must be text, a number"),
        (b"x", "must be text, a number"),
        (object(), "must be text, a number"),
        (numpy.array([1]), "must be text, a number"),
        (dt.timedelta(1), "must be text, a number"),
        (Formula("SUM(A1)"), "must be a formula that begins with ="),
        (Link("", "https://x"), "must be a Link with a text"),
        (Link("x", "javascript:alert(1)"), "must be a Link to an http"),
        (Mention("alice"), "must be a Mention of an open_id"),
        (Link("a\x00", "https://x"), "no control characters"),
    ],
)
def test_what_no_cell_holds_is_named_with_its_cell(value: Any, reason: str) -> None:
    with pytest.raises(MisfitError, match=reason):
        to_cell(value)
    with pytest.raises(InvalidRequestError, match=rf"Cell D12 .*{reason}.* Next: change the value") as error:
        encode_row([1, value], 12, 3)
    assert error.value.field_violations[0]["field"] == "D12"
    assert error.value.http_status is None


def test_a_moment_that_its_zone_cannot_have_is_named() -> None:
    with pytest.raises(InvalidRequestError, match="within the years 1 to 9999 in the zone"):
        encode_row([dt.datetime(1, 1, 1, tzinfo=dt.UTC)], 1, zone=dt.timezone(-dt.timedelta(hours=5)))


def test_fifty_thousand_characters_are_taken() -> None:
    assert to_cell("x" * MAX_CHARS) == ("x" * MAX_CHARS, None)


def test_ragged_rows_are_named() -> None:
    with pytest.raises(InvalidRequestError, match="must have 2 values as the first one has, got 1 in row 6"):
        encode([[1, 2], [3]], Cell(5, 1))


@pytest.mark.parametrize("rows", ["abc", [1, 2], [["a"], "b"], {"a": 1}, 5, [{"a": 1}]])
def test_what_is_no_table_is_named(rows: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"must be a list .*Next: write \[\[1, 2\], \[3, 4\]\]"):
        encode(rows)


@pytest.mark.parametrize("rows", [[], [[]], [[], []]])
def test_no_values_are_refused(rows: Any) -> None:
    with pytest.raises(InvalidRequestError, match="must have at least one cell"):
        encode(rows)


def test_formats_are_gathered_down_the_columns() -> None:
    day = dt.date(2024, 1, 15)
    table = encode([["No", "Day"], ["01", day], ["x", None], ["02", day], [3, 4], ["04", day]], Cell(3, 2))
    assert table.range == Range(3, 2, 8, 3)
    # Other text and empty cells do not break a run; numbers do.
    assert table.formats == {
        "@": [Range(4, 2, 6, 2), Range(8, 2, 8, 2)],
        "yyyy-MM-dd": [Range(4, 3, 6, 3), Range(8, 3, 8, 3)],
    }


def test_runs_begin_again() -> None:
    runs = Runs()
    runs.add(1, [("01", "@")])
    assert runs.close() == {"@": [Range(1, 1, 1, 1)]}
    runs.add(2, [("02", "@")])
    assert runs.close() == {"@": [Range(2, 1, 2, 1)]}


moments = st.datetimes(min_value=dt.datetime(1899, 12, 30))  # noqa: DTZ001


@given(moments)
@example(dt.datetime(2026, 1, 31, 23, 59, 59, 999_999))  # noqa: DTZ001
@example(dt.datetime.max)  # noqa: DTZ901
def test_serial_numbers_keep_milliseconds(value: dt.datetime) -> None:
    # A moment that is rounded up may belong to the next day.
    exact = value.replace(microsecond=value.microsecond // 1000 * 1000)
    assert decode_serial(encode_serial(value)) == exact
    assert encode_column((value,)).cells == [encode_serial(value)]


@given(st.times())
def test_times_stay_within_their_day(value: dt.time) -> None:
    days = encode_serial(value)
    assert 0 <= days < 1
    assert decode(days, "23:59:59") == value.replace(microsecond=value.microsecond // 1000 * 1000)


@pytest.mark.parametrize(
    ("cell", "shown", "read"),
    [
        (None, None, None),
        ("", "", None),
        (5, 5, 5),
        (5, "5", 5),
        (-1.5, "-1.5", -1.5),
        (0.5, "50%", 0.5),
        (1234, "1,234", 1234),
        (45306, "2024-01-15", dt.date(2024, 1, 15)),
        (45306, "2024/01/15", dt.date(2024, 1, 15)),
        (45306, "2024年1月15日", dt.date(2024, 1, 15)),
        (45306, "15 Jan", dt.date(2024, 1, 15)),
        (45306, "2024/01/15 00:00:00", dt.datetime(2024, 1, 15)),  # noqa: DTZ001
        (45306.5, "2024/01/15 12:00:00", dt.datetime(2024, 1, 15, 12)),  # noqa: DTZ001
        (45306.5, "2024-01-15", dt.datetime(2024, 1, 15, 12)),  # noqa: DTZ001 - nothing is lost
        (0.25, "06:00:00", dt.time(6)),
        (45306.5, "12:00:00", dt.datetime(2024, 1, 15, 12)),  # noqa: DTZ001
        (1e12, "2024-01-15", 1e12),
        (True, "TRUE", True),
        ("text", "text", "text"),
        ([{"type": "url", "text": "a", "link": "https://x"}], None, Link("a", "https://x")),
        ([{"type": "url", "text": "https://x", "link": "https://x"}], None, "https://x"),
        ([{"type": "url", "text": "a@b.example", "link": "mailto:a@b.example"}], None, "a@b.example"),
        (
            [{"type": "mention", "text": "@Alice", "textType": "openId", "token": "ou_1"}],
            None,
            Mention("ou_1"),
        ),
        ([{"type": "mention", "text": "Plan", "textType": "fileToken", "token": "doxcn1"}], None, "Plan"),
        ([{"type": "text", "text": "=1"}], None, "=1"),
        ([{"type": "text", "text": "a"}, {"type": "url", "text": "b", "link": "https://x"}], None, "ab"),
        ({"type": "#UNSUPPORT VALUE"}, None, {"type": "#UNSUPPORT VALUE"}),
    ],
)
def test_what_lark_answers_and_what_python_has(cell: Any, shown: Any, read: Any) -> None:
    value = decode(cell, shown)
    assert value == read
    assert type(value) is type(read)


def test_rows_and_cells_that_are_cut_off_do_no_harm() -> None:
    assert decode_rows([[45306, 1], [2]], [["2024-01-15"]]) == [[dt.date(2024, 1, 15), 1], [2]]
    assert decode_rows([["a", ""]], None) == [["a", None]]
