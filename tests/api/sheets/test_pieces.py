"""Tables in requests that Lark takes."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lark_provider.api.clouddoc.sheets.addressing import Cell, Range
from lark_provider.api.clouddoc.sheets.pieces import Piece, Splitter
from lark_provider.api.clouddoc.sheets.values import Mention, to_cell
from lark_provider.api.clouddoc.sheets.writing import iterate_blank_pieces, tiles


def split(rows: list[list[Any]], first: Cell = Cell(1, 1), max_bytes: int = 2_000_000) -> list[Piece]:  # noqa: B008
    splitter = Splitter(first, len(rows[0]), max_bytes)
    pieces = [piece for start in range(0, len(rows), 7) for piece in splitter.add(rows[start : start + 7])]
    return pieces + splitter.take_rest()


def put_together(pieces: list[Piece]) -> dict[Cell, Any]:
    """Return the cells that a server has after all requests; assert that no cell is written twice."""
    cells: dict[Cell, Any] = {}
    for piece in pieces:
        body = orjson.loads(piece.encode_body("0b12"))["valueRange"]
        assert body["range"] == piece.range.on("0b12")
        for down, row in enumerate(body["values"]):
            for across, value in enumerate(row):
                cell = Cell(piece.range.first_row + down, piece.range.first_column + across)
                assert cell not in cells
                cells[cell] = value
        assert piece.range == Range.from_size(piece.range.first, len(body["values"]), len(body["values"][0]))
    return cells


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 250),
    st.integers(1, 30),
    st.lists(st.integers(0, 60), min_size=1, max_size=10),
    st.integers(1, 2000),
    st.integers(1, 50),
)
def test_pieces_are_the_table_and_stay_below_the_limits(
    width: int, height: int, lengths: list[int], max_bytes: int, corner: int
) -> None:
    sizes = itertools.cycle(lengths)
    rows: list[list[Any]] = [["é" * next(sizes) or across for across in range(width)] for _ in range(height)]
    pieces = split(rows, Cell(corner, corner), max_bytes)
    expected = {
        Cell(corner + down, corner + across): value
        for down, row in enumerate(rows)
        for across, value in enumerate(row)
    }
    assert put_together(pieces) == expected
    for piece in pieces:
        last = piece.range.last_column
        assert last is not None
        width = last - piece.range.first_column + 1
        assert width <= 100
        is_cell = piece.range.is_cell
        assert is_cell or piece.size <= max_bytes


@pytest.mark.parametrize(
    ("rows", "columns", "calls"),
    [(5000, 100, 1), (5001, 100, 2), (5000, 101, 2), (12_000, 250, 9), (1, 1, 1)],
)
def test_small_cells_take_as_few_requests_as_rows_and_columns_allow(
    rows: int, columns: int, calls: int
) -> None:
    assert len(split([[1] * columns] * rows)) == calls


def test_requests_are_filled_up_to_their_bytes() -> None:
    row = ["x" * 97]  # 101 bytes and a comma
    assert len(split([row] * 1000, max_bytes=10_250)) == 10


def test_a_request_has_at_most_fifty_people() -> None:
    rows = [[to_cell(Mention("ou_1"))[0]] * 30 for _ in range(3)]
    assert [piece.mentions for piece in split(rows)] == [30, 30, 30]
    wide = split([[to_cell(Mention("ou_1"))[0]] * 80])
    assert [piece.range.a1 for piece in wide] == ["A1:AN1", "AO1:CB1"]
    text = [['"type":"mention"'] * 100]
    assert len(split(text)) == 1


@given(st.integers(1, 9), st.integers(1, 9))
def test_halves_are_the_whole(height: int, width: int) -> None:
    (piece,) = split([[row * 100 + column for column in range(width)] for row in range(height)])
    halves = piece.halve()
    if height == width == 1:
        assert halves == []
    else:
        assert len(halves) == 2
        assert put_together(halves) == put_together([piece])


def test_a_range_is_emptied_in_pieces() -> None:
    pieces = list(iterate_blank_pieces(Range(2, 1, 5002, 150)))
    assert len(pieces) == 4
    cells = put_together(pieces)
    assert len(cells) == 5001 * 150
    assert set(cells.values()) == {""}
    assert [tile.a1 for tile in tiles(Range(1, 1, 3, 3), 2, 2)] == ["A1:B2", "C1:C2", "A3:B3", "C3"]
