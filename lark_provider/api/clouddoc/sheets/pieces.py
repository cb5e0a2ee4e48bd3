"""Split a table into requests within Lark's limits of rows, columns, bytes and mentions.

Many rows are encoded as JSON at a time, which takes a tenth of the time of encoding them one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from lark_provider.api.clouddoc.sheets.addressing import Cell, Range
from lark_provider.api.clouddoc.sheets.values import MAX_MENTIONS
from lark_provider.protocol.errors import LarkAPIError

MAX_ROWS, MAX_COLUMNS = 5000, 100
"""The most rows and columns of one request."""
MAX_BYTES = 2 * 1024 * 1024
"""The most bytes of values in one request. Lark documents no limit; it has refused about 4 MB."""
_TOO_LARGE, _HTTP_TOO_LARGE = 90227, 413
_MENTION = b'"type":"mention"'  # no text of a cell contains it, since quotes are escaped there


def is_too_large(error: LarkAPIError) -> bool:
    """Return whether Lark or a proxy refused a request for its size, so that halves of it may pass."""
    return error.code == _TOO_LARGE or error.http_status == _HTTP_TOO_LARGE


def count_mentions(encoded: bytes) -> int:
    """Return how many people are mentioned in cells.

    Args:
        encoded: The JSON of the cells.
    """
    return encoded.count(_MENTION)


@dataclass(frozen=True, slots=True)
class Piece:
    """The values of one request.

    Attributes:
        range: The range that the values are written to.
        chunks: Rows as JSON, one or several in each, with commas between.
    """

    range: Range
    chunks: Sequence[bytes] = field(repr=False)

    @property
    def size(self) -> int:
        """How many bytes the values have."""
        return sum(map(len, self.chunks)) + len(self.chunks) - 1

    @property
    def mentions(self) -> int:
        """How many people it mentions."""
        return sum(map(count_mentions, self.chunks))

    def encode_body(self, sheet_id: str) -> bytes:
        """Return the body of `PUT /values`.

        Args:
            sheet_id: The worksheet.
        """
        place = orjson.dumps(self.range.on(sheet_id))
        return b'{"valueRange":{"range":' + place + b',"values":[' + b",".join(self.chunks) + b"]}}"

    def halve(self) -> list[Piece]:
        """Return two pieces with half of its rows or columns each; an empty list for a single cell."""
        rows = orjson.loads(b"[" + b",".join(self.chunks) + b"]")
        first, width = self.range.first, len(rows[0])
        if len(rows) > 1:
            half = len(rows) // 2
            parts = [(first, rows[:half]), (Cell(first.row + half, first.column), rows[half:])]
        elif width > 1:
            half = width // 2
            beside = Cell(first.row, first.column + half)
            parts = [(first, [rows[0][:half]]), (beside, [rows[0][half:]])]
        else:
            return []
        return [
            Piece(Range.from_size(cell, len(part), len(part[0])), (_encode_json(part),))
            for cell, part in parts
        ]


@dataclass(slots=True)
class _Block:
    """Neighbouring columns, and their rows that are not in a piece yet."""

    first: Cell
    width: int
    chunks: list[bytes] = field(default_factory=list)
    rows: int = 0
    size: int = 0
    mentions: int = 0

    def takes(self, rows: int, size: int, mentions: int, max_bytes: int) -> bool:
        """Return whether so many more rows, bytes and mentions fit into one request."""
        return (
            self.rows + rows <= MAX_ROWS
            and self.size + size + len(self.chunks) <= max_bytes
            and self.mentions + mentions <= MAX_MENTIONS
        )

    def add(self, chunk: bytes, rows: int, mentions: int) -> None:
        """Add rows as JSON."""
        self.chunks.append(chunk)
        self.rows += rows
        self.size += len(chunk)
        self.mentions += mentions

    def take(self) -> Piece:
        """Return the rows as a piece, and continue below them."""
        piece = Piece(Range.from_size(self.first, self.rows, self.width), self.chunks)
        self.first = Cell(self.first.row + self.rows, self.first.column)
        self.chunks, self.rows, self.size, self.mentions = [], 0, 0, 0
        return piece


class Splitter:
    """Collects rows, and returns them as pieces that are as large as one request may be.

    Args:
        first: The upper left cell of the table.
        width: How many columns the table has.
        max_bytes: The most bytes of values in one request; it may be lowered between calls.
    """

    def __init__(self, first: Cell, width: int, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._blocks = [
            _Block(Cell(first.row, first.column + start), min(MAX_COLUMNS, width - start))
            for start in range(0, width, MAX_COLUMNS)
        ]

    def add(self, rows: Sequence[Sequence[Any]]) -> list[Piece]:
        """Add rows, a few hundred at a time.

        Args:
            rows: The rows with their cells, as Lark takes them.

        Returns:
            The pieces that are full.
        """
        full: list[Piece] = []
        start = 0
        for block in self._blocks:
            end = start + block.width
            is_whole = len(self._blocks) == 1
            full += self._add(block, rows if is_whole else [row[start:end] for row in rows])
            start = end
        return full

    def take_rest(self) -> list[Piece]:
        """Return the rows that were added and not returned yet, as pieces."""
        return [block.take() for block in self._blocks if block.rows]

    def _add(self, block: _Block, rows: Sequence[Sequence[Any]]) -> Iterator[Piece]:
        whole = _encode_json(rows)
        mentions = count_mentions(whole)
        if block.takes(len(rows), len(whole), mentions, self.max_bytes):
            block.add(whole, len(rows), mentions)
            return
        for row in rows:
            line = _encode_json([row])
            mentions = count_mentions(line)
            if block.rows and not block.takes(1, len(line), mentions, self.max_bytes):
                yield block.take()
            block.add(line, 1, mentions)
            if not block.takes(0, 0, 0, self.max_bytes + len(block.chunks)):  # a single row is too large
                yield from _cut(block.take(), self.max_bytes)


def _encode_json(rows: Sequence[Sequence[Any]]) -> bytes:
    return orjson.dumps(rows)[1:-1]


def _cut(piece: Piece, max_bytes: int) -> Iterator[Piece]:
    """Cut a row that is too large by its columns."""
    halves = piece.halve() if piece.size > max_bytes or piece.mentions > MAX_MENTIONS else []
    if not halves:
        yield piece
    for half in halves:
        yield from _cut(half, max_bytes)
