"""`/bitable/v1/apps`: create, read and rename a base."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from lark_emulator import codes
from lark_emulator.bitable.access import base_of
from lark_emulator.bitable.columns import new_table
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import apps_of
from lark_emulator.routing import Call, Route
from lark_emulator.validation import json_object, optional_text, violation
from lark_emulator.world.bases import Base
from lark_emulator.world.drive import BITABLE, FOLDER, Document

LONGEST_NAME = 255
DEFAULT_TABLE = "Table 1"
DEFAULT_ZONE = "Asia/Shanghai"


def _url(base: Base) -> str:
    return f"https://emulator.invalid/base/{base.app_token}"


def _document(call: Call, base: Base) -> Document:
    """Return the base as a document of the drive, which belongs to the one who calls."""
    drive = call.world.drive
    folder = drive.documents.get(base.folder_token)
    parent = base.folder_token if folder is not None and folder.type == FOLDER else ""
    return Document(
        base.app_token,
        BITABLE,
        call.who,
        parent or drive.root_of(call.who).token,
        call.world.clock.now(),
        base,
    )


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /bitable/v1/apps`: a base with one table of one text field."""
    body = json_object(call, codes.WRONG_JSON)
    name = optional_text(body, "name")
    if len(name) > LONGEST_NAME:
        raise RefusedError(codes.INVALID_APP_NAME)
    zone = optional_text(body, "time_zone", default=DEFAULT_ZONE)
    if zone not in available_timezones():
        violation("time_zone", zone, "time_zone must be the name of a time zone")
    base = Base(
        call.world.new_id("bascn", 22),
        name,
        optional_text(body, "folder_token"),
        ZoneInfo(zone).key,
        apps_of(call),
    )
    table = new_table(call, base, DEFAULT_TABLE)
    call.world.bases[base.app_token] = base
    call.world.drive.add(_document(call, base))
    return {
        "app": {
            "app_token": base.app_token,
            "name": base.name,
            "folder_token": base.folder_token,
            "url": _url(base),
            "default_table_id": table.table_id,
            "time_zone": base.time_zone,
        }
    }


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /bitable/v1/apps/:app_token`."""
    base = base_of(call)
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
    base = base_of(call)
    body = json_object(call, codes.WRONG_JSON)
    name = optional_text(body, "name", default=base.name)
    if len(name) > LONGEST_NAME:
        raise RefusedError(codes.INVALID_APP_NAME)
    advanced = body.get("is_advanced", base.is_advanced)
    if not isinstance(advanced, bool):
        violation("is_advanced", advanced, "is_advanced must be a boolean")
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


_PATH = "/open-apis/bitable/v1/apps"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(
            "the first table has one text field and no rows",
            "a `folder_token` that names no folder is taken for the root folder",
        ),
    ),
    Route("GET", f"{_PATH}/:app_token", get, unconfirmed=("another app's base gets 1254302",)),
    Route(
        "PUT",
        f"{_PATH}/:app_token",
        update,
        unconfirmed=(
            "what advanced permissions leave to an app is set by the control plane (`bases/limit`)",
        ),
    ),
)
