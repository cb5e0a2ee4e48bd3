"""Write rows by key: those that the worksheet has are written over, the others are appended."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import orjson

from lark_provider.api.clouddoc.cells import show
from lark_provider.api.clouddoc.document_lease import DocumentLease
from lark_provider.api.clouddoc.sheets.addressing import Range, format_column
from lark_provider.api.clouddoc.sheets.pieces import MAX_COLUMNS, count_mentions
from lark_provider.api.clouddoc.sheets.tables.appending import Appender
from lark_provider.api.clouddoc.sheets.tables.chunks import TableChunk, select_rows
from lark_provider.api.clouddoc.sheets.tables.encoding import Blocks, normalize_cell
from lark_provider.api.clouddoc.sheets.tables.judging import format_spans, is_blank
from lark_provider.api.clouddoc.sheets.tables.layout import TableLayout
from lark_provider.api.clouddoc.sheets.tables.merges import clear_merges
from lark_provider.api.clouddoc.sheets.tables.modes import Extent, get_cell_text, read_recorded_segments
from lark_provider.api.clouddoc.sheets.tables.place import COMPUTED, V2, TableOnSheet, is_refused_for_size
from lark_provider.api.clouddoc.sheets.tables.source import TableSource
from lark_provider.api.clouddoc.sheets.values import MAX_MENTIONS
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import (
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    OutcomeUnknownError,
)
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.paths import fill_path

logger = logging.getLogger(__name__)

Key: TypeAlias = tuple[str, ...]
_RANGES = 100
"""Ranges of one request."""
_KEY_ROWS = 5000
"""Rows whose keys are read at a time."""
_UPDATED_AT_ONCE = 5000
"""Rows that one request writes over, at most."""


def arrange(
    titles: Sequence[Any], layout: TableLayout, first_column: int
) -> tuple[Blocks, tuple[int, ...], list[int]]:
    """Find the columns of a table by the header of the worksheet.

    Args:
        titles: What the header says.
        layout: The columns of the table.
        first_column: The column of the first title.

    Returns:
        Blocks of neighbouring columns, where each begins in the worksheet, and the place in the layout of
        each column in that order.

    Raises:
        InvalidRequestError: The header lacks a column, or has it twice.
    """
    places: list[tuple[int, int]] = []
    for place, title in enumerate(layout.titles):
        matches = [column for column, cell in enumerate(titles, first_column) if get_cell_text(cell) == title]
        if len(matches) != 1:
            problem = "lacks it" if not matches else f"has it {len(matches)} times"
            raise InvalidRequestError(
                f"The header of the worksheet must have the column {title!r} once, and {problem}. Next: "
                "correct the header, or columns=."
            )
        places.append((matches[0], place))
    places.sort()
    blocks, lefts = list[tuple[int, int]](), list[int]()
    for index, (column, _) in enumerate(places):
        is_next = blocks and column == places[index - 1][0] + 1 and index - blocks[-1][0] < MAX_COLUMNS
        if is_next:
            blocks[-1] = (blocks[-1][0], index + 1)
        else:
            blocks.append((index, index + 1))
            lefts.append(column)
    return tuple(blocks), tuple(lefts), [place for _, place in places]


def read_header(place: TableOnSheet, lease: DocumentLease) -> Procedure[list[Any]]:
    """Return the whole header of a worksheet, from the table's first column on."""
    yield from place.refresh(lease)
    width = max(place.columns - place.lefts[0] + 1, 1)
    wide = replace(
        place, blocks=tuple((at, min(at + 100, width)) for at in range(0, width, 100)),
        lefts=tuple(place.lefts[0] + at for at in range(0, width, 100)),
    )  # fmt: skip
    (header,) = yield from wide.read(lease, place.row, place.row)
    while header and header[-1] in (None, ""):
        header.pop()
    place.revision = wide.revision
    return header


