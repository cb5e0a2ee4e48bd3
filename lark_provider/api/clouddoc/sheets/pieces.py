"""Split a table into requests that Lark takes: by rows, by columns, by bytes and by mentions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from lark_provider.api.clouddoc.sheets.addressing import Cell, Range
from lark_provider.api.clouddoc.sheets.values import MAX_MENTIONS

MAX_ROWS, MAX_COLUMNS = 5000, 100
"""Of one request."""
MAX_BYTES = 2_000_000
"""Of the values of one request. Lark names no limit; it has refused some 4 MB."""
_MENTION = b'"type":"mention"'  # in text the quotes are escaped


@dataclass(frozen=True, slots=True)
class Piece:
    """The values of one request.

    Attributes:
        range: Where they go.
        rows: Each row as JSON.
    """

    range: Range
    rows: Sequence[bytes] = field(repr=False)

    def body(self, sheet_id: str) -> bytes:
        """Return the body of `PUT /values`.

        Args:
            sheet_id: The worksheet.
        """
        place = orjson.dumps(self.range.on(sheet_id))
        return b'{"valueRange":{"range":' + place + b',"values":[' + b",".join(self.rows) + b"]}}"

    def halves(self) -> list[Piece]:
        """Return two pieces with half of its rows each, or of its columns; none for a single cell."""
        rows, columns = len(self.rows), (self.range.last_column or 0) - self.range.first_column + 1
        first = self.range.first
        if rows > 1:
            half = rows // 2
            below = Cell(first.row + half, first.column)
            return [
                Piece(Range.sized(first, half, columns), self.rows[:half]),
                Piece(Range.sized(below, rows - half, columns), self.rows[half:]),
            ]
        if columns == 1:
            return []
        half, cells = columns // 2, orjson.loads(self.rows[0])
        beside = Cell(first.row, first.column + half)
        return [
            Piece(Range.sized(first, 1, half), (orjson.dumps(cells[:half]),)),
            Piece(Range.sized(beside, 1, columns - half), (orjson.dumps(cells[half:]),)),
        ]


@dataclass(slots=True)
class _Block:
    """Neighbouring columns, and their rows that are not in a piece yet."""

    first: int
    width: int
    rows: list[bytes] = field(default_factory=list)
    size: int = 0
    mentions: int = 0


class Splitter:
    """Collects rows, and gives them out as pieces that are as large as one request may be.

    Args:
        first: The upper left cell of the table.
        width: Its columns.
        max_bytes: Of the values of one request; may be lowered on the way.
    """

    def __init__(self, first: Cell, width: int, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._row = first.row
        self._blocks = [
            _Block(first.column + start, min(MAX_COLUMNS, width - start))
            for start in range(0, width, MAX_COLUMNS)
        ]

    def add(self, row: list[Any]) -> list[Piece]:
        """Add a row.

        Args:
            row: Its cells as Lark takes them.

        Returns:
            The pieces that are full.
        """
        full: list[Piece] = []
        start = 0
        for block in self._blocks:
            part = row if block.width == len(row) else row[start : start + block.width]
            start += block.width
            line = orjson.dumps(part)
            mentions = line.count(_MENTION)
            is_full = (
                len(block.rows) == MAX_ROWS
                or block.size + len(line) > self.max_bytes
                or block.mentions + mentions > MAX_MENTIONS
            )
            if is_full and block.rows:
                full.append(self._taken(block))
            block.rows.append(line)
            block.size += len(line) + 1
            block.mentions += mentions
            if block.size > self.max_bytes + 1 or block.mentions > MAX_MENTIONS:
                full += _cut(self._taken(block, self._row + 1), self.max_bytes)
        self._row += 1
        return full

    def rest(self) -> list[Piece]:
        """Return the pieces of what was added and not given out yet."""
        return [self._taken(block) for block in self._blocks if block.rows]

    def _taken(self, block: _Block, end: int | None = None) -> Piece:
        """Take the rows of a block that end before a row, by default that which comes next."""
        end = self._row if end is None else end
        piece = Piece(
            Range.sized(Cell(end - len(block.rows), block.first), len(block.rows), block.width), block.rows
        )
        block.rows, block.size, block.mentions = [], 0, 0
        return piece


def _cut(piece: Piece, max_bytes: int) -> Iterator[Piece]:
    """Cut a row that is too large by its columns."""
    size, mentions = sum(map(len, piece.rows)), sum(row.count(_MENTION) for row in piece.rows)
    halves = piece.halves() if size > max_bytes or mentions > MAX_MENTIONS else []
    if not halves:
        yield piece
    for half in halves:
        yield from _cut(half, max_bytes)
