"""Read cells, a window at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from lark_provider.api.clouddoc.sheets.addressing import Range, RangeLike, parse_range
from lark_provider.api.clouddoc.sheets.decoding import DATED, SERIALS, SHOWN, decode_rows, has_numbers
from lark_provider.api.clouddoc.sheets.pieces import MAX_COLUMNS, MAX_ROWS
from lark_provider.api.clouddoc.sheets.targets import LocatedRange, Target, locate_range
from lark_provider.api.clouddoc.sheets.writing import V2
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import ConflictError, LarkAPIError
from lark_provider.protocol.operations import Listing, Page, Procedure, perform
from lark_provider.protocol.paging import Pager
from lark_provider.protocol.paths import fill_path

WINDOW_BYTES = 1_500_000
"""The intended size of a window; none should be above 2 MB."""
_FIRST_CELLS = 20_000  # of the first window, when the size of a cell is not known yet
_SAMPLE = 16  # one of so many rows is measured
_TOO_LARGE, _HTTP_TOO_LARGE = 90221, 413
_ATTEMPTS = 3


def read(
    token: Target,
    range: RangeLike = None,  # noqa: A002 - Lark's name
    *,
    typed: bool = True,
    shown: bool = False,
) -> Procedure[list[list[Any]]]:
    """Read cells; with types, by the formats of the cells.

    See GET /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/values/:range. Large ranges take several
    requests. If the spreadsheet changes between them, it is read again, so that the result never mixes two
    states.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        range: The cells to read; the whole worksheet if None.
        typed: Whether to return dates, times, links and people as such, and None for an empty cell. If
            False, cells are as Lark returns them: computed values, dates as days since 1899-12-30.
        shown: Whether to return the text that people see instead.

    Returns:
        The rows. For a range with an end, these are all its rows and columns that lie on the sheet. For one
        without, such as `A:C` or a whole worksheet, empty rows and columns at the end are left out.

    Raises:
        InvalidRequestError: The range is invalid or begins outside the sheet.
        NotFoundError: There is no such spreadsheet or worksheet.
        PermissionDeniedError: The spreadsheet was not shared with the app.
        ConflictError: The spreadsheet was changed again and again while it was read.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    attempt = 1
    while True:
        pager = Pager(read_rows(token, range, typed=typed, shown=shown))
        rows: list[list[Any]] = []
        try:
            while not pager.ended:
                rows += yield from pager.read_next_page()
        except ChangedError:
            attempt += 1
            if attempt > _ATTEMPTS:
                raise
        else:
            return _trim(rows, parse_range(range))


def read_rows(
    token: Target,
    range: RangeLike = None,  # noqa: A002 - Lark's name
    *,
    typed: bool = True,
    shown: bool = False,
    consistent: bool = True,
) -> Listing[list[Any]]:
    """Read the rows of a range one after another, in windows of at most 2 MB, so that memory use is constant.

    See GET /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/values/:range. Parameters and errors as for
    `read`.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        range: The cells to read; the whole worksheet if None.
        typed: Whether to return dates, times, links and people as such, and None for an empty cell. If False,
            cells are as Lark returns them: computed values, dates as days since 1899-12-30.
        shown: Whether to return the text that people see instead.
        consistent: Whether to raise `ConflictError` if the spreadsheet changes while it is read. If False,
            rows may appear twice or be missing if others insert or delete rows meanwhile.

    Returns:
        An iterator of rows, each as long as the range is wide. Empty rows at the end of a range without an
        end are left out.
    """
    state = _Reading(token, range, "shown" if shown else "typed" if typed else "raw", consistent=consistent)
    return Listing(state.read_page)


class ChangedError(ConflictError):
    """The spreadsheet was changed while it was read."""


@dataclass(slots=True)
class _Window:
    """Rows as Lark returned them, padded to the same length, and the revision of the spreadsheet."""

    rows: list[list[Any]]
    revision: int


