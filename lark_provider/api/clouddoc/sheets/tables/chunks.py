"""Chunks of a table: rows as they are sent, cut by rows, columns and bytes."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from lark_provider.api.clouddoc.cells import EXACT_INT
from lark_provider.protocol.sheet_ledger import Segment

MAX_ROWS, MAX_COLUMNS = 5000, 100
"""Of one request."""
MAX_BYTES = 2_000_000
"""Of one request's body. Lark documents no limit, and refuses bodies of 4 MB."""
SUM_BYTES = 4
_SIMPLE = frozenset({str, int, float})
Blocks: TypeAlias = tuple[tuple[int, int], ...]
_ROOM = 200
"""Bytes of a body besides its rows."""


def blocks_of(width: int) -> Blocks:
    """Return the first column of each block of a wide table, and the one after its last, from 0.

    Args:
        width: How many columns there are.
    """
    return tuple((first, min(first + MAX_COLUMNS, width)) for first in range(0, width, MAX_COLUMNS))


def comparable(cell: Any) -> Any:
    """Return a cell in the form in which it is compared, written or read: None if it cannot be.

    Numbers are doubles; of links and other rich texts only the text counts. What Lark computes or fills in
    (formulas, people) and booleans, which it may give back as text, are not compared.

    Args:
        cell: As it is sent, or as Lark answers it.
    """
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) <= EXACT_INT:
        return int(cell)
    if isinstance(cell, list):
        texts = [one.get("text") if isinstance(one, dict) else None for one in cell]
        return "".join(texts) if all(isinstance(one, str) for one in texts) else None  # type: ignore[arg-type]
    if isinstance(cell, dict):
        return cell.get("text") if cell.get("type") in ("text", "url") else None
    return cell


