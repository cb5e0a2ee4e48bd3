"""`/sheets/v3/spreadsheets`: create, read and rename a file, and look at its worksheets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.drive.access import EDIT, get_owner_id
from lark_emulator.drive.files import add_document
from lark_emulator.routing import Call, Route
from lark_emulator.sheets.opened import make_refusal, open_spreadsheet, read_body
from lark_emulator.validation import read_optional_text, read_user_id_type
from lark_emulator.world.drive import SHEET
from lark_emulator.world.sheets import FIRST_TITLE, Spreadsheet, Worksheet

if TYPE_CHECKING:
    from lark_emulator.world.grid import Rect
    from lark_emulator.world.world import World

MAX_TITLE_LENGTH = 255


def make_worksheet(world: World, title: str) -> Worksheet:
    """Return an empty worksheet of 200 x 20 cells."""
    return Worksheet(world.make_id("", 6), title)


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /sheets/v3/spreadsheets`: one worksheet; a second file of the same title is made."""
    body = read_body(call)
    title = read_optional_text(body, "title")
    if len(title) > MAX_TITLE_LENGTH:
        raise make_refusal(call, codes.SHEET_TITLE_REJECTED)
    sheet = make_worksheet(call.world, FIRST_TITLE)
    folder_token = read_optional_text(body, "folder_token")
    document = add_document(call, SHEET, title, folder_token, "shtcn", Spreadsheet({sheet.sheet_id: sheet}))
    return {
        "spreadsheet": {
            "title": title,
            "folder_token": folder_token,
            "url": document.url,
            "spreadsheet_token": document.token,
        }
    }


def get(call: Call) -> dict[str, Any]:
    """Answer `GET …/:spreadsheet_token`."""
    file = open_spreadsheet(call)
    return {
        "spreadsheet": {
            "title": file.document.title,
            "owner_id": get_owner_id(call, file.document, read_user_id_type(call)),
            "token": file.token,
            "url": file.document.url,
        }
    }


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH …/:spreadsheet_token`."""
    file = open_spreadsheet(call, EDIT)
    title = read_body(call).get("title")
    if not isinstance(title, str) or not 0 < len(title) <= MAX_TITLE_LENGTH:
        raise file.make_refusal(codes.SHEET_TITLE_REJECTED)
    file.document.own_title = title
    file.record_write()
    file.document.note(call.world.clock.get_time())
    return {}


def query(call: Call) -> dict[str, Any]:
    """Answer `GET …/sheets/query`."""
    file = open_spreadsheet(call)
    return {"sheets": [_render(sheet, n) for n, sheet in enumerate(file.book.sheets.values())]}


def get_sheet(call: Call) -> dict[str, Any]:
    """Answer `GET …/sheets/:sheet_id`."""
    file = open_spreadsheet(call)
    sheet = file.require_sheet(call.params["sheet_id"])
    return {"sheet": _render(sheet, list(file.book.sheets).index(sheet.sheet_id))}


def _render(sheet: Worksheet, index: int) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "sheet_id": sheet.sheet_id,
        "title": sheet.title,
        "index": index,
        "hidden": sheet.hidden,
        "grid_properties": {
            "frozen_row_count": sheet.frozen_rows,
            "frozen_column_count": sheet.frozen_columns,
            "row_count": sheet.grid.row_count,
            "column_count": sheet.grid.column_count,
        },
        "resource_type": "sheet",
    }
    return shown | ({"merges": [_merge(rect) for rect in sheet.merges]} if sheet.merges else {})


def _merge(rect: Rect) -> dict[str, int]:
    return {
        "start_row_index": rect.row,
        "end_row_index": rect.end_row - 1,
        "start_column_index": rect.column,
        "end_column_index": rect.end_column - 1,
    }


_PATH = "/open-apis/sheets/v3/spreadsheets"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=("a folder that the app may not write to gets 1061004, an unknown one 1061003",),
    ),
    Route(
        "GET",
        f"{_PATH}/:spreadsheet_token",
        get,
        unconfirmed=(
            (
                "an app that may not open it gets 91403 (settable, `sheet_denied`); the owner of an app's"
                " file is the open_id of its bot"
            ),
        ),
    ),
    Route("PATCH", f"{_PATH}/:spreadsheet_token", patch, unconfirmed=("an empty title gets 1310250",)),
    Route(
        "GET",
        f"{_PATH}/:spreadsheet_token/sheets/query",
        query,
        unconfirmed=("the ends of `merges` are included",),
    ),
    Route("GET", f"{_PATH}/:spreadsheet_token/sheets/:sheet_id", get_sheet),
)
