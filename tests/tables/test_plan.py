"""The pure part: how rows are cut and encoded, and what is concluded from what is written."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.api.clouddoc.sheets.addressing import Range
from lark_provider.api.clouddoc.sheets.pieces import MAX_COLUMNS
from lark_provider.api.clouddoc.sheets.tables.chunks import TableChunk, compute_blocks, encode_chunk
from lark_provider.api.clouddoc.sheets.tables.cutting import Cutter
from lark_provider.api.clouddoc.sheets.tables.encoding import check_sum
from lark_provider.api.clouddoc.sheets.tables.formatting import iterate_pieces
from lark_provider.api.clouddoc.sheets.tables.judging import (
    SegmentVerdict,
    find_offset,
    format_spans,
    judge,
    list_changed_rows,
)
from lark_provider.api.clouddoc.sheets.tables.layout import make_layout
from lark_provider.api.clouddoc.sheets.tables.updating import arrange
from lark_provider.errors import InvalidRequestError

CELLS = st.one_of(
    st.text(max_size=12).filter(lambda text: text != ""),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
)
WIDTHS = st.integers(1, 4)


@st.composite
def tables(draw: st.DrawFn, least: int = 1, most: int = 20) -> list[list[Any]]:
    width = draw(WIDTHS)
    return draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=least, max_size=most))


def make_chunk(cells: list[list[Any]], number: int = 0) -> TableChunk:
    return encode_chunk(number, 1, [*cells], [None] * len(cells[0]), compute_blocks(len(cells[0])))


def cut(cells: list[list[Any]], max_rows: int, max_bytes: int) -> list[TableChunk]:
    cutter = Cutter(compute_blocks(len(cells[0])), max_rows, max_bytes)
    chunks = list(cutter.add(list(zip(*cells, strict=True)), [None] * len(cells[0])))
    return [*chunks, *([last] if (last := cutter.take_rest()) is not None else [])]


@given(tables(), st.integers(1, 7), st.integers(250, 500))
def test_chunks_hold_all_rows_within_the_limits(
    cells: list[list[Any]], max_rows: int, max_bytes: int
) -> None:
    chunks = cut(cells, max_rows, max_bytes)
    assert [row for part in chunks for row in part.rows] == cells
    assert [part.number for part in chunks] == list(range(len(chunks)))
    first = 1
    for table_chunk in chunks:
        assert table_chunk.first == first
        first += table_chunk.count
        assert table_chunk.count <= max_rows
        body = table_chunk.encode_body(0, 0, table_chunk.count, "Q7PlXT!A1:D20")
        assert len(body) <= max_bytes or table_chunk.count == 1
        assert orjson.loads(body) == {"valueRange": {"range": "Q7PlXT!A1:D20", "values": table_chunk.rows}}
    assert [part.digest for part in cut(cells, max_rows, max_bytes)] == [part.digest for part in chunks]


@given(tables(least=3), st.integers(10, 300))
def test_parts_cover_a_chunk_once(cells: list[list[Any]], limit: int) -> None:
    parts = make_chunk(cells).split_rows(0, limit)
    assert [place for first, end in parts for place in range(first, end)] == list(range(len(cells)))
    assert all(first < end for first, end in parts)


@given(st.integers(1, 450))
def test_blocks_cover_all_columns_a_hundred_at_a_time(width: int) -> None:
    blocks = compute_blocks(width)
    assert [place for first, end in blocks for place in range(first, end)] == list(range(width))
    assert all(end - first <= MAX_COLUMNS for first, end in blocks)
    assert len(blocks) == -(-width // MAX_COLUMNS)


def answer_row(row: list[Any]) -> list[Any]:
    """Return a row as Lark may answer it: numbers are doubles."""
    return [float(cell) if isinstance(cell, int) else cell for cell in row]


@given(tables())
def test_rows_are_recognized_as_lark_answers_them(cells: list[list[Any]]) -> None:
    table_chunk = make_chunk(cells)
    now = [answer_row(row) for row in cells]
    assert list_changed_rows(now, table_chunk.sums, table_chunk.unchecked_columns) == []
    assert judge(now, table_chunk).verdict is SegmentVerdict.OURS
    assert find_offset(now, table_chunk.sums, table_chunk.unchecked_columns) == 0


@given(tables(), st.data())
def test_a_changed_row_is_named(cells: list[list[Any]], data: st.DataObject) -> None:
    table_chunk = make_chunk(cells)
    place = data.draw(st.integers(0, len(cells) - 1))
    now = [list(row) for row in cells]
    now[place][0] = "someone's\x7f"
    assert list_changed_rows(now, table_chunk.sums, table_chunk.unchecked_columns) == [place]
    judgement = judge(now, table_chunk)
    assert judgement.foreign == (place,)
    assert judgement.verdict is (SegmentVerdict.MIXED if len(cells) > 1 else SegmentVerdict.FOREIGN)


@given(tables(), st.sets(st.integers(0, 19)))
def test_blank_rows_are_no_reason_to_move(cells: list[list[Any]], blank: set[int]) -> None:
    now: list[list[Any]] = [[None] * len(row) if at in blank else row for at, row in enumerate(cells)]
    judgement = judge(now, make_chunk(cells))
    is_blank = blank >= set(range(len(cells)))
    assert judgement.verdict is (SegmentVerdict.BLANK if is_blank else SegmentVerdict.OURS)
    assert judgement.is_full == (not blank.intersection(range(len(cells))))


@given(tables(), st.integers(1, 5))
def test_rows_that_moved_down_together_are_found(cells: list[list[Any]], inserted: int) -> None:
    table_chunk = make_chunk(cells)
    now = [["someone's\x7f"] * len(cells[0])] * inserted + cells + [[None] * len(cells[0])] * 3
    assert find_offset(now, table_chunk.sums, table_chunk.unchecked_columns) == inserted
    assert (
        find_offset(now[: inserted + len(cells) - 1], table_chunk.sums, table_chunk.unchecked_columns) is None
    )


def test_of_a_wide_row_a_block_may_stand_alone() -> None:
    row = [f"c{place}" for place in range(150)]
    table_chunk = make_chunk([row])
    assert judge([[*row[:100], *[None] * 50]], table_chunk).verdict is SegmentVerdict.OURS
    assert judge([[*row[:99], *[None] * 51]], table_chunk).verdict is SegmentVerdict.FOREIGN


def test_what_lark_computes_is_not_compared() -> None:
    sent = [
        "a",
        {"type": "url", "text": "page", "link": "https://example.com"},
        {"type": "formula", "text": "=1+1"},
        True,
        "",
    ]
    table_chunk = make_chunk([sent])
    assert table_chunk.unchecked_columns == {2, 3}
    link = [{"type": "url", "text": "page", "link": "https://example.com", "cellPosition": None}]
    assert (
        list_changed_rows([["a", link, 2.0, "TRUE", None]], table_chunk.sums, table_chunk.unchecked_columns)
        == []
    )
    assert list_changed_rows(
        [["b", link, 2.0, "TRUE", None]], table_chunk.sums, table_chunk.unchecked_columns
    ) == [0]
    assert check_sum(sent, table_chunk.unchecked_columns) == check_sum(
        ["a", link, 7, None, None], table_chunk.unchecked_columns
    )


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 250), st.integers(1, 250))
def test_styled_pieces_cover_a_range(row: int, rows: int, column: int, columns: int) -> None:
    whole = Range(row, column, row + rows - 1, column + columns - 1)
    ranges = list(iterate_pieces(whole))
    cells = 0
    for piece in ranges:
        assert piece.last_row is not None
        assert piece.last_column is not None
        cells += (piece.last_row - piece.first_row + 1) * (piece.last_column - piece.first_column + 1)
    assert cells == rows * columns
    assert not any(later.meets(other) for at, later in enumerate(ranges) for other in ranges[:at])


@given(st.permutations(["A", "B", "C", "D"]), st.lists(st.sampled_from(["x", "y"]), max_size=4), st.data())
def test_columns_are_found_by_their_titles(titles: list[str], others: list[str], data: st.DataObject) -> None:
    header: list[Any] = list(titles)
    for other in others:
        header.insert(data.draw(st.integers(0, len(header))), other)
    columns = make_layout(["A", "B", "C", "D"], None)
    blocks, lefts, order = arrange(header, columns, 3)
    positions = {}
    for (first, end), left in zip(blocks, lefts, strict=True):
        for place in range(first, end):
            positions[columns.titles[order[place]]] = left + place - first
    assert positions == {title: 3 + header.index(title) for title in "ABCD"}


def test_rows_are_named_as_people_name_them() -> None:
    assert format_spans([4]) == "row 4"
    assert format_spans([4, 5, 6, 9]) == "rows 4 to 6, 9"
    assert format_spans(list(range(1, 60, 2))).endswith("and 20 more")


@pytest.mark.parametrize(
    ("columns", "first", "said"),
    [
        (None, None, "empty source"),
        (None, "text", "dict or a sequence"),
        ("AB", {}, "list of names"),
        (["A", 1], {}, "must be a str"),
        (["A", "A"], {}, "twice"),
        ([], {}, "1 to 13,000"),
    ],
)
def test_wrong_columns_are_refused(columns: Any, first: Any, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        make_layout(columns, first)


def test_wrong_rows_are_refused() -> None:
    columns = make_layout(None, {"A": 1, "B": 2})
    assert columns.order_values({"B": 3}, 1) == [None, 3]
    for row, said in (
        ({"A": 1, "B": 2, "C": 3}, "column 'C'"),
        ({"A": 1, "C": 3}, "column 'C'"),
        ({"C": 3}, "column 'C'"),
        ([1], "must have 2 values, got 1"),
        (7, "dict or a sequence"),
    ):
        with pytest.raises(InvalidRequestError, match=f"Row 9 of the source.*{said}"):
            columns.order_values(row, 9)


@pytest.mark.parametrize("second", [{"A": 1, "C": 3}, {"C": 3}, {"A": 1, "B": 2, "C": 3}])
def test_a_later_row_with_another_column_is_refused(second: dict[str, Any]) -> None:
    """One with as many keys as the first row lost the value, and was counted as written."""
    with pytest.raises(InvalidRequestError, match=r"Row 2 of the source has the column 'C'"):
        make_layout(None, {"A": 1, "B": 2}).order_rows([{"A": 1, "B": 2}, second], 1)
