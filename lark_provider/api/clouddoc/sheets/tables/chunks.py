"""Chunks of a table: rows as they are sent, encoded many at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from lark_provider.api.clouddoc.sheets.blocks import Formats
from lark_provider.api.clouddoc.sheets.pieces import MAX_COLUMNS, count_mentions
from lark_provider.api.clouddoc.sheets.tables.encoding import Blocks, check_sum, decode, encode
from lark_provider.api.clouddoc.sheets.values import MAX_MENTIONS
from lark_provider.protocol.sheet_ledger import Segment

MAX_BYTES = 2_000_000
"""The most bytes of one request's body. Lark documents no limit, and refuses bodies of 4 MB."""
_DIGEST_BYTES = 32
OVERHEAD = 200
"""Bytes of a body besides its rows."""


def compute_blocks(width: int) -> Blocks:
    """Return the first column of each block of a wide table, and the one after its last, from 0.

    Args:
        width: How many columns there are.
    """
    return tuple((first, min(first + MAX_COLUMNS, width)) for first in range(0, width, MAX_COLUMNS))


@dataclass(frozen=True, slots=True)
class TableChunk:
    """Some rows of a table.

    Attributes:
        number: The number of the chunk, from 0.
        first: The number of its first row in the source, from 1.
        lines: The rows as they are sent: for each block of columns the JSON of each row.
        sums: A checksum of 4 bytes for each row.
        unchecked_columns: Columns that cannot be compared, from 0.
        formats: For each column the formatter of its cells below the header, or a list of them, or None.
        blocks: The blocks of columns: the first column of each, and the one after its last, from 0.
        header_rows: How many of the rows, from the top, are the header.
    """

    number: int
    first: int
    lines: list[list[bytes]] = field(repr=False)
    sums: bytes = field(repr=False)
    unchecked_columns: frozenset[int]
    formats: Sequence[Formats] = field(repr=False)
    blocks: Blocks
    header_rows: int = 0

    @property
    def count(self) -> int:
        """How many rows it has."""
        return len(self.lines[0])

    @property
    def digest(self) -> str:
        """Of the lines. It is computed each time: only the ledger needs it, nearly always once."""
        rows = self.lines[0] if len(self.lines) == 1 else map(b"".join, zip(*self.lines, strict=True))
        return hashlib.blake2b(b"\n".join(rows), digest_size=_DIGEST_BYTES).hexdigest()

    @property
    def rows(self) -> list[list[Any]]:
        """The cells, as they are sent. They are decoded each time: few chunks are looked at again."""
        return decode(self.lines)

    @property
    def last_row(self) -> list[Any]:
        """The cells of the last row, as they are sent."""
        return decode([lines[-1:] for lines in self.lines])[0]

    def make_segment(self, row: int, above: Sequence[Any] = ()) -> Segment:
        """Return the chunk as the ledger records it.

        Args:
            row: The row of the worksheet where it begins, from 1.
            above: The cells of the row above it; empty if they are not known.
        """
        return Segment(
            self.number,
            self.first,
            self.count,
            self.digest,
            self.sums,
            row,
            check_sum(above, self.unchecked_columns) if any(above) else None,
        )

    def encode_body(self, block: int, start: int, stop: int, range_: str) -> bytes:
        """Return the body of the request that writes a part of it.

        Args:
            block: The block of columns, from 0.
            start: The first row, from 0.
            stop: The row after the last one.
            range_: The range that the rows are written to, such as `sheetId!A1:C9`.
        """
        rows = self.lines[block][start:stop]
        rows[0] = b'{"valueRange":{"range":' + orjson.dumps(range_) + b',"values":[' + rows[0]
        rows[-1] += b"]}}"
        return b",".join(rows)  # copies a large body once

    def split_rows(self, block: int, limit: int, start: int = 0) -> list[tuple[int, int]]:
        """Split the rows so that no request is larger than a limit or mentions too many people.

        A single row is not split.

        Args:
            block: The block of columns, from 0.
            limit: The most bytes of one body.
            start: The first row, from 0.

        Returns:
            The first row of each part, and the one after its last.
        """
        lines = self.lines[block]
        # Mentions cannot be compared.
        mentions = list(map(count_mentions, lines)) if self.unchecked_columns else [0] * self.count
        if OVERHEAD + sum(map(len, lines)) + self.count <= limit and sum(mentions) <= MAX_MENTIONS:
            return [(start, self.count)]  # as nearly always
        parts, first, size, people = list[tuple[int, int]](), start, OVERHEAD, 0
        for place in range(start, self.count):
            length = len(lines[place]) + 1
            if place > first and (size + length > limit or people + mentions[place] > MAX_MENTIONS):
                parts.append((first, place))
                first, size, people = place, OVERHEAD, 0
            size += length
            people += mentions[place]
        return [*parts, (first, self.count)]


def encode_chunk(
    number: int,
    first: int,
    rows: Sequence[Sequence[Any]],
    formats: Sequence[Formats],
    blocks: Blocks,
    header_rows: int = 0,
) -> TableChunk:
    """Encode rows as a chunk.

    Args:
        number: The number of the chunk, from 0.
        first: The number of its first row in the source, from 1.
        rows: The cells, as they are sent; not empty, all of the same length.
        formats: For each column the formatter of its cells below the header, or a list of them, or None.
        blocks: The blocks of columns, see `compute_blocks`.
        header_rows: How many of the rows are the header.
    """
    encoded = encode(list(zip(*rows, strict=True)), blocks, frozenset(range(len(rows[0]))))
    return TableChunk(
        number, first, encoded.lines, encoded.sums, encoded.unchecked_columns, formats, blocks, header_rows
    )


def select_rows(whole: TableChunk, places: Sequence[int], number: int | None = None) -> TableChunk:
    """Return some rows of a chunk as a chunk.

    Args:
        whole: The chunk.
        places: The rows, from 0.
        number: The number of the new chunk; that of the whole if None.
    """
    rows = whole.rows
    return encode_chunk(
        whole.number if number is None else number,
        whole.first + places[0],
        [rows[place] for place in places],
        [[spec[at] for at in places] if isinstance(spec, list) else spec for spec in whole.formats],
        whole.blocks,
    )
