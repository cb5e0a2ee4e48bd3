"""Find the spreadsheet and worksheet that an operation is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from lark_provider.api import links
from lark_provider.api.clouddoc.sheets.addressing import WRONG_RANGE, Range, RangeLike, parse_range
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.effects import Memoize
from lark_provider.protocol.errors import InvalidRequestError, NotFoundError
from lark_provider.protocol.operations import Procedure, memoize, perform
from lark_provider.protocol.paths import fill_path

_MAX_AGE = 10.0
"""Seconds for which titles and sizes of the worksheets of a spreadsheet are cached."""
NO_SHEET = 90215


class SheetRef(NamedTuple):
    """A worksheet of a spreadsheet.

    Attributes:
        token: The spreadsheet's token, or a link to it.
        sheet: The worksheet's title, id, or index from 0; None for the one that the link names, else the
            first.
    """

    token: str
    sheet: str | int | None = None


class HasRef(Protocol):
    """A `Sheet` or `Spreadsheet` of a client."""

    @property
    def ref(self) -> SheetRef:
        """The spreadsheet, or the worksheet of one, that it represents."""


Target: TypeAlias = str | SheetRef | HasRef
"""A spreadsheet's token or a link to it, also to the wiki page that holds it; or a worksheet."""


@dataclass(frozen=True, slots=True)
class Worksheet:
    """A worksheet as Lark describes it.

    Attributes:
        sheet_id: The id of the worksheet, such as `Q7PlXT`.
        title: The title of the worksheet.
        index: Its place among the worksheets, from 0.
        hidden: Whether it is hidden.
        rows: How many rows its grid has, empty ones included.
        columns: How many columns its grid has, empty ones included.
        frozen_rows: How many rows stay at the top.
        frozen_columns: How many columns stay at the left.
        merges: The ranges of its merged cells.
        resource_type: `sheet`; a table of a Bitable shown in the spreadsheet is `bitable`.
    """

    sheet_id: str
    title: str
    index: int = 0
    hidden: bool = False
    rows: int = 0
    columns: int = 0
    frozen_rows: int = 0
    frozen_columns: int = 0
    merges: tuple[Range, ...] = ()
    resource_type: str = "sheet"

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Worksheet:
        """Read Lark's description."""
        grid = data.get("grid_properties") or {}
        merges = (
            # Lark counts from 0 here, and includes the ends.
            Range(
                merge["start_row_index"] + 1,
                merge["start_column_index"] + 1,
                merge["end_row_index"] + 1,
                merge["end_column_index"] + 1,
            )
            for merge in data.get("merges") or ()
        )
        return cls(
            sheet_id=data["sheet_id"],
            title=data.get("title") or "",
            index=data.get("index") or 0,
            hidden=bool(data.get("hidden")),
            rows=grid.get("row_count") or 0,
            columns=grid.get("column_count") or 0,
            frozen_rows=grid.get("frozen_row_count") or 0,
            frozen_columns=grid.get("frozen_column_count") or 0,
            merges=tuple(merges),
            resource_type=data.get("resource_type") or "sheet",
        )


class LocatedRange(NamedTuple):
    """A range on a worksheet that was found.

    Attributes:
        token: The spreadsheet's token.
        sheet: The worksheet.
        range: The range that the caller named; it may have no end.
    """

    token: str
    sheet: Worksheet
    range: Range

    def clip(self) -> Range:
        """Return the part of the range that lies on the grid.

        Raises:
            InvalidRequestError: No part of it does.
        """
        clipped = self.range.within(self.sheet.rows, self.sheet.columns)
        if clipped is None:
            raise InvalidRequestError(
                f"The range must begin on the sheet {self.sheet.title!r}, which has {self.sheet.rows} rows "
                f"and {self.sheet.columns} columns, got {self.range.a1!r}. Next: choose a range "
                "that begins within these.",
                code=WRONG_RANGE,
            )
        return clipped


