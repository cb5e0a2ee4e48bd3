"""`protected_…` of v2: rows and columns that only some may write to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.drive.access import EDIT
from lark_emulator.routing import Call, Route
from lark_emulator.sheets.dimensions import read_inclusive_range
from lark_emulator.sheets.locked import check_unlocked
from lark_emulator.sheets.opened import (
    OpenSpreadsheet,
    make_refusal,
    open_spreadsheet,
    read_body,
    require_part,
    require_parts,
)
from lark_emulator.validation import read_choice
from lark_emulator.world.grid import ROWS, Rect
from lark_emulator.world.sheets import Lock

if TYPE_CHECKING:
    from lark_emulator.world.sheets import Worksheet

MAX_ADDED, MAX_SHOWN, MAX_CHANGED = 50, 5, 10
MAX_PROTECTED = 5000
_ENDLESS = 2**31
_MEMBER_TYPES = {"userId": "user_id", "openId": "open_id", "unionId": "union_id"}


def add(call: Call) -> dict[str, Any]:
    """Answer `POST …/protected_dimension`: all of them, or none."""
    id_type = read_choice(call.query, "user_id_type", ("open_id", "union_id"), default="open_id")
    file = open_spreadsheet(call, EDIT)
    new_locks, lines = [], 0
    for spec in require_parts(call, read_body(call), "addProtectedDimension", MAX_ADDED):
        sheet, axis, where = _read_locked_range(
            file, {"majorDimension": ROWS, **require_part(call, spec, "dimension")}
        )
        start, end = where.get_span(axis)
        lines += end - start
        check_unlocked(file, sheet, where)
        ids = spec.get("users") or []
        if not isinstance(ids, list):
            raise file.make_refusal(codes.SHEET_BODY, "users")
        users = [_require_user(file, id_type, user_id) for user_id in ids]
        lock_id = str(int(call.world.make_id("", 15), 16))
        lock = Lock(lock_id, axis, where, call.who, list(dict.fromkeys(users)), _read_info(file, spec))
        new_locks.append((sheet, lock, ids))
    if lines > MAX_PROTECTED:
        raise file.make_refusal(codes.SHEET_LIMIT, f"at most {MAX_PROTECTED} rows or columns")
    for sheet, lock, _ in new_locks:
        sheet.locks[lock.lock_id] = lock
    file.record_write()
    shown = [
        {
            "dimension": render_dimension(sheet, lock),
            "lockInfo": lock.info,
            "protectId": lock.lock_id,
            **({"users": ids} if ids else {}),
        }
        for sheet, lock, ids in new_locks
    ]
    return {"addProtectedDimension": shown}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET …/protected_range_batch_get?protectIds=`; unknown ids are left out."""
    kind = read_choice(call.query, "memberType", tuple(_MEMBER_TYPES), default="userId")
    file = open_spreadsheet(call)
    ids = [lock_id for lock_id in call.query.get("protectIds", "").split(",") if lock_id]
    if not 0 < len(ids) <= MAX_SHOWN:
        raise file.make_refusal(codes.SHEET_URL_PARAM, f"1 to {MAX_SHOWN} protectIds")
    known = _collect_locks(file)
    shown = [
        {
            **render_lock(*known[lock_id]),
            "editors": {"users": _list_members(call, known[lock_id][1].users, kind)},
        }
        for lock_id in dict.fromkeys(ids)
        if lock_id in known
    ]
    return {"protectedRanges": shown}


