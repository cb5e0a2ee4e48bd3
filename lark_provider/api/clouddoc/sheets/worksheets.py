"""The worksheets of a spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lark_provider.api.clouddoc.sheets.targets import (
    SheetRef,
    Target,
    Worksheet,
    find_spreadsheet,
    get_ref,
    locate_range,
    read_sheets,
)
from lark_provider.api.clouddoc.sheets.writing import V2
from lark_provider.protocol.calls import make_request
from lark_provider.protocol.errors import (
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    OutcomeUnknownError,
)
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

MAX_TITLE = 100
_FORBIDDEN = re.compile(r"[/\\?*\[\]:\x00-\x1f]")
_WRONG_TITLE, _TITLE_EXISTS = 90207, 90210


def list_sheets(token: Target) -> Procedure[list[Worksheet]]:
    """List the worksheets, with their sizes, frozen rows and merged cells.

    See GET /open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/query.

    Args:
        token: The spreadsheet: a token or a link.

    Returns:
        The worksheets, in their order.

    Raises:
        NotFoundError: There is no such spreadsheet.
        PermissionDeniedError: The spreadsheet was not shared with the app.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    ref = yield from find_spreadsheet(token)
    return (yield from read_sheets(ref.token))


def add_sheet(token: Target, title: str, *, index: int | None = None) -> Procedure[Worksheet]:
    """Add a worksheet.

    See POST /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/sheets_batch_update. If the answer is lost,
    the worksheets are listed: since titles are unique, its title shows whether it was added.

    Args:
        token: The spreadsheet: a token or a link.
        title: Its title, new in this spreadsheet: 1 to 100 characters without slashes, `?`, `*`, `:` and
            brackets.
        index: Its place among the worksheets, from 0; at the end if None.

    Returns:
        The worksheet.

    Raises:
        InvalidRequestError: The title is invalid; nothing was sent.
        ConflictError: The spreadsheet has a worksheet of that title.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    check_title(title)
    ref = yield from find_spreadsheet(token)
    sheets = yield from _read_without(ref.token, title)
    added = {"title": title, "index": len(sheets) if index is None else index}
    return (yield from _create_titled(ref.token, {"addSheet": {"properties": added}}, title))


def rename_sheet(token: Target, sheet: str | int | None, title: str) -> Procedure[Worksheet]:
    """Rename a worksheet; a repeat does no harm.

    See POST /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/sheets_batch_update. Lark ignores some
    titles without an error, so the title is read back.

    Args:
        token: The spreadsheet: a token or a link.
        sheet: The worksheet's title, id or index; None for the one that `token` names.
        title: Its new title, as for `add_sheet`.

    Returns:
        The worksheet.

    Raises:
        InvalidRequestError: The title is invalid, or Lark ignored it.
        NotFoundError: There is no such worksheet.
        ConflictError: Another worksheet has the title.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    check_title(title)
    at = yield from locate_range(_make_target(token, sheet), fresh=True)
    if at.sheet.title == title:
        return at.sheet
    changed = {"properties": {"sheetId": at.sheet.sheet_id, "title": title}}
    yield from _change(at.token, {"updateSheet": changed}, idempotent=True)
    at = yield from locate_range(SheetRef(at.token, at.sheet.sheet_id), fresh=True)
    if at.sheet.title != title:
        raise _make_ignored_title_error(title)
    return at.sheet


