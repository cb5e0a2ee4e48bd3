"""`metainfo` and `sheets_batch_update` of v2: worksheets are added, copied, changed and deleted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import EDIT, get_owner_id
from lark_emulator.routing import Call, Route
from lark_emulator.sheets.locks import render_lock
from lark_emulator.sheets.opened import (
    OpenSpreadsheet,
    open_spreadsheet,
    read_body,
    require_open,
    require_part,
    require_parts,
)
from lark_emulator.sheets.spreadsheets import make_worksheet
from lark_emulator.validation import read_user_id_type

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from lark_emulator.routing import Slices
    from lark_emulator.world.grid import Rect
    from lark_emulator.world.sheets import Worksheet

MAX_WORKSHEETS = 300
MAX_TITLE_LENGTH = 100
_ILLEGAL = re.compile(r"[/\\?*\[\]:]")


def get_metainfo(call: Call) -> dict[str, Any]:
    """Answer `GET …/metainfo`; with `extFields=protectedRange`, also what is locked."""
    file = open_spreadsheet(call)
    with_locks = "protectedRange" in call.query.get("extFields", "").split(",")
    return {
        "spreadsheetToken": file.token,
        "properties": {
            "title": file.document.title,
            "ownerUser": get_owner_id(call, file.document, read_user_id_type(call)),
            "ownerUserID": get_owner_id(call, file.document, read_user_id_type(call)),
            "sheetCount": len(file.book.sheets),
            "revision": file.book.revision,
        },
        "sheets": [
            {**_render(sheet, n), **(_render_locks(sheet) if with_locks else {})}
            for n, sheet in enumerate(file.book.sheets.values())
        ],
    }


def _render(sheet: Worksheet, index: int) -> dict[str, Any]:
    return {
        "sheetId": sheet.sheet_id,
        "title": sheet.title,
        "index": index,
        "rowCount": sheet.grid.row_count,
        "columnCount": sheet.grid.column_count,
        "frozenRowCount": sheet.frozen_rows,
        "frozenColCount": sheet.frozen_columns,
        "merges": [_merge(rect) for rect in sheet.merges],
    }


def _render_locks(sheet: Worksheet) -> dict[str, Any]:
    return {"protectedRange": [render_lock(sheet, lock) for lock in sheet.locks.values()]}


def _merge(rect: Rect) -> dict[str, int]:
    return {
        "startRowIndex": rect.row,
        "rowCount": rect.rows,
        "startColumnIndex": rect.column,
        "columnCount": rect.columns,
    }


def batch_update(call: Call) -> Slices:
    """Answer `POST …/sheets_batch_update`."""
    file = open_spreadsheet(call, EDIT)
    requests = require_parts(call, read_body(call), "requests")
    before = None
    if call.settings.sheets_batch == "whole" and len(requests) > 1:
        before = (yield from file.book.copy()).sheets
        require_open(file)
    replies: list[dict[str, Any]] = []
    try:
        for request in requests:
            known = [name for name in (*_OPERATIONS, "copySheet") if name in request]
            if len(known) != 1:
                raise file.make_refusal(codes.SHEET_BODY, "one operation for each request")
            name = known[0]
            copied = (yield from _copy_sheet(file, request["copySheet"])) if name == "copySheet" else None
            spec = require_part(call, request, name)
            replies.append(
                {name: _OPERATIONS[name](file, spec) if copied is None else _copy(file, spec, copied)}
            )
    except RefusedError:
        if before is not None:
            file.book.sheets = before
        elif replies:
            file.record_write()
        raise
    file.record_write()
    if call.settings.sheets_replies == "merged":
        merged: dict[str, Any] = {}
        for reply in replies:
            merged |= reply
        replies = [merged]
    return {"replies": replies}


def _add(file: OpenSpreadsheet, request: dict[str, Any]) -> dict[str, Any]:
    spec = require_part(file.call, request, "properties")
    sheet = make_worksheet(file.call.world, _check_title(file, spec.get("title")))
    return _place_sheet(file, sheet, _check_index(file, spec.get("index", 0)))


def _copy_sheet(file: OpenSpreadsheet, request: Any) -> Generator[None, None, Worksheet]:
    spec = request if isinstance(request, dict) else {}
    copied = yield from file.require_sheet(require_part(file.call, spec, "source").get("sheetId")).copy()
    require_open(file)
    return copied


def _copy(file: OpenSpreadsheet, request: dict[str, Any], sheet: Worksheet) -> dict[str, Any]:
    source = file.require_sheet(sheet.sheet_id)
    destination = request.get("destination")
    title = destination.get("title") if isinstance(destination, dict) else None
    if not title:
        number = 0
        while file.book.find_titled(f"{source.title}(副本_{number})") is not None:
            number += 1
        title = f"{source.title}(副本_{number})"
    sheet.sheet_id, sheet.title = file.call.world.make_id("", 6), _check_title(file, title)
    sheet.locks = {}
    return _place_sheet(file, sheet, list(file.book.sheets).index(source.sheet_id) + 1)


def _place_sheet(file: OpenSpreadsheet, sheet: Worksheet, index: int) -> dict[str, Any]:
    if len(file.book.sheets) >= MAX_WORKSHEETS:
        raise file.make_refusal(codes.SHEET_LIMIT, f"at most {MAX_WORKSHEETS} worksheets")
    file.book.place(sheet, index)
    index = list(file.book.sheets).index(sheet.sheet_id)
    return {"properties": {"sheetId": sheet.sheet_id, "title": sheet.title, "index": index}}


def _delete(file: OpenSpreadsheet, request: dict[str, Any]) -> dict[str, Any]:
    sheet = file.require_sheet(request.get("sheetId"))
    if len(file.book.sheets) == 1 and file.call.settings.last_worksheet == "refused":
        raise file.make_refusal(codes.SHEET_LIMIT, "the last worksheet stays")
    del file.book.sheets[sheet.sheet_id]
    return {"result": True, "sheetId": sheet.sheet_id}


def _update(file: OpenSpreadsheet, request: dict[str, Any]) -> dict[str, Any]:
    spec = require_part(file.call, request, "properties")
    sheet = file.require_sheet(spec.get("sheetId"))
    known = {name: value for name, value in spec.items() if name in _CHANGES}
    for name, value in known.items():
        if not _FITS[name](value):
            raise file.make_refusal(codes.SHEET_BODY, name)
    echoed: dict[str, Any] = {"sheetId": sheet.sheet_id}
    for name, value in known.items():
        _CHANGES[name](file, sheet, value)
        echoed[name] = value
    if "title" in echoed:
        echoed["title"] = sheet.title
    return {"properties": echoed}


def _check_title(file: OpenSpreadsheet, title: Any) -> str:
    if not isinstance(title, str) or not title:
        raise file.make_refusal(codes.SHEET_TITLE_EMPTY)
    if len(title) > MAX_TITLE_LENGTH or _ILLEGAL.search(title):
        raise file.make_refusal(codes.SHEET_BODY, "title")
    if file.book.find_titled(title) is not None:
        raise file.make_refusal(codes.SHEET_TITLE_EXISTS)
    return title


def _retitle(file: OpenSpreadsheet, sheet: Worksheet, title: str) -> None:
    """Rename a worksheet; a title that is not allowed is ignored."""
    if not title or len(title) > MAX_TITLE_LENGTH or _ILLEGAL.search(title):
        return
    other = file.book.find_titled(title)
    if other is not None and other is not sheet:
        raise file.make_refusal(codes.SHEET_TITLE_EXISTS)
    sheet.title = title


def _check_index(file: OpenSpreadsheet, index: Any) -> int:
    if not _is_whole(index):
        raise file.make_refusal(codes.SHEET_BODY, "index")
    return int(index)


def _move(file: OpenSpreadsheet, sheet: Worksheet, index: int) -> None:
    file.book.place(sheet, index)


def _hide(_: OpenSpreadsheet, sheet: Worksheet, hidden: bool) -> None:
    sheet.hidden = hidden


def _freeze_rows(_: OpenSpreadsheet, sheet: Worksheet, count: int) -> None:
    sheet.frozen_rows = min(count, sheet.grid.row_count)


def _freeze_columns(_: OpenSpreadsheet, sheet: Worksheet, count: int) -> None:
    sheet.frozen_columns = min(count, sheet.grid.column_count)


def _protect(_: OpenSpreadsheet, sheet: Worksheet, spec: dict[str, Any]) -> None:
    sheet.protection = dict(spec) if spec.get("lock") == "LOCK" else None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_FITS: dict[str, Callable[[Any], bool]] = {
    "title": lambda value: isinstance(value, str),
    "index": _is_whole,
    "hidden": lambda value: isinstance(value, bool),
    "frozenRowCount": _is_whole,
    "frozenColCount": _is_whole,
    "protect": lambda value: isinstance(value, dict) and value.get("lock") in ("LOCK", "UNLOCK"),
}
_CHANGES: dict[str, Callable[[OpenSpreadsheet, Worksheet, Any], None]] = {
    "title": _retitle,
    "index": _move,
    "hidden": _hide,
    "frozenRowCount": _freeze_rows,
    "frozenColCount": _freeze_columns,
    "protect": _protect,
}
_OPERATIONS: dict[str, Callable[[OpenSpreadsheet, dict[str, Any]], dict[str, Any]]] = {
    "addSheet": _add,
    "deleteSheet": _delete,
    "updateSheet": _update,
}

_PATH = "/open-apis/sheets/v2/spreadsheets/:spreadsheet_token"

ROUTES = (
    Route(
        "GET",
        f"{_PATH}/metainfo",
        get_metainfo,
        unconfirmed=("without protected ranges the list of them is empty",),
    ),
    Route(
        "POST",
        f"{_PATH}/sheets_batch_update",
        batch_update,
        unconfirmed=(
            (
                "whether a refused item undoes the others (settable, `sheets_batch`), how replies are "
                "grouped (`sheets_replies`), deleting the last worksheet (`last_worksheet`: 90226); a "
                "protected worksheet can still be written to by the app; a copied one has no protected "
                "ranges; `addSheet` refuses an illegal title (90204)"
            ),
        ),
    ),
)