def get_ref(target: Target) -> SheetRef:
    """Return the spreadsheet and worksheet that a caller named, as far as they are known without a request.

    Args:
        target: A token, a link, a `SheetRef` or a `Sheet`.
    """
    ref: Any = getattr(target, "ref", target)
    return ref if isinstance(ref, SheetRef) else SheetRef(ref)


def find_spreadsheet(target: Target) -> Procedure[SheetRef]:
    """Find the spreadsheet that a caller named.

    Args:
        target: A token, a link, a `SheetRef` or a `Sheet`.

    Returns:
        Its token, and the worksheet that was named, if any.

    Raises:
        InvalidRequestError: It is empty or leads to something else.
    """
    ref = get_ref(target)
    link = yield from links.find_document(ref.token, "sheet")
    return SheetRef(link.token, link.sheet_id if ref.sheet is None else ref.sheet)


def read_sheets(token: str, *, max_age: float = 0.0) -> Procedure[list[Worksheet]]:
    """Read the worksheets of a spreadsheet, and cache them.

    Args:
        token: The spreadsheet's token.
        max_age: Maximum age in seconds of a cached list; 0 reads it again.
    """

    def read() -> Procedure[list[Worksheet]]:
        url = fill_path("/sheets/v3/spreadsheets/{token}/sheets/query", token=token)
        call: Call[Any] = make_request("GET", url)
        sheets = [Worksheet.of(sheet) for sheet in (yield from perform(call)).data.get("sheets") or ()]
        return sorted(sheets, key=lambda sheet: sheet.index)

    return (yield from memoize(Memoize(("sheets.query", token), read, max_age)))


def locate_range(target: Target, range: RangeLike = None, *, fresh: bool = False) -> Procedure[LocatedRange]:  # noqa: A002
    """Find the worksheet and the range that an operation is about.

    Args:
        target: A token, a link, a `SheetRef` or a `Sheet`.
        range: The range; a title or id before its `!` takes precedence over that of `target`.
        fresh: Whether to read the worksheets now, even if they are cached.

    Raises:
        InvalidRequestError: The range is invalid.
        NotFoundError: There is no such worksheet.
    """
    wanted = parse_range(range)
    token, key = yield from find_spreadsheet(target)
    if wanted.sheet is not None:
        key = wanted.sheet
    sheets = yield from read_sheets(token, max_age=0.0 if fresh else _MAX_AGE)
    worksheet = _find_worksheet(sheets, key)
    if worksheet is None and not fresh:
        sheets = yield from read_sheets(token)
        worksheet = _find_worksheet(sheets, key)
    if worksheet is None:
        titles = ", ".join(repr(sheet.title) for sheet in sheets)
        raise NotFoundError(
            f"The spreadsheet {token} has no worksheet {key!r}; its worksheets: {titles or 'none'}. Next: "
            "pass a title, an id or an index from 0.",
            code=NO_SHEET,
        )
    if worksheet.resource_type != "sheet":
        raise InvalidRequestError(
            f"The worksheet {worksheet.title!r} is a {worksheet.resource_type}, and has no cells. Next: use "
            "client.clouddoc.bitable for a table of a Bitable.",
            code=NO_SHEET,
        )
    return LocatedRange(token, worksheet, wanted)


def _find_worksheet(sheets: list[Worksheet], key: str | int | None) -> Worksheet | None:
    """Return the worksheet with an id, a title or an index, in this order; the first visible one for None."""
    if key is None:
        return next(
            (sheet for sheet in sheets if sheet.resource_type == "sheet" and not sheet.hidden), None
        ) or (sheets[0] if sheets else None)
    if isinstance(key, int):
        return sheets[key] if -len(sheets) <= key < len(sheets) else None
    by_id = next((sheet for sheet in sheets if sheet.sheet_id == key), None)
    return by_id or next((sheet for sheet in sheets if sheet.title == key), None)