def copy_sheet(token: Target, sheet: str | int | None, title: str) -> Procedure[Worksheet]:
    """Copy a worksheet within its spreadsheet.

    See POST /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/sheets_batch_update.

    Args:
        token: The spreadsheet: a token or a link.
        sheet: The worksheet's title, id or index; None for the one that `token` names.
        title: The title of the copy, as for `add_sheet`.

    Returns:
        The copy.

    Raises:
        InvalidRequestError: The title is invalid; nothing was sent.
        NotFoundError: There is no such worksheet.
        ConflictError: The spreadsheet has a worksheet of that title.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    check_title(title)
    at = yield from locate_range(_make_target(token, sheet), fresh=True)
    yield from _read_without(at.token, title)  # One of that title would be taken for the copy.
    copied = {"source": {"sheetId": at.sheet.sheet_id}, "destination": {"title": title}}
    return (yield from _create_titled(at.token, {"copySheet": copied}, title))


def delete_sheet(token: Target, sheet: str | int | None = None) -> Procedure[None]:
    """Delete a worksheet.

    See POST /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/sheets_batch_update.

    Args:
        token: The spreadsheet: a token or a link.
        sheet: The worksheet's title, id or index; None for the one that `token` names.

    Raises:
        NotFoundError: There is no such worksheet.
        ConflictError: It is the only one.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    wanted = _make_target(token, sheet)
    ref = yield from find_spreadsheet(wanted)
    if ref.sheet is None:
        raise InvalidRequestError(
            "The worksheet to delete must be named, got none. Next: pass its title, id or index.", code=90205
        )
    at = yield from locate_range(wanted, fresh=True)
    if len((yield from read_sheets(at.token))) == 1:
        raise ConflictError(
            f"The worksheet {at.sheet.title!r} is the only one of the spreadsheet, and cannot be deleted. "
            "Next: add another first, or delete the spreadsheet with client.clouddoc.drive.delete.",
            code=90204,
        )
    try:
        yield from _change(at.token, {"deleteSheet": {"sheetId": at.sheet.sheet_id}})
    except (OutcomeUnknownError, LarkAPIError):
        sheets = yield from read_sheets(at.token)
        if any(worksheet.sheet_id == at.sheet.sheet_id for worksheet in sheets):
            raise
    else:
        yield from read_sheets(at.token)  # so that the cached list no longer has it


def check_title(title: object) -> str:
    """Check the title of a worksheet, since Lark ignores some without an error.

    Args:
        title: What a caller passed.

    Raises:
        InvalidRequestError: It is invalid.
    """
    is_valid = isinstance(title, str) and 1 <= len(title) <= MAX_TITLE and title.strip() == title
    if not is_valid or _FORBIDDEN.search(str(title)):
        raise InvalidRequestError(
            f"The title of a worksheet must have 1 to {MAX_TITLE} characters without / \\ ? * [ ] : and "
            f"blanks at its ends, got {title!r:.120}. Next: choose a title such as 'Sales 2026'.",
            code=_WRONG_TITLE,
        )
    return str(title)


def _make_target(token: Target, sheet: str | int | None) -> Target:
    return token if sheet is None else SheetRef(get_ref(token).token, sheet)


def _read_without(token: str, title: str) -> Procedure[list[Worksheet]]:
    """Return the worksheets, none of which has the title of one that is about to be made."""
    sheets = yield from read_sheets(token)
    if _find_titled(sheets, title) is not None:
        raise ConflictError(
            f"The spreadsheet already has a worksheet titled {title!r}. Next: choose another title, or use "
            "that worksheet.",
            code=_TITLE_EXISTS,
        )
    return sheets


def _create_titled(token: str, item: Mapping[str, Any], title: str) -> Procedure[Worksheet]:
    """Create a worksheet by one change, and return it as the list of worksheets shows it."""
    try:
        yield from _change(token, item)
    except OutcomeUnknownError:
        worksheet = _find_titled((yield from read_sheets(token)), title)
        if worksheet is None:
            raise
        return worksheet
    worksheet = _find_titled((yield from read_sheets(token)), title)
    if worksheet is None:
        raise _make_ignored_title_error(title)
    return worksheet


def _find_titled(sheets: list[Worksheet], title: str) -> Worksheet | None:
    return next((sheet for sheet in sheets if sheet.title == title), None)


def _make_ignored_title_error(title: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"Lark answered success, but did not take the title {title!r}. Next: choose another, without special "
        "characters.",
        code=_WRONG_TITLE,
    )


def _change(token: str, item: Mapping[str, Any], *, idempotent: bool = False) -> Procedure[None]:
    """Change one worksheet. Each request makes one change, since several might not be atomic."""
    url = fill_path(V2 + "/sheets_batch_update", token=token)
    yield from perform(make_request("POST", url, json={"requests": [item]}, idempotent=idempotent))
