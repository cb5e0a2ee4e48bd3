"""Cells and ranges, in letters and numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.api.clouddoc.sheets.addressing import (
    MAX_COLUMNS,
    Cell,
    Range,
    format_column,
    parse_column,
    parse_range,
)
from lark_provider.errors import InvalidRequestError

rows, columns = st.integers(1, 4_000_000), st.integers(1, MAX_COLUMNS)
titles = st.text(min_size=1, max_size=20).filter(lambda text: text.strip() == text and "'" not in text)


@given(st.integers(1, 20_000))
def test_columns_have_letters(number: int) -> None:
    assert parse_column(format_column(number)) == number
    assert parse_column(format_column(number).lower()) == number


def test_letters_are_those_of_people() -> None:
    assert [format_column(number) for number in (1, 26, 27, 52, 53, 702, 703)] == [
        "A",
        "Z",
        "AA",
        "AZ",
        "BA",
        "ZZ",
        "AAA",
    ]


@given(rows, columns, st.none() | rows, st.none() | columns, st.none() | titles)
def test_a_range_is_read_as_it_is_written(
    row: int, column: int, height: int | None, width: int | None, title: str | None
) -> None:
    last_row = None if height is None else min(row + height, 4_999_999)
    last_column = None if width is None else min(column + width, MAX_COLUMNS)
    written = Range(row, column, last_row, last_column)
    assert parse_range(written.a1 or None) == written
    if title is not None:
        assert parse_range(f"'{title}'!{written.a1}") == written._replace(sheet=title)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("A1", Range(1, 1, 1, 1)),
        (" b2:$D$4 ", Range(2, 2, 4, 4)),
        ("D4:B2", Range(2, 2, 4, 4)),
        ("A:C", Range(1, 1, None, 3)),
        ("A2:C", Range(2, 1, None, 3)),
        ("2:5", Range(2, 1, 5, None)),
        ("C2:", Range(2, 3)),
        ("", Range()),
        (None, Range()),
        ((3, 2), Range(3, 2, 3, 2)),
        ((1, 2, 3, 4), Range(1, 2, 3, 4)),
        ("Sheet1!A1:B2", Range(1, 1, 2, 2, "Sheet1")),
        ("'It''s 1!'!A1", Range(1, 1, 1, 1, "It's 1!")),
        ("0b**12!", Range(sheet="0b**12")),
    ],
)
def test_ranges_as_people_write_them(given: str | tuple[int, int] | None, read: Range) -> None:
    assert parse_range(given) == read


@pytest.mark.parametrize(
    "given",
    [
        "A",
        "1",
        "A0",
        "Sheet1",
        "1:C",
        "A1:B2:C3",
        "A-1",
        "A1,B2",
        (0, 1),
        (1, 1, 0, 1),
        (1,),
        (True, 1),
        5,
        [1, 2],
    ],
)
def test_what_is_no_range_is_named(given: object) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"A range must be A1 text or numbers from 1, got .* Next: write"
    ):
        parse_range(given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["A1:SFC2", "A9999999", (1, 13_001)])
def test_no_sheet_is_that_large(given: str | tuple[int, int]) -> None:
    with pytest.raises(InvalidRequestError, match="within 13,000 columns and 5,000,000 rows"):
        parse_range(given)


def test_lark_wants_both_corners_and_the_id() -> None:
    assert Range.from_size(Cell(2, 3), 1, 1).on("0b12") == "0b12!C2:C2"
    assert Range.from_size(Cell(2, 3), 4, 2).on("0b12") == "0b12!C2:D5"


def test_a_range_is_cut_at_the_grid() -> None:
    assert Range(2, 1, None, None).within(10, 5) == Range(2, 1, 10, 5)
    assert Range(2, 1, 99, 99).within(10, 5) == Range(2, 1, 10, 5)
    assert Range(11, 1).within(10, 5) is None
    assert Range(1, 6, 1, 6).within(10, 5) is None


small = st.builds(
    lambda row, column, down, across: Range(row, column, row + down, column + across),
    *[st.integers(1, 6)] * 2,
    *[st.integers(0, 4)] * 2,
)


@given(small, small)
def test_ranges_meet_where_they_share_a_cell(one: Range, other: Range) -> None:
    def list_cells(area: Range) -> set[tuple[int, int]]:
        assert area.last_row is not None
        assert area.last_column is not None
        across = range(area.first_column, area.last_column + 1)
        return {(row, column) for row in range(area.first_row, area.last_row + 1) for column in across}

    assert one.meets(other) == bool(list_cells(one) & list_cells(other))


@given(st.text(max_size=12))
def test_any_text_is_a_range_or_is_named(text: str) -> None:
    try:
        area = parse_range(text)
    except InvalidRequestError as error:
        text_of_error = str(error)
    else:
        text_of_error = "Next: "
        assert parse_range(area) == area
    assert "Next: " in text_of_error
