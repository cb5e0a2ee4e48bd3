"""The worksheet of a table: its grid, its rows as they are, and requests that write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from lark_provider.api.clouddoc.document_lease import DocumentLease
from lark_provider.api.clouddoc.sheets.addressing import MAX_CELLS, Range
from lark_provider.api.clouddoc.sheets.pieces import is_too_large
from lark_provider.api.clouddoc.sheets.tables.chunks import TableChunk
from lark_provider.api.clouddoc.sheets.tables.encoding import Blocks
from lark_provider.api.clouddoc.sheets.tables.judging import is_blank
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.errors import (
    InvalidRequestError,
    LarkAPIError,
    LarkError,
    OutcomeUnknownError,
    find_refusal,
)
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

V2 = "/sheets/v2/spreadsheets/{token}"
V3 = "/sheets/v3/spreadsheets/{token}"
ANSWER_TOO_LARGE = 90221
_MAX_ADDED = 5000
"""Rows or columns that one request adds."""
_READ_ROWS, _READ_CELLS = 5000, 100_000
AS_DATES: Final = {"dateTimeRenderOption": "FormattedString"}
"""Numbers that are shown as dates are read as text."""
COMPUTED: Final = {"valueRenderOption": "UnformattedValue"}
"""Formulas are read as their results."""
_AS_WRITTEN: Final[Mapping[str, str]] = {}


@dataclass(slots=True)
class TableOnSheet:
    """Where a table stands.

    Attributes:
        token: The token of the spreadsheet.
        sheet_id: The id of the worksheet.
        title: The title of the worksheet.
        row: The row of the worksheet where the table begins, from 1.
        blocks: The blocks of the table's columns, from 0; see `chunks.compute_blocks`.
        lefts: The column of the worksheet where each block begins, from 1.
        rows: How many rows the grid has.
        columns: How many columns the grid has.
        frozen: How many rows and how many columns are frozen.
        merges: The ranges of merged cells.
        part_bytes: The most bytes of the body of a request; it is lowered if Lark refuses one as too large.
        revision: The revision of the spreadsheet, as the last answer said; None before the first one.
        writes: How many requests have written values.
        disturbances: How often it was noticed that others had written in the spreadsheet.
    """

    token: str
    sheet_id: str
    title: str
    row: int
    blocks: Blocks
    lefts: tuple[int, ...]
    rows: int
    columns: int
    frozen: tuple[int, int]
    merges: Sequence[Range]
    part_bytes: int
    revision: int | None = None
    writes: int = 0
    disturbances: int = 0
    _slack: int = 0

    @property
    def width(self) -> int:
        """How many columns the table has."""
        return self.blocks[-1][1]

    @property
    def right(self) -> int:
        """The last column of the worksheet that it has."""
        return self.lefts[-1] + self.blocks[-1][1] - self.blocks[-1][0] - 1

    def get_column(self, place: int) -> int:
        """Return the column of the worksheet, from 1, where a column of the table is, from 0."""
        for (first, end), left in zip(self.blocks, self.lefts, strict=True):
            if first <= place < end:
                return left + place - first
        raise IndexError(place)

    def get_range(self, first: int, last: int) -> Range:
        """Return the table's columns in some rows."""
        return Range(first, self.lefts[0], last, self.right)

    def read(
        self, lease: DocumentLease, first: int, last: int, rendering: Mapping[str, str] = _AS_WRITTEN
    ) -> Procedure[list[list[Any]]]:
        """Read rows of the table's columns; by default formulas as their text, and dates as numbers.

        See GET /open-apis/sheets/v2/spreadsheets/:token/values/:range.

        Args:
            lease: The lease of the spreadsheet, which is kept meanwhile.
            first: The first row, from 1.
            last: The last row.
            rendering: Lark's parameters for another form of the values: `AS_DATES` or `COMPUTED`.

        Returns:
            As many rows as asked for; those below the grid are blank.
        """
        rows: list[list[Any]] = []
        step = max(1, min(_READ_ROWS, _READ_CELLS // min(self.width, 100)))
        at = first
        while at <= last:
            end = min(at + step - 1, last)
            try:
                parts = yield from self._read_blocks(lease, at, end, rendering)
            except LarkAPIError as error:
                if error.code != ANSWER_TOO_LARGE or step == 1:
                    raise
                step = max(1, step // 2)
                continue
            rows += _join_rows(parts, self.blocks, end - at + 1)
            at = end + 1
        return rows

    def _read_blocks(
        self, lease: DocumentLease, first: int, last: int, rendering: Mapping[str, str] = _AS_WRITTEN
    ) -> Procedure[list[list[list[Any] | None]]]:
        """Return the rows of each block of columns as Lark answers them: some may be missing or short."""
        parts: list[list[list[Any] | None]] = []
        for (start, end), left in zip(self.blocks, self.lefts, strict=True):
            wanted = Range(first, left, last, left + end - start - 1)
            clipped = wanted.within(self.rows, self.columns)
            values: list[list[Any] | None] = []
            if clipped is not None:
                yield from lease.keep()
                url = fill_path(V2 + "/values/{range}", token=self.token, range=clipped.on(self.sheet_id))
                answer = yield from perform(make_request("GET", url, params=rendering))
                values = (answer.data.get("valueRange") or {}).get("values") or []
                self._note_revision(_read_revision(answer), 0)
            parts.append(values)
        return parts

    def find_last_row(self, lease: DocumentLease, above: int) -> Procedure[int]:
        """Return the last row with content in the table's columns; see `find_last`."""
        row, _ = yield from self.find_last(lease, above)
        return row

    def find_last(self, lease: DocumentLease, above: int) -> Procedure[tuple[int, list[Any]]]:
        """Return the last row with content in the table's columns, and its cells.

        It is looked for from the end of the grid upwards, since a blank row may stand inside a table.

        Args:
            lease: The lease of the spreadsheet, which is kept meanwhile.
            above: The first row to look at, from 1; if no row has content, the row before it is returned,
                without cells.
        """
        yield from self.refresh(lease)
        end, step = self.rows, _READ_ROWS
        while end >= above:
            first = max(above, end - step + 1)
            try:
                parts = yield from self._read_blocks(lease, first, end)
            except LarkAPIError as error:
                if error.code != ANSWER_TOO_LARGE or step == 1:
                    raise
                step = max(1, step // 2)
                continue
            filled = [
                next((at for at in range(len(rows) - 1, -1, -1) if not is_blank(rows[at] or ())), -1)
                for rows in parts
            ]
            if (at := max(filled)) >= 0:
                (cells,) = _join_rows([rows[at : at + 1] for rows in parts], self.blocks, 1)
                return first + at, cells
            end = first - 1
        return above - 1, []

    def refresh(self, lease: DocumentLease) -> Procedure[None]:
        """Read the size of the grid again."""
        yield from lease.keep()
        for sheet in (yield from read_worksheets(self.token)):
            if sheet["sheet_id"] == self.sheet_id:
                grid = sheet.get("grid_properties") or {}
                self.rows, self.columns = int(grid["row_count"]), int(grid["column_count"])
                self.frozen = (
                    int(grid.get("frozen_row_count") or 0),
                    int(grid.get("frozen_column_count") or 0),
                )
                self.merges = _read_merges(sheet)
                return
        raise InvalidRequestError(
            f"The worksheet {self.title!r} ({self.sheet_id}) was deleted. Next: add it, and call again."
        )

    def grow(self, lease: DocumentLease, last: int) -> Procedure[None]:
        """Make the grid large enough.

        See POST /open-apis/sheets/v2/spreadsheets/:token/dimension_range.

        Args:
            lease: The lease of the spreadsheet, under which the requests are made.
            last: The last row that the table needs.
        """
        right = self.right
        if last <= self.rows and right <= self.columns:
            return
        yield from self.refresh(lease)
        if max(last, self.rows) * max(right, self.columns) > MAX_CELLS:
            raise InvalidRequestError(
                f"A worksheet takes {MAX_CELLS:,} cells, empty ones included, and row {last:,} with "
                f"{max(right, self.columns):,} columns is beyond that. Next: write to another worksheet.",
                code=90219,
            )
        while (columns := right - self.columns) > 0:
            self.columns += yield from self._add(lease, "COLUMNS", columns)
        while (rows := last - self.rows) > 0:
            self.rows += yield from self._add(lease, "ROWS", rows)

    def _add(self, lease: DocumentLease, dimension: str, count: int) -> Procedure[int]:
        count = min(count, _MAX_ADDED)
        body = {"dimension": {"sheetId": self.sheet_id, "majorDimension": dimension, "length": count}}
        # A repeat adds blank rows below the table, where they do no harm.
        call: Call[Any] = make_request(
            "POST", fill_path(V2 + "/dimension_range", token=self.token), json=body, idempotent=True
        )
        yield from lease.send(call)
        self.expect_write()
        return count

    def write(self, lease: DocumentLease, chunk: TableChunk, row: int) -> Procedure[bool]:
        """Write a chunk, by as many requests as its columns and its size need.

        See PUT /open-apis/sheets/v2/spreadsheets/:token/values.

        Args:
            lease: The lease of the spreadsheet, under which the requests are made.
            chunk: The chunk to write.
            row: The row of the worksheet where the chunk begins, from 1.

        Returns:
            Whether others have written in the spreadsheet since it was last read or written here.
        """
        yield from self.grow(lease, row + chunk.count - 1)
        is_disturbed = False
        for block, left in enumerate(self.lefts):
            start, width = 0, self.blocks[block][1] - self.blocks[block][0]
            while start < chunk.count:
                first, stop = chunk.split_rows(block, self.part_bytes, start)[0]
                where = Range(row + first, left, row + stop - 1, left + width - 1)
                body = chunk.encode_body(block, first, stop, where.on(self.sheet_id))
                try:
                    answer = yield from lease.send(self.make_value_call(body), strict=True)
                except (LarkAPIError, OutcomeUnknownError) as error:
                    if not is_refused_for_size(error) or stop - first == 1:
                        raise
                    self.part_bytes = len(body) // 2
                    continue
                is_disturbed = self.note_write(answer) or is_disturbed
                start = stop
        return is_disturbed

    def make_value_call(self, body: bytes) -> Call[Any]:
        """Return the call that writes values, which is absolute and may be repeated."""
        return replace(
            make_request("PUT", fill_path(V2 + "/values", token=self.token), idempotent=True), body=body
        )

    def expect_write(self) -> None:
        """Count a request of ours whose answer has no revision."""
        self._slack += 1

    def note_write(self, answer: LarkResponse[Any]) -> bool:
        """Record the revision after a write of ours; return whether others have written before it."""
        self.writes += 1
        return self._note_revision(_read_revision(answer), 1)

    def _note_revision(self, revision: int | None, own: int) -> bool:
        """Record a revision; return whether it has grown by more than the writes of ours."""
        before, self.revision = self.revision, revision
        own, self._slack = own + self._slack, 0
        is_disturbed = before is None or revision is None or revision > before + own
        self.disturbances += is_disturbed
        return is_disturbed


def is_refused_for_size(error: LarkError) -> bool:
    """Return whether a request was refused for its size, also where a lost attempt went before.

    Values are written to fixed places, so that a smaller request does no harm.
    """
    refusal = find_refusal(error)
    return refusal is not None and is_too_large(refusal)


def read_worksheets(token: str) -> Procedure[list[dict[str, Any]]]:
    """Return the worksheets of a spreadsheet.

    See GET /open-apis/sheets/v3/spreadsheets/:token/sheets/query.
    """
    answer = yield from perform(make_request("GET", fill_path(V3 + "/sheets/query", token=token)))
    worksheets: list[dict[str, Any]] = answer.data.get("sheets") or []
    return worksheets


def _join_rows(parts: Sequence[list[list[Any] | None]], blocks: Blocks, count: int) -> list[list[Any]]:
    """Return rows of blocks of columns as rows of the table, with blank cells for those that are missing."""
    rows: list[list[Any]] = [[] for _ in range(count)]
    for values, (start, end) in zip(parts, blocks, strict=True):
        for place, row in enumerate(rows):
            cells = (values[place] or []) if place < len(values) else []
            row.extend(cells[: end - start])
            row.extend([None] * (end - len(row)))
    return rows


def _read_revision(answer: LarkResponse[Any]) -> int | None:
    revision = answer.data.get("revision")
    return revision if isinstance(revision, int) else None


def _read_merges(sheet: dict[str, Any]) -> list[Range]:
    return [
        Range(
            int(merge["start_row_index"]) + 1,
            int(merge["start_column_index"]) + 1,
            int(merge["end_row_index"]) + 1,
            int(merge["end_column_index"]) + 1,
        )
        for merge in sheet.get("merges") or ()
    ]