@dataclass(slots=True)
class KeyedUpdater:
    """Writes a table by key.

    Attributes:
        writer: Writes it.
        titles: Of its columns, in the order of the worksheet.
        keys: The places of the key columns in that order.
        index: The row of each key, as the worksheet has it.
    """

    writer: Appender
    titles: Sequence[str]
    keys: tuple[int, ...]
    index: dict[Key, int] = field(default_factory=dict)
    _last: int = 0
    _disturbances: int = 0
    _base: int = 0
    _doubled: list[int] = field(default_factory=list)
    _source_rows: dict[Key, int] = field(default_factory=dict)

    def run(self, source: TableSource) -> Procedure[Extent]:
        """Write all rows.

        Args:
            source: The chunks, without the header.

        Raises:
            ConflictError: Others have moved rows at the moment in which they were written.
        """
        place = self.writer.place
        yield from self._settle()
        yield from self._read_keys()
        while (chunk := (yield from source.take_chunk())) is not None:
            yield from self._write(chunk)
        last = max([self._last, *(end for _, end in self.writer.ranges)])
        return Extent(place.row, max(last, place.row))

    def _settle(self) -> Procedure[None]:
        """Wait until no request of an earlier attempt can take effect any more, unless it has."""
        place = self.writer.place
        for recorded in (yield from read_recorded_segments(self.writer, -1)):
            # What it has appended is found by its keys. This attempt records its own, under other numbers.
            self._base = recorded.segment.number + 1
            if recorded.state is not LedgerState.PENDING:
                continue
            now = yield from place.read(self.writer.lease, recorded.segment.row, recorded.segment.end)
            if any(map(is_blank, now)):
                yield from self.writer.wait_until_settled(recorded)

    def _read_keys(self) -> Procedure[None]:
        """Read the keys of the worksheet."""
        place, lease = self.writer.place, self.writer.lease
        last = yield from place.find_last_row(lease, place.row + 1)
        # Before the keys: what others write after it is noticed by the revision.
        (now,) = yield from place.read(lease, place.row, place.row)
        if list(map(get_cell_text, now)) != list(self.titles):
            raise ConflictError(
                f"The header of worksheet {place.title!r} was moved or changed while the table was written. "
                "Next: call again."
            )
        self._disturbances = place.disturbances
        narrow = replace(
            place,
            blocks=tuple((at, at + 1) for at in range(len(self.keys))),
            lefts=tuple(place.get_column(position) for position in self.keys),
        )
        index: dict[Key, int] = {}
        doubled: list[int] = []
        for first in range(place.row + 1, last + 1, _KEY_ROWS):
            rows = yield from narrow.read(lease, first, min(last, first + _KEY_ROWS - 1), COMPUTED)
            for number, row in enumerate(rows, first):
                if not is_blank(row):
                    key = _make_key(row)
                    if key in index:
                        doubled.append(number)
                    else:
                        index[key] = number
        if doubled:
            logger.warning(
                "Duplicate keys in worksheet; updating only the first row of each",
                extra={"rows": len(doubled), "others": format_spans(doubled)},
            )
        self.index, self._last, self._doubled = index, last, doubled

    def _write(self, chunk: TableChunk) -> Procedure[None]:
        place = self.writer.place
        (_,) = yield from place.read(self.writer.lease, place.row, place.row)
        if place.disturbances != self._disturbances:
            yield from self._read_keys()  # others have written: rows may have moved
        left = self._map_keys(chunk)
        # Looked up before each request: others may have moved rows, and the keys were then read again.
        while updates := {self.index[key]: at for key, at in left.items() if key in self.index}:
            rows = yield from self._update_first(chunk, updates)
            written = {updates[row] for row in rows}
            left = {key: at for key, at in left.items() if at not in written}
        if left:
            part = select_rows(chunk, list(left.values()), self._base + chunk.number)
            row = yield from self.writer.append_once(part, self._last + 1)
            first = row - part.count
            self.index |= {key: first + number for number, key in enumerate(left)}
            self._last = max(self._last, row - 1)

    def _map_keys(self, chunk: TableChunk) -> dict[Key, int]:
        """Return the place in the chunk of each key."""
        places: dict[Key, int] = {}
        for at, key in enumerate(self._list_source_keys(chunk)):
            number = chunk.first + at
            # Also of a row that the worksheet has: one of the two would be lost, and counted as written.
            if (earlier := self._source_rows.setdefault(key, number)) != number:
                raise InvalidRequestError(
                    f"Rows {earlier} and {number} of the source have the same key, {show(key)}. Next: give "
                    "each key once."
                )
            places[key] = at
        return places

    def _list_source_keys(self, chunk: TableChunk) -> list[Key]:
        """Return the key of each row of a chunk, if Lark answers it as it was written."""
        keys: list[Key] = []
        named = ", ".join(self.titles[position] for position in self.keys)
        for number, row in enumerate(chunk.rows, chunk.first):
            cells = [row[position] for position in self.keys]
            if any(isinstance(cell, dict) and normalize_cell(cell) is None for cell in cells):
                raise InvalidRequestError(
                    f"Row {number} of the source must have a key that Lark answers as it was written, got a "
                    f"formula or a person in {named}. Next: use text, numbers or dates as key."
                )
            key = _make_key(cells)
            if all(value == "" for value in key):
                raise InvalidRequestError(
                    f"Row {number} of the source must have a key, got none in {named}. "
                    "Next: fill it, or leave the row out."
                )
            keys.append(key)
        return keys

    def _update_first(self, chunk: TableChunk, updates: Mapping[int, int]) -> Procedure[Sequence[int]]:
        """Write over the first rows, as many as fit into a request; return them.

        Args:
            chunk: The chunk.
            updates: The place in the chunk for each row of the worksheet.
        """
        rows = sorted(updates)
        count = min(len(rows), _UPDATED_AT_ONCE)
        while True:
            ranges, body = self._encode_body(chunk, updates, rows[:count])
            fits = (
                len(body) <= self.writer.place.part_bytes
                and ranges <= _RANGES
                and count_mentions(body) <= MAX_MENTIONS
            )
            if fits or count == 1:
                try:
                    yield from self._send(chunk, body, rows[:count], updates)
                except (LarkAPIError, OutcomeUnknownError) as error:
                    if not is_refused_for_size(error) or count == 1:
                        raise
                else:
                    return rows[:count]
            count //= 2

    def _encode_body(
        self, chunk: TableChunk, updates: Mapping[int, int], rows: Sequence[int]
    ) -> tuple[int, bytes]:
        place = self.writer.place
        parts: list[bytes] = []
        for run in _group_runs(rows):
            for block, ((first, end), left) in enumerate(zip(place.blocks, place.lefts, strict=True)):
                where = Range(run[0], left, run[-1], left + end - first - 1).on(place.sheet_id)
                values = b",".join([chunk.lines[block][updates[row]] for row in run])
                parts.append(b'{"range":' + orjson.dumps(where) + b',"values":[' + values + b"]}")
        return len(parts), b'{"valueRanges":[' + b",".join(parts) + b"]}"

    def _send(
        self, chunk: TableChunk, body: bytes, rows: Sequence[int], updates: Mapping[int, int]
    ) -> Procedure[None]:
        writer, place = self.writer, self.writer.place
        for run in _group_runs(rows):
            yield from clear_merges(writer, run[0], run[-1])
        url = fill_path(V2 + "/values_batch_update", token=place.token)
        call: Call[Any] = replace(make_request("POST", url, idempotent=True), body=body)
        answer = yield from writer.lease.send(call)
        is_disturbed = place.note_write(answer)
        for run in _group_runs(rows):
            writer.add_written(chunk, run[0], places=[updates[row] for row in run])
        if is_disturbed:
            doubled = set(self._doubled)
            yield from self._read_keys()
            moved = [row for row in self._doubled if row not in doubled]
            if moved:
                raise ConflictError(
                    f"In worksheet {place.title!r}, {format_spans(moved)} moved at the moment in which the "
                    "table was written: others have inserted, deleted or sorted rows, whose keys now occur "
                    f"twice. Next: look at these rows (from column {format_column(place.lefts[0])} on) in "
                    "the spreadsheet's history; then call again."
                )


def _group_runs(rows: Sequence[int]) -> list[list[int]]:
    """Return rows in runs of neighbours."""
    runs: list[list[int]] = []
    for row in rows:
        if runs and runs[-1][-1] == row - 1:
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs


def _make_key(cells: Sequence[Any]) -> Key:
    return tuple(_convert_key_cell(cell) for cell in cells)


def _convert_key_cell(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell).upper()  # Lark may answer it as this text
    value = normalize_cell(cell)
    # A number is the same key as its text: which of the two a cell holds depends on who has typed it.
    return str(cell if value is None else value)
