"""Cut the rows of a table into chunks, by rows and bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lark_provider.api.clouddoc.sheets.blocks import Formats
from lark_provider.api.clouddoc.sheets.pieces import MAX_ROWS
from lark_provider.api.clouddoc.sheets.tables.chunks import MAX_BYTES, OVERHEAD, TableChunk
from lark_provider.api.clouddoc.sheets.tables.encoding import (
    SUM_BYTES,
    Blocks,
    EncodedRows,
    compute_sums,
    decode,
    encode,
)


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows that were added together, with what is computed of each row while it is in the CPU's cache."""

    count: int
    mixed_columns: frozenset[int]
    unchecked_columns: frozenset[int]
    sums: bytes


class Cutter:
    """Cuts rows into chunks, each of at most so many rows and bytes. The cuts follow from the rows alone.

    Args:
        blocks: The blocks of columns, see `compute_blocks`.
        max_rows: The most rows of a chunk.
        max_bytes: The most bytes of each block of columns of a chunk.
    """

    def __init__(self, blocks: Blocks, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES) -> None:
        self._blocks = blocks
        self._max_rows, self._max_bytes = max_rows, max_bytes
        self._number, self._first = 0, 1
        self._clear()

    def _clear(self) -> None:
        self._count = 0
        self._lines: list[list[bytes]] = [[] for _ in self._blocks]
        self._formats: list[Formats] | None = None
        self._sizes = [OVERHEAD] * len(self._blocks)
        self._parts: list[_Part] = []
        self._header_rows = 0

    def add(
        self,
        columns: Sequence[Sequence[Any]],
        formats: Sequence[Formats],
        mixed_columns: frozenset[int] = frozenset(),
        *,
        is_header: bool = False,
    ) -> Iterator[TableChunk]:
        """Add rows.

        Args:
            columns: The cells of each column, as they are sent.
            formats: For each column the formatter of its cells, or a list of them, or None.
            mixed_columns: The columns that may have cells other than text, integers and fractions.
            is_header: Whether they are the header, which is not a row of the source.

        Yields:
            The chunks that are complete.
        """
        encoded = encode(columns, self._blocks, mixed_columns)
        start, count = 0, len(columns[0])
        while start < count:
            stop = self._fit_rows(encoded.lines, start, count)
            if stop > start:
                lines = [texts[start:stop] for texts in encoded.lines]
                sums = encoded.sums[SUM_BYTES * start : SUM_BYTES * stop]
                self._add_encoded(EncodedRows(lines, encoded.unchecked_columns, sums), mixed_columns)
                self._header_rows += (stop - start) * is_header
                if not is_header:
                    self._join(formats, start, stop)
            if stop < count and (full := self.take_rest()) is not None:
                yield full
            start = stop

    def take_rest(self) -> TableChunk | None:
        """Return the chunk of the rows that were added last; None if there are none."""
        if not self._count:
            return None
        unchecked_columns = frozenset[int]().union(*(part.unchecked_columns for part in self._parts))
        chunk = TableChunk(
            self._number,
            self._first,
            self._lines,
            b"".join(self._iterate_sums(unchecked_columns)),
            unchecked_columns,
            self._formats or [None] * self._blocks[-1][1],
            self._blocks,
            self._header_rows,
        )
        self._number, self._first = self._number + 1, self._first + chunk.count - chunk.header_rows
        self._clear()
        return chunk

    def _add_encoded(self, encoded: EncodedRows, mixed_columns: frozenset[int]) -> None:
        count = len(encoded.lines[0])
        self._parts.append(_Part(count, mixed_columns, encoded.unchecked_columns, encoded.sums))
        self._count += count
        for known, texts in zip(self._lines, encoded.lines, strict=True):
            known.extend(texts)

    def _iterate_sums(self, unchecked_columns: frozenset[int]) -> Iterator[bytes]:
        """Yield the checksums of all rows, where columns of any of them are not compared in any."""
        start = 0
        for part in self._parts:
            end = start + part.count
            if part.unchecked_columns == unchecked_columns:
                yield part.sums
            else:
                yield compute_sums(
                    decode([texts[start:end] for texts in self._lines]), part.mixed_columns, unchecked_columns
                )
            start = end

    def _fit_rows(self, lines: Sequence[Sequence[bytes]], start: int, count: int) -> int:
        """Return the end of the rows from `start` on that fit into the chunk; at least one if it is empty.

        The sizes are those of the chunk with these rows then.
        """
        whole = [
            size + sum(map(len, texts[start:] if start else texts)) + count - start
            for size, texts in zip(self._sizes, lines, strict=True)
        ]
        if self._count + count - start <= self._max_rows and max(whole) <= self._max_bytes:
            self._sizes = whole
            return count
        stop = start
        for line in zip(*(texts[start:] for texts in lines), strict=True):
            taken = self._count + stop - start
            sizes = [size + len(text) + 1 for size, text in zip(self._sizes, line, strict=True)]
            if taken and (taken >= self._max_rows or max(sizes) > self._max_bytes):
                break
            self._sizes, stop = sizes, stop + 1
        return stop

    def _join(self, formats: Sequence[Formats], start: int, stop: int) -> None:
        """Note the formats of rows that were just added."""
        taken = [spec[start:stop] if isinstance(spec, list) else spec for spec in formats]
        if self._formats is None:
            self._formats = taken
            return
        count = stop - start
        before = self._count - self._header_rows - count
        for place, (known, new) in enumerate(zip(self._formats, taken, strict=True)):
            if known != new or isinstance(known, list):
                self._formats[place] = _spread_formats(known, before) + _spread_formats(new, count)


def _spread_formats(formats: Formats, count: int) -> list[str | None]:
    return formats if isinstance(formats, list) else [formats] * count
