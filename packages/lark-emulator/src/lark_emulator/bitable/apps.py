"""`/bitable/v1/apps`: create, read and rename a base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from lark_emulator import codes
from lark_emulator.bitable.access import find_base, find_base_to_write
from lark_emulator.bitable.columns import DEFAULT_FIELD, add_table
from lark_emulator.bitable.values import DATE, SINGLE_SELECT
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import find_folder, get_apps
from lark_emulator.drive.objects import copy_object
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    read_json_object,
    read_optional_flag,
    read_optional_text,
    refuse_parameter,
)
from lark_emulator.world.bases import ATTACHMENT, Base
from lark_emulator.world.drive import BITABLE, FOLDER, Document

if TYPE_CHECKING:
    from lark_emulator.routing import Slices
    from lark_emulator.world.bases import Table

MAX_NAME_LENGTH = 255
DEFAULT_TABLE = "Table 1"
#: What the first table of a new base has, see `Settings.new_base`.
SAMPLE_FIELDS = (
    DEFAULT_FIELD,
    {"field_name": "Single option", "type": SINGLE_SELECT},
    {"field_name": "Date", "type": DATE},
    {"field_name": "Attachment", "type": ATTACHMENT},
)
SAMPLE_ROWS = 10
MAX_COPIED = 50_000
DEFAULT_ZONE = "Asia/Shanghai"


def _make_url(base: Base) -> str:
    return f"https://emulator.invalid/base/{base.app_token}"


def _make_document(call: Call, base: Base) -> Document:
    """Return the base as a document of the drive, which belongs to the caller."""
    drive = call.world.drive
    folder = drive.documents.get(base.folder_token)
    parent = base.folder_token if folder is not None and folder.type == FOLDER else ""
    return Document(
        base.app_token,
        BITABLE,
        call.who,
        parent or drive.ensure_root(call.who).token,
        call.world.clock.get_time(),
        base,
    )


def _add_first_table(call: Call, base: Base) -> Table:
    """Add the table that a base has from the start, see `Settings.new_base`."""
    if call.settings.new_base == "bare":
        return add_table(call, base, DEFAULT_TABLE)
    table = add_table(call, base, DEFAULT_TABLE, list(SAMPLE_FIELDS))
    now = call.world.clock.get_time()
    for _ in range(SAMPLE_ROWS):
        table.records.add(call.world.make_id("rec", 11), {}, call.author, int(now * 1000), now=now)
    table.count_before = SAMPLE_ROWS
    return table


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /bitable/v1/apps`: a base with one table."""
    body = read_json_object(call, codes.WRONG_JSON)
    name = read_optional_text(body, "name")
    if len(name) > MAX_NAME_LENGTH:
        raise RefusedError(codes.INVALID_APP_NAME)
    zone = read_optional_text(body, "time_zone", default=DEFAULT_ZONE)
    if zone not in available_timezones():
        refuse_parameter("time_zone", zone, "time_zone must be the name of a time zone")
    base = Base(
        call.world.make_id("bascn", 22),
        name,
        read_optional_text(body, "folder_token"),
        ZoneInfo(zone).key,
        get_apps(call),
    )
    table = _add_first_table(call, base)
    call.world.bases[base.app_token] = base
    call.world.drive.add(_make_document(call, base))
    return {
        "app": {
            "app_token": base.app_token,
            "name": base.name,
            "folder_token": base.folder_token,
            "url": _make_url(base),
            "default_table_id": table.table_id,
            "time_zone": base.time_zone,
        }
    }


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /bitable/v1/apps/:app_token`."""
    base = find_base(call)
    return {
        "app": {
            "app_token": base.app_token,
            "name": base.name,
            "revision": base.revision,
            "is_advanced": base.is_advanced,
            "time_zone": base.time_zone,
        }
    }


def update(call: Call) -> dict[str, Any]:
    """Answer `PUT /bitable/v1/apps/:app_token`."""
    base = find_base_to_write(call)
    body = read_json_object(call, codes.WRONG_JSON)
    name = read_optional_text(body, "name", default=base.name)
    if len(name) > MAX_NAME_LENGTH:
        raise RefusedError(codes.INVALID_APP_NAME)
    advanced = body.get("is_advanced", base.is_advanced)
    if not isinstance(advanced, bool):
        refuse_parameter("is_advanced", advanced, "is_advanced must be a boolean")
    base.name, base.is_advanced = name, advanced
    base.touch()
    return {
        "app": {
            "app_token": base.app_token,
            "name": base.name,
            "is_advanced": base.is_advanced,
            "time_zone": base.time_zone,
        }
    }


def copy(call: Call) -> Slices:
    """Answer `POST /bitable/v1/apps/:app_token/copy`: with the records, unless `without_content`."""
    base = find_base(call)
    body = read_json_object(call, codes.WRONG_JSON)
    name = read_optional_text(body, "name", default=base.name)
    if len(name) > MAX_NAME_LENGTH:
        raise RefusedError(codes.INVALID_APP_NAME)
    zone = read_optional_text(body, "time_zone", default=base.time_zone)
    if zone not in available_timezones():
        refuse_parameter("time_zone", zone, "time_zone must be the name of a time zone")
    empty = read_optional_flag(body, "without_content")
    folder_token = read_optional_text(body, "folder_token")
    try:
        folder = find_folder(call, folder_token)
    except RefusedError as refusal:
        missing = refusal.code in (codes.FILE_NOT_FOUND, codes.FILE_DELETED)
        raise RefusedError(codes.FOLDER_NOT_FOUND if missing else codes.FOLDER_DENIED) from None
    source = call.world.drive.documents[base.app_token]
    duplicate = yield from copy_object(call, source, name, folder.token, limit=0 if empty else MAX_COPIED)
    copied = call.world.bases[duplicate.token]
    copied.time_zone = zone
    return {
        "app": {
            "app_token": copied.app_token,
            "name": copied.name,
            "folder_token": folder_token,
            "url": _make_url(copied),
            "time_zone": copied.time_zone,
        }
    }


_PATH = "/open-apis/bitable/v1/apps"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(
            (
                "the first table's fields `Text`, `Single option`, `Date` and `Attachment`, and its 10 rows "
                "without any value (settable, `new_base`: one text field and no rows); a base that is made "
                "in the wiki or in a document begins with one text field and no rows"
            ),
            "a `folder_token` that names no folder is taken for the root folder",
        ),
    ),
    Route(
        "POST",
        f"{_PATH}/:app_token/copy",
        copy,
        unconfirmed=(
            (
                "the copy keeps the ids of tables, fields, views and records; of a table of more than 50,000 "
                "records the structure alone is copied"
            ),
        ),
    ),
    Route(
        "GET",
        f"{_PATH}/:app_token",
        get,
        unconfirmed=(
            "HTTP status of 91403, which another app's base gets (settable, `never_shared_status`)",
        ),
    ),
    Route(
        "PUT",
        f"{_PATH}/:app_token",
        update,
        unconfirmed=(
            "what advanced permissions leave to an app is set by the control plane (`bases/limit`)",
        ),
    ),
)