@dataclass(slots=True)
class _Reading:
    """The state of reading a range."""

    token: Target
    range: RangeLike
    mode: str
    consistent: bool = True
    place: LocatedRange | None = None
    bounds: Range = field(default_factory=Range)
    window_rows: int = 0
    """How many rows the next window has."""
    revision: int | None = None
    blank: int = 0
    """Empty rows that were read and not returned yet, since nothing may follow them."""

    def read_page(self, token: str | None) -> Procedure[Page[list[Any]]]:
        """Read a window; the token is the number of its first row."""
        if token is None or self.place is None:
            at = yield from locate_range(self.token, self.range, fresh=True)
            self.place, self.bounds, self.revision, self.blank = at, at.clip(), None, 0
            width = (self.bounds.last_column or 0) - self.bounds.first_column + 1
            self.window_rows = max(1, min(MAX_ROWS, _FIRST_CELLS // width))
        else:
            at = self.place
        first = self.bounds.first_row if token is None else int(token)
        end = self.bounds.last_row or 0
        rows = yield from self._read_fitting(at, first, end)
        following = first + len(rows)
        return Page(
            self._hold_back_trailing_blank_rows(at, rows, is_end=following > end),
            str(following) if following <= end else None,
        )

    def _read_fitting(self, at: LocatedRange, first: int, end: int) -> Procedure[list[list[Any]]]:
        """Read a window that begins at a row and has as many rows as fit into an answer."""
        while True:
            wanted = self.bounds._replace(first_row=first, last_row=min(end, first + self.window_rows - 1))
            try:
                rows = yield from self._read_consistent(at, wanted)
            except LarkAPIError as error:
                is_large = error.code == _TOO_LARGE or error.http_status == _HTTP_TOO_LARGE
                if not is_large or self.window_rows == 1:
                    raise
                self.window_rows = max(1, min(self.window_rows, count_rows(wanted)) // 2)
                continue
            size = _estimate_size(rows)
            if size:
                self.window_rows = max(
                    1, min(MAX_ROWS, 2 * self.window_rows, int(WINDOW_BYTES * len(rows) / size))
                )
            return rows

    def _read_consistent(self, at: LocatedRange, wanted: Range) -> Procedure[list[list[Any]]]:
        """Read a window whose requests have all seen the same revision."""
        for _ in range(_ATTEMPTS):
            window = yield from self._read_window(at, wanted)
            if window is None:
                continue
            if self.consistent and self.revision not in (None, window.revision):
                break
            self.revision = window.revision
            return window.rows
        raise ChangedError(
            f"The spreadsheet {at.token} was changed while rows {wanted.first_row} to {wanted.last_row} of "
            f"{at.sheet.title!r} were read. Next: read again; or read one part at a time, or with "
            "read_rows(consistent=False).",
            retryable=True,
        )

    def _read_window(self, at: LocatedRange, wanted: Range) -> Procedure[_Window | None]:
        """Read a window by blocks of columns, twice if types are wanted; None if it changed in between."""
        rows: list[list[Any]] = [[] for _ in range(count_rows(wanted))]
        revisions = set()
        for block in iterate_column_blocks(wanted):
            answered = yield from _read_block(at, block, SHOWN if self.mode == "shown" else SERIALS)
            revisions.add(answered.revision)
            block_rows = answered.rows
            if self.mode == "typed":
                dated = None
                if has_numbers(answered.rows):
                    again = yield from _read_block(at, block, DATED)
                    revisions.add(again.revision)
                    dated = again.rows
                block_rows = decode_rows(answered.rows, dated)
            for number, cells in enumerate(block_rows):
                rows[number] += cells
        return _Window(rows, revisions.pop()) if len(revisions) == 1 else None

    def _hold_back_trailing_blank_rows(
        self, at: LocatedRange, rows: list[list[Any]], *, is_end: bool
    ) -> list[list[Any]]:
        """Hold empty rows back until another row follows, in a range without an end."""
        if at.range.last_row is not None:
            return rows
        width = len(rows[0]) if rows else 0
        full = len(rows)
        while full and all(cell in (None, "") for cell in rows[full - 1]):
            full -= 1
        if not full:
            self.blank += len(rows)
            return []
        before = [[None] * width for _ in range(self.blank)]
        self.blank = 0 if is_end else len(rows) - full
        return before + rows[:full]


def count_rows(wanted: Range) -> int:
    """Return how many rows a closed range has."""
    return (wanted.last_row or 0) - wanted.first_row + 1


def iterate_column_blocks(wanted: Range) -> Iterator[Range]:
    """Cut a closed range into blocks of columns that one request can read."""
    first, last = wanted.first_column, wanted.last_column or 0
    while first <= last:
        yield wanted._replace(first_column=first, last_column=min(last, first + MAX_COLUMNS - 1))
        first += MAX_COLUMNS


def _read_block(at: LocatedRange, block: Range, options: Any) -> Procedure[_Window]:
    """Read a closed range; rows and cells that Lark leaves out at the end are added."""
    name = block.on(at.sheet.sheet_id)
    url = fill_path(V2 + "/values/{range}", token=at.token, range=name)
    call: Call[Any] = make_request("GET", url, params=options, subject=block.a1)
    data = (yield from perform(call)).data
    values = (data.get("valueRange") or {}).get("values") or []
    width = (block.last_column or 0) - block.first_column + 1
    rows = [_pad(row or [], width) for row in values[: count_rows(block)]]
    rows += [[None] * width for _ in range(count_rows(block) - len(rows))]
    return _Window(rows, data.get("revision") or 0)


def _pad(row: list[Any], width: int) -> list[Any]:
    return row if len(row) == width else (row + [None] * (width - len(row)))[:width]


def _estimate_size(rows: list[list[Any]]) -> int:
    """Estimate the bytes of an answer by some of its rows."""
    sample = rows[:: max(1, len(rows) // _SAMPLE)]
    size = len(orjson.dumps(sample, default=str))
    return size * len(rows) // max(1, len(sample))


def _trim(rows: list[list[Any]], wanted: Range) -> list[list[Any]]:
    """Leave out empty columns at the end if the range names no last column."""
    if wanted.last_column is not None:
        return rows
    width = 0
    for row in rows:
        used = len(row)
        while used > width and row[used - 1] in (None, ""):
            used -= 1
        width = max(width, used)
    return [row[:width] for row in rows]
