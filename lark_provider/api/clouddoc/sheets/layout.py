"""Styles, frozen rows and merged cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

from lark_provider.api.clouddoc.sheets.addressing import Range, RangeLike
from lark_provider.api.clouddoc.sheets.pieces import MAX_ROWS
from lark_provider.api.clouddoc.sheets.styles import Style
from lark_provider.api.clouddoc.sheets.targets import LocatedRange, Target, Worksheet, locate_range
from lark_provider.api.clouddoc.sheets.writing import V2, iterate_style_calls, tiles
from lark_provider.protocol.arguments import check_choice
from lark_provider.protocol.calls import make_request
from lark_provider.protocol.errors import InvalidRequestError, LarkAPIError
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

MergeKind: TypeAlias = Literal["all", "rows", "columns"]
_WRONG = 90204


def style(token: Target, range: RangeLike, style: Style) -> Procedure[None]:  # noqa: A002 - Lark's name
    """Set how cells look; a repeat does no harm.

    See PUT /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/styles_batch_update. Set styles
    after writing values, since it is not known whether values reset formats.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        range: The cells to style; large ranges take several requests.
        style: The style of the cells, such as `Style(bold=True, formatter="#,##0.00")`.

    Raises:
        InvalidRequestError: The style or the range is invalid; nothing was sent.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    if not isinstance(style, Style):
        raise InvalidRequestError(
            f"style must be a Style, got {style!r:.120}. Next: write Style(bold=True).", code=_WRONG
        )
    wire = style.to_lark()
    at = yield from locate_range(token, range)
    for call in iterate_style_calls(at.token, at.sheet.sheet_id, [([at.clip()], wire)]):
        yield from perform(call)


def freeze(token: Target, *, rows: int | None = None, columns: int | None = None) -> Procedure[Worksheet]:
    """Keep the first rows and columns in view; a repeat does no harm.

    See POST /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/sheets_batch_update.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        rows: How many rows to freeze; 0 for none, None to leave them as they are.
        columns: How many columns to freeze; 0 for none, None to leave them as they are.

    Returns:
        The worksheet as it is afterwards.

    Raises:
        InvalidRequestError: A number is invalid; nothing was sent.
        LarkAPIError: Lark refused it, or answered success, but changed nothing.
        TransportError: Lark was not reached.
    """
    at = yield from locate_range(token, fresh=True)
    wanted = {"frozenRowCount": rows, "frozenColCount": columns}
    for count, most, what in ((rows, at.sheet.rows, "rows"), (columns, at.sheet.columns, "columns")):
        if count is not None and not (type(count) is int and 0 <= count < most):
            raise InvalidRequestError(
                f"{what} must be an int from 0 and below the {most} of the sheet, got {count!r}. Next: "
                f"pass a number up to {most - 1}; 0 unfreezes the {what}.",
                code=_WRONG,
            )
    current = {"frozenRowCount": at.sheet.frozen_rows, "frozenColCount": at.sheet.frozen_columns}
    changed = {name: count for name, count in wanted.items() if count is not None and count != current[name]}
    if not changed:
        return at.sheet
    item = {"updateSheet": {"properties": {"sheetId": at.sheet.sheet_id, **changed}}}
    url = fill_path(V2 + "/sheets_batch_update", token=at.token)
    yield from perform(make_request("POST", url, json={"requests": [item]}, idempotent=True))
    sheet = (yield from locate_range(token, fresh=True)).sheet
    if (rows is not None and sheet.frozen_rows != rows) or (
        columns is not None and sheet.frozen_columns != columns
    ):
        raise LarkAPIError(
            f"Lark answered success, but {sheet.title!r} has {sheet.frozen_rows} frozen rows and "
            f"{sheet.frozen_columns} columns. Next: call again.",
            retryable=True,
        )
    return sheet


def merge(token: Target, range: RangeLike, kind: MergeKind = "all") -> Procedure[None]:  # noqa: A002
    """Merge cells; the first keeps its value. Cells that are already merged in this way are left alone.

    See POST /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/merge_cells.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        range: The cells to merge: at most 5,000 rows and 100 columns.
        kind: `all` merges them into one cell, `rows` merges each row, and `columns` each column.

    Raises:
        InvalidRequestError: The range is invalid, or overlaps other merged cells; nothing was sent.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    check_choice("kind", kind, get_args(MergeKind), _WRONG)
    at = yield from locate_range(token, range, fresh=True)
    target = at.clip()
    if len(list(tiles(target, MAX_ROWS))) > 1:
        raise InvalidRequestError(
            f"Merged cells must have at most 5,000 rows and 100 columns, got {target.a1}. Next: merge less.",
            code=_WRONG,
        )
    wanted = set(_list_merges(target, kind))
    existing = {area for area in at.sheet.merges if area.meets(target)}
    if not wanted - existing:
        return
    if existing - wanted:
        others = ", ".join(sorted(area.a1 for area in existing - wanted))
        raise InvalidRequestError(
            f"The range {target.a1} overlaps merged cells: {others}. Next: unmerge them first.",
            code=90202,
        )
    yield from _merge_call(at, target, "merge_cells", {"mergeType": f"MERGE_{kind.upper()}"})


def unmerge(token: Target, range: RangeLike = None) -> Procedure[None]:  # noqa: A002 - Lark's name
    """Unmerge the merged cells in a range; a repeat does no harm.

    See POST /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/unmerge_cells.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        range: The cells to unmerge; the whole worksheet if None. Merged cells that extend beyond it are
            unmerged as a whole.

    Raises:
        InvalidRequestError: The range is invalid; nothing was sent.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    at = yield from locate_range(token, range, fresh=True)
    target = at.clip()
    merges = [area for area in at.sheet.merges if area.meets(target)]
    for merged in merges:
        yield from _merge_call(at, merged, "unmerge_cells", {})
    if merges:
        yield from locate_range(token, range, fresh=True)  # so that the cached list no longer has them


def _list_merges(target: Range, kind: MergeKind) -> list[Range]:
    """Return the merges that a range is divided into; merges of a single cell are left out."""
    if kind == "all":
        parts = [target]
    elif kind == "rows":
        parts = list(tiles(target, 1, 13_000))
    else:
        parts = list(tiles(target, MAX_ROWS, 1))
    return [area for area in (part._replace(sheet=None) for part in parts) if not area.is_cell]


def _merge_call(at: LocatedRange, target: Range, what: str, options: Mapping[str, Any]) -> Procedure[None]:
    body = {"range": target.on(at.sheet.sheet_id), **options}
    yield from perform(
        make_request("POST", fill_path(f"{V2}/{what}", token=at.token), json=body, idempotent=True)
    )