def check_sum(row: Sequence[Any], wild: frozenset[int]) -> int:
    """Return a checksum of a row.

    Args:
        row: The cells, as they are sent or as Lark answers them.
        wild: Columns that cannot be compared, from 0.
    """
    cells = [None if place in wild else comparable(cell) for place, cell in enumerate(row)]
    return zlib.crc32(orjson.dumps(cells))


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a table.

    Attributes:
        number: From 0.
        first: The number of its first row in the source, from 1.
        rows: The cells, as they are sent.
        lines: The same, encoded: for each row the JSON of each block of columns.
        digest: Of the lines.
        sums: A checksum of 4 bytes for each row.
        wild: Columns that cannot be compared, from 0.
        formats: For each row the formatter of each cell, or None.
        blocks: Of columns: the first one of each, and the one after its last, from 0.
        header_rows: How many of the rows, from the top, are the header.
    """

    number: int
    first: int
    rows: list[list[Any]] = field(repr=False)
    lines: list[tuple[bytes, ...]] = field(repr=False)
    digest: str
    sums: bytes = field(repr=False)
    wild: frozenset[int]
    formats: list[Sequence[str | None]] = field(repr=False)
    blocks: Blocks
    header_rows: int = 0

    @property
    def count(self) -> int:
        """How many rows it has."""
        return len(self.rows)

    def segment(self, row: int) -> Segment:
        """Return what is recorded of it.

        Args:
            row: Where it begins in the worksheet.
        """
        return Segment(self.number, self.first, self.count, self.digest, self.sums, row)

    def body(self, block: int, start: int, stop: int, range_: str) -> bytes:
        """Return the body of the request that writes a part of it.

        Args:
            block: The block of columns, from 0.
            start: The first row, from 0.
            stop: The row after the last one.
            range_: Where it goes.
        """
        rows = b",".join([line[block] for line in self.lines[start:stop]])
        return b'{"valueRange":{"range":' + orjson.dumps(range_) + b',"values":[' + rows + b"]}}"

    def parts(self, block: int, limit: int, start: int = 0) -> list[tuple[int, int]]:
        """Return how the rows are split so that no body is larger than a limit, unless it is one row.

        Args:
            block: The block of columns, from 0.
            limit: In bytes.
            start: The first row, from 0.

        Returns:
            The first row of each part, and the one after its last.
        """
        found, first, size = list[tuple[int, int]](), start, _ROOM
        for place in range(start, self.count):
            length = len(self.lines[place][block]) + 1
            if place > first and size + length > limit:
                found.append((first, place))
                first, size = place, _ROOM
            size += length
        return [*found, (first, self.count)]


def chunk(
    number: int,
    first: int,
    rows: list[list[Any]],
    formats: list[Sequence[str | None]],
    blocks: Blocks,
    lines: list[tuple[bytes, ...]] | None = None,
    header_rows: int = 0,
) -> Chunk:
    """Make a chunk.

    Args:
        number: From 0.
        first: The number of its first row in the source.
        rows: The cells, as they are sent; not empty, all of the same length.
        formats: For each row the formatter of each cell, or None.
        blocks: Of columns.
        lines: The rows, encoded, if that was done.
        header_rows: How many of the rows are the header.
    """
    lines = [encoded(row, blocks) for row in rows] if lines is None else lines
    digest = hashlib.blake2b(b"\n".join([b"".join(line) for line in lines]), digest_size=32).hexdigest()
    # What has a fraction of 0 is compared as an integer. (Text with ".0" is only compared a little slower.)
    is_simple = [
        _SIMPLE.issuperset(map(type, row)) and not any(b".0" in block for block in line)
        for row, line in zip(rows, lines, strict=True)
    ]
    wild = frozenset(
        place
        for row, simple in zip(rows, is_simple, strict=True)
        if not simple
        for place, cell in enumerate(row)
        if comparable(cell) is None
    )
    # A row of text and numbers is compared as it is sent, so that it need not be encoded again.
    is_plain = not wild and len(blocks) == 1
    sums = b"".join(
        (zlib.crc32(line[0]) if simple and is_plain else check_sum(row, wild)).to_bytes(SUM_BYTES, "big")
        for row, line, simple in zip(rows, lines, is_simple, strict=True)
    )
    return Chunk(number, first, rows, lines, digest, sums, wild, formats, blocks, header_rows)


def chunk_of(whole: Chunk, places: Sequence[int], number: int | None = None) -> Chunk:
    """Return some rows of a chunk as a chunk.

    Args:
        whole: The chunk.
        places: The rows, from 0.
        number: Of the new chunk; that of the whole if None.
    """
    return chunk(
        whole.number if number is None else number,
        whole.first + places[0],
        [whole.rows[one] for one in places],
        [whole.formats[one] for one in places],
        whole.blocks,
        [whole.lines[one] for one in places],
    )


def encoded(row: list[Any], blocks: Blocks) -> tuple[bytes, ...]:
    """Encode a row, a text for each block of columns.

    Args:
        row: The cells, as they are sent.
        blocks: See `blocks_of`.
    """
    if len(blocks) == 1:
        return (orjson.dumps(row),)
    return tuple(orjson.dumps(row[first:end]) for first, end in blocks)


class Cutter:
    """Cuts rows into chunks, each of at most so many rows and bytes. The cuts follow from the rows alone.

    Args:
        blocks: Of columns, see `blocks_of`.
        max_rows: Of a chunk.
        max_bytes: Of each block of columns of a chunk.
    """

    def __init__(self, blocks: Blocks, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES) -> None:
        self._blocks = blocks
        self._max_rows, self._max_bytes = max_rows, max_bytes
        self._number, self._first = 0, 1
        self._clear()

    def _clear(self) -> None:
        self._rows: list[list[Any]] = []
        self._lines: list[tuple[bytes, ...]] = []
        self._formats: list[Sequence[str | None]] = []
        self._sizes = [_ROOM] * len(self._blocks)
        self._header_rows = 0

    def add(self, row: list[Any], formats: Sequence[str | None], *, is_header: bool = False) -> Chunk | None:
        """Add a row.

        Args:
            row: The cells, as they are sent.
            formats: The formatter of each cell, or None.
            is_header: Whether it is the header, which is no row of the source.

        Returns:
            The chunk before the row, if that is complete.
        """
        line = encoded(row, self._blocks)
        sizes = [size + len(text) + 1 for size, text in zip(self._sizes, line, strict=True)]
        complete = None
        if self._rows and (len(self._rows) >= self._max_rows or max(sizes) > self._max_bytes):
            complete = self.rest()
            sizes = [_ROOM + len(text) + 1 for text in line]
        self._rows.append(row)
        self._lines.append(line)
        self._formats.append(formats)
        self._sizes = sizes
        self._header_rows += is_header
        return complete

    def rest(self) -> Chunk | None:
        """Return the chunk of the rows that were added last; None if there are none."""
        if not self._rows:
            return None
        made = chunk(
            self._number, self._first, self._rows, self._formats, self._blocks, self._lines, self._header_rows
        )
        self._number, self._first = self._number + 1, self._first + made.count - made.header_rows
        self._clear()
        return made
