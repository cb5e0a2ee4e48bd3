"""How a request finds its spreadsheet, is refused, and keeps others from writing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.codes import Code, RefusedError
from lark_emulator.drive.access import EDIT, VIEW, is_allowed
from lark_emulator.validation import parse
from lark_emulator.world.drive import SHEET
from lark_emulator.world.sheet_plans import READ, WRITE
from lark_emulator.world.sheets import Spreadsheet

if TYPE_CHECKING:
    from lark_emulator.routing import Call
    from lark_emulator.world.drive import Document
    from lark_emulator.world.sheets import Worksheet

_FORBIDDEN = 403


def make_refusal(call: Call, code: Code, detail: str = "") -> RefusedError:
    """Return the refusal of a request to v2 or v3, with the number and status of that version."""
    code_number, status = code.number, code.status
    if code is codes.SHEET_DENIED and call.settings.sheet_denied == str(codes.NEVER_SHARED.number):
        return RefusedError(
            codes.NEVER_SHARED._replace(status=int(call.settings.never_shared_status)), detail
        )
    if "/v3/" in call.route.path:
        code_number += codes.SHEETS_V3
    elif status != _FORBIDDEN:
        status = int(call.settings.sheet_error_status)
    return RefusedError(Code(code_number, code.msg, status), detail)


@dataclass(slots=True)
class OpenSpreadsheet:
    """A spreadsheet that a request may use."""

    call: Call
    token: str
    document: Document
    book: Spreadsheet

    def make_refusal(self, code: Code, detail: str = "") -> RefusedError:
        """Return the refusal of the request."""
        return make_refusal(self.call, code, detail)

    def require_sheet(self, sheet_id: Any) -> Worksheet:
        """Return a worksheet.

        Raises:
            RefusedError: 90206 (no id), 90215 (no such worksheet).
        """
        if not isinstance(sheet_id, str) or not sheet_id:
            raise self.make_refusal(codes.SHEET_ID_EMPTY)
        sheet = self.book.sheets.get(sheet_id)
        if sheet is None:
            raise self.make_refusal(codes.SHEET_NOT_FOUND, sheet_id)
        return sheet

    def record_write(self) -> int:
        """Record a write, keep the spreadsheet busy for `sheet_write_ms`, and return the new revision."""
        call, book = self.call, self.book
        book.revision += 1
        self.document.modified = call.world.clock.get_time()
        if call.settings.sheet_write_ms > 0 and not call.late:
            write = object()
            book.held = write
            call.hold = call.settings.sheet_write_ms / 1000

            def let_go() -> None:
                if book.held is write:
                    book.held = None

            call.release = let_go
        return book.revision


def open_spreadsheet(call: Call, need: str = VIEW) -> OpenSpreadsheet:
    """Return the spreadsheet of the path.

    Args:
        call: The request, whose path names the spreadsheet.
        need: The permission that the request needs: `view`, or `edit` for a write.

    Raises:
        RefusedError: 90214 (none), 90249 (deleted), `sheet_denied`, or `sheet_busy` for a write.
    """
    token = call.params.get("spreadsheetToken") or call.params.get("spreadsheet_token", "")
    call.world.sheet_plans.strike(token, WRITE if need == EDIT else READ)
    return _open(call, token, need)


def require_open(file: OpenSpreadsheet) -> None:
    """Check once more, after others had their turn, that a request may write to its spreadsheet.

    Raises:
        RefusedError: as `open_spreadsheet` does.
    """
    _open(file.call, file.token, EDIT)


def _open(call: Call, token: str, need: str) -> OpenSpreadsheet:
    document = call.world.drive.documents.get(token)
    if document is None or document.type != SHEET or not isinstance(document.content, Spreadsheet):
        raise make_refusal(call, codes.SPREADSHEET_NOT_FOUND)
    if document.deleted:
        raise make_refusal(
            call, codes.SHEET_DELETED if "/v3/" in call.route.path else codes.SPREADSHEET_NOT_FOUND
        )
    if not is_allowed(call, document, need):
        raise make_refusal(call, codes.SHEET_DENIED)
    # What was late has waited for its turn.
    if need == EDIT and document.content.held is not None and not call.late:
        busy = codes.SHEET_TOO_MANY
        if call.settings.sheet_busy == str(codes.SHEET_UNFINISHED.number):
            busy = codes.SHEET_UNFINISHED
        raise make_refusal(call, busy)
    return OpenSpreadsheet(call, token, document, document.content)


def read_body(call: Call) -> dict[str, Any]:
    """Return the body as an object.

    Raises:
        RefusedError: 90227 (too long), 90201 (no JSON), 90204 (no object).
    """
    longest = call.settings.max_sheet_request_bytes
    if longest and len(call.body) > longest:
        raise make_refusal(call, codes.SHEET_REQUEST_TOO_LARGE)
    try:
        body = parse(call.body or b"{}") if len(call.body) < _SMALL else orjson.loads(call.body)
    except orjson.JSONDecodeError:
        raise make_refusal(call, codes.SHEET_NO_JSON) from None
    if not isinstance(body, dict):
        raise make_refusal(call, codes.SHEET_BODY)
    return body


#: Bodies beyond this are not checked for nesting that no answer could hold: it would take as long as parsing.
_SMALL = 64 * 1024


def require_part(call: Call, body: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a required object of a body.

    Raises:
        RefusedError: 90204.
    """
    value = body.get(name)
    if not isinstance(value, dict):
        raise make_refusal(call, codes.SHEET_BODY, f"{name} is required")
    return value


def require_parts(
    call: Call, body: dict[str, Any], name: str, limit: int | None = None
) -> list[dict[str, Any]]:
    """Return a required list of objects of a body.

    Raises:
        RefusedError: 90204, 90226 (too many).
    """
    value = body.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        raise make_refusal(call, codes.SHEET_BODY, f"{name} is required")
    if limit is not None and len(value) > limit:
        raise make_refusal(call, codes.SHEET_LIMIT, name)
    return value


def require_number(call: Call, source: dict[str, Any], name: str, least: int = 0) -> int:
    """Return a required whole number.

    Raises:
        RefusedError: 90204.
    """
    value = source.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise make_refusal(call, codes.SHEET_BODY, f"{name} must be a number of at least {least}")
    return value
