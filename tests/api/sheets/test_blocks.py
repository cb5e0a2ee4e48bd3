"""Rows that are converted at once are those that are converted one by one."""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.api.clouddoc.sheets.addressing import Cell, Range
from lark_provider.api.clouddoc.sheets.blocks import BLOCK, CellKind, encode_block, encode_column
from lark_provider.api.clouddoc.sheets.runs import Runs
from lark_provider.api.clouddoc.sheets.tabulating import encode
from lark_provider.api.clouddoc.sheets.values import TEXT, Formula, encode_row
from lark_provider.errors import InvalidRequestError

kinds = [
    st.text(max_size=8),
    st.from_regex(r"[=+0-9./:-]{1,8}", fullmatch=True),
    st.integers(),
    st.integers(-100, 100),
    st.floats(),
    st.decimals(),
    st.decimals(0, 1000, places=2),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(dt.UTC)),
    st.times(),
    st.just(Formula("=A1")),
]
columns = st.sampled_from(kinds) | st.sampled_from(kinds).flatmap(
    lambda kind: st.just(st.none() | kind) | st.sampled_from(kinds).map(lambda other: other | kind)
)
tables = st.lists(columns, min_size=1, max_size=4).flatmap(
    lambda strategies: st.lists(st.tuples(*strategies), min_size=1, max_size=12)
)


@given(tables)
def test_a_block_is_its_rows(table: list[tuple[Any, ...]]) -> None:
    try:
        expected = [encode_row(row, number) for number, row in enumerate(table, 5)]
    except InvalidRequestError as error:
        with pytest.raises(InvalidRequestError, match=re.escape(str(error))):
            encode_block(table, 5)
        return
    block = encode_block(table, 5)
    assert block.rows == [tuple(cell for cell, _ in row) for row in expected]
    for place, formats in enumerate(block.formats):
        for number, row in enumerate(expected):
            cell_format = formats[number] if isinstance(formats, list) else formats
            wire, formatter = row[place]
            # Other text beside text that needs it may have the format of text, and empty cells any.
            assert cell_format == formatter or wire == "" or (cell_format == TEXT and type(wire) is str)


@pytest.mark.parametrize(
    "values",
    [
        (Decimal("1E-400"), Decimal(1)),  # no double but 0 is near it
        (10**400, 1),
        (10**400, 1.5),
        (2**53 - 1, -(2**53)),
        ("\u2003 12", "x"),
        ("\u0661\u0662", "x"),
        ("t", "True"),
        ("a\tb", "c\nd"),
        ("#fff", "#N/A"),
        ("#REF!", "x"),
        ("#1", "x", "#N/A."),
    ],
)
def test_what_a_column_at_once_could_get_wrong(values: tuple[Any, ...]) -> None:
    table = [(value,) for value in values]
    expected = [encode_row(row, 1)[0] for row in table]
    block = encode_block(table, 1)
    assert [repr(row[0]) for row in block.rows] == [repr(wire) for wire, _ in expected]
    formats = block.formats[0] if isinstance(block.formats[0], list) else [block.formats[0]] * len(table)
    needed = [formatter for _, formatter in expected]
    assert formats == needed or formats == [TEXT] * len(table)


def test_a_large_table_has_few_formats() -> None:
    day = dt.date(2026, 1, 1)
    table = encode([["Day", "No"], *([day, f"{number:05d}"] for number in range(3 * BLOCK))], Cell(2, 2))
    assert table.range == Range(2, 2, 3 * BLOCK + 2, 3)
    assert table.formats == {
        "yyyy-MM-dd": [Range(3, 2, 3 * BLOCK + 2, 2)],
        "@": [Range(2, 3, 3 * BLOCK + 2, 3)],  # a title is text as well
    }


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (math.nan, "Cell C1204 must be a finite number"),
        (Decimal("sNaN"), "Cell C1204 must be a finite number"),
        ("a\x00", r"Cell C1204 must have no control characters"),
        ("x" * 50_001, "Cell C1204 must have at most 50,000 characters"),
    ],
)
def test_a_value_far_down_is_named(value: Any, words: str) -> None:
    same = 1.5 if isinstance(value, float) else Decimal(1) if isinstance(value, Decimal) else "x"
    rows: list[list[Any]] = [[0, same] for _ in range(1300)]
    rows[1200][1] = value
    with pytest.raises(InvalidRequestError, match=words):
        encode(rows, Cell(4, 2))


def test_a_row_far_down_is_named() -> None:
    rows = [[1, 2]] * 1000 + [[1]]
    with pytest.raises(
        InvalidRequestError, match="must have 2 values as the first one has, got 1 in row 1001"
    ):
        encode(rows)


def test_blocks_and_rows_may_follow_each_other() -> None:
    runs = Runs()
    runs.add(1, encode_row(["Day", "No"], 1))
    block = encode_block([[dt.date(2026, 1, 1), "01"], [None, "x"]], 2)
    block.add_to(runs, 2)
    runs.add(4, encode_row([dt.date(2026, 1, 1), 5], 4))
    assert runs.close() == {"yyyy-MM-dd": [Range(2, 1, 4, 1)], "@": [Range(2, 2, 3, 2)]}


def test_finite_numbers_with_a_sum_that_is_too_large_are_numbers() -> None:
    assert encode_column((1.7e308, 1.0e308, 2.0)).kind is CellKind.NUMBER