def update(call: Call) -> dict[str, Any]:
    """Answer `POST …/protected_range_batch_update`: all of them, or none."""
    file = open_spreadsheet(call, EDIT)
    known, changed, replies = _collect_locks(file), [], []
    for spec in require_parts(call, read_body(call), "requests", MAX_CHANGED):
        lock_id = spec.get("protectId")
        if not isinstance(lock_id, str) or lock_id not in known:
            raise file.make_refusal(codes.SHEET_BODY, "protectId")
        sheet, before = known[lock_id]
        lock = replace(before)
        check_unlocked(file, sheet, lock.where)
        if "dimension" in spec:
            to, lock.axis, lock.where = _read_locked_range(file, require_part(call, spec, "dimension"))
            if to is not sheet:
                raise file.make_refusal(codes.SHEET_BODY, "it stays in its worksheet")
            check_unlocked(file, sheet, lock.where)
        editors = require_part(call, spec, "editors") if spec.get("editors") is not None else {}
        added, gone = (_find_editors(file, editors, name) for name in ("addEditors", "delEditors"))
        lock.users = [user_id for user_id in dict.fromkeys([*lock.users, *added]) if user_id not in gone]
        if "lockInfo" in spec:
            lock.info = _read_info(file, spec)
        known[lock_id] = sheet, lock
        changed.append((sheet, lock))
        echoed = {name: editors.get(name) or [] for name in ("addEditors", "delEditors")}
        replies.append({**render_lock(sheet, lock), "editors": echoed})
    for sheet, lock in changed:
        sheet.locks[lock.lock_id] = lock
    file.record_write()
    return {"replies": replies}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/protected_range_batch_del`; unknown ids are left out."""
    file = open_spreadsheet(call, EDIT)
    ids = read_body(call).get("protectIds")
    if not isinstance(ids, list) or not ids or not all(isinstance(lock_id, str) for lock_id in ids):
        raise file.make_refusal(codes.SHEET_BODY, "protectIds")
    if len(ids) > MAX_CHANGED:
        raise file.make_refusal(codes.SHEET_LIMIT, "protectIds")
    known = _collect_locks(file)
    known_ids = [lock_id for lock_id in dict.fromkeys(ids) if lock_id in known]
    for lock_id in known_ids:
        check_unlocked(file, known[lock_id][0], known[lock_id][1].where)
    for lock_id in known_ids:
        del known[lock_id][0].locks[lock_id]
    if known_ids:
        file.record_write()
    return {"delProtectIds": known_ids}


def render_dimension(sheet: Worksheet, lock: Lock) -> dict[str, Any]:
    """Return the rows or columns of a lock, from 1, the end included."""
    start, end = lock.where.get_span(lock.axis)
    return {"sheetId": sheet.sheet_id, "majorDimension": lock.axis, "startIndex": start + 1, "endIndex": end}


def render_lock(sheet: Worksheet, lock: Lock) -> dict[str, Any]:
    """Return a lock as most answers show it."""
    return {
        "dimension": render_dimension(sheet, lock),
        "protectId": lock.lock_id,
        "lockInfo": lock.info,
        "sheetId": sheet.sheet_id,
    }


def _collect_locks(file: OpenSpreadsheet) -> dict[str, tuple[Worksheet, Lock]]:
    sheets = file.book.sheets.values()
    return {lock.lock_id: (sheet, lock) for sheet in sheets for lock in sheet.locks.values()}


def _read_locked_range(file: OpenSpreadsheet, spec: dict[str, Any]) -> tuple[Worksheet, str, Rect]:
    sheet, axis, start, count = read_inclusive_range(file, spec)
    return sheet, axis, Rect(0, 0, _ENDLESS, _ENDLESS).replace_span(axis, start, start + count)


def _read_info(file: OpenSpreadsheet, spec: dict[str, Any]) -> str:
    info = spec.get("lockInfo") or ""
    if not isinstance(info, str):
        raise file.make_refusal(codes.SHEET_BODY, "lockInfo")
    return info


def _require_user(file: OpenSpreadsheet, id_type: str, value: Any) -> str:
    call = file.call
    user = call.world.find_user(call.app, id_type, value) if isinstance(value, str) else None
    if user is None:
        raise file.make_refusal(codes.SHEET_USER)
    return user.user_id


def _find_editors(file: OpenSpreadsheet, editors: dict[str, Any], name: str) -> list[str]:
    members = editors.get(name) or []
    if not isinstance(members, list) or not all(isinstance(editor, dict) for editor in members):
        raise file.make_refusal(codes.SHEET_BODY, name)
    user_ids = []
    for member in members:
        kind = member.get("memberType")
        if not isinstance(kind, str) or kind not in _MEMBER_TYPES:
            raise make_refusal(file.call, codes.SHEET_BODY, "memberType")
        user_ids.append(_require_user(file, _MEMBER_TYPES[kind], member.get("memberId")))
    return user_ids


def _list_members(call: Call, users: list[str], kind: str) -> list[dict[str, str]]:
    known = [call.world.users[user_id] for user_id in users if user_id in call.world.users]
    ids = [user.get_id(call.app, _MEMBER_TYPES[kind]) for user in known]
    return [{"memberType": kind, "memberId": member_id} for member_id in ids]


_PATH = "/open-apis/sheets/v2/spreadsheets/:spreadsheet_token"
_ALL = "one that is refused keeps all of the request out"

ROUTES = (
    Route(
        "POST",
        f"{_PATH}/protected_dimension",
        add,
        unconfirmed=(
            _ALL,
            (
                "what is locked for the caller gets 90218; who locked it, the owner of the file and the "
                "users that are named may write; refused are values, images, filter views and further "
                "locks, not styles and changes of rows and columns"
            ),
            "`editors` (lark_ids) are ignored; an unknown user gets 90205",
        ),
    ),
    Route("GET", f"{_PATH}/protected_range_batch_get", get, unconfirmed=("unknown ids are left out",)),
    Route(
        "POST",
        f"{_PATH}/protected_range_batch_update",
        update,
        unconfirmed=(_ALL, "an unknown id, or another worksheet, gets 90204"),
    ),
    Route("DELETE", f"{_PATH}/protected_range_batch_del", delete),
)
