"""The scopes that an app needs for each operation, by area."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

_MESSAGE = "im:message"
_URGENT = "/open-apis/im/v1/messages/:message_id/urgent"
_HISTORY = "im:message.history:readonly"
_READ_MESSAGE = f"{_MESSAGE}:readonly"
_SEND = (_MESSAGE, f"{_MESSAGE}:send_as_bot", f"{_MESSAGE}:send")
_CHANGE = (_MESSAGE, f"{_MESSAGE}:send_as_bot", f"{_MESSAGE}:update")
_UPLOAD = ("im:resource", "im:resource:upload")
_BASE = "bitable:app"
_READ_BASE = f"{_BASE}:readonly"
_TABLES = "/open-apis/bitable/v1/apps/:app_token/tables"
_RECORDS = f"{_TABLES}/:table_id/records"
_PEOPLE = "contact:contact.base:readonly"
_SHEET = "/open-apis/sheets/v3/spreadsheets"
_SHEETS, _DRIVE = "sheets:spreadsheet", "drive:drive"
_READ_SHEETS = (_SHEETS, f"{_SHEETS}:readonly", _DRIVE, f"{_DRIVE}:readonly", f"{_SHEETS}:read")
_WRITE_SHEETS = (_SHEETS, _DRIVE, f"{_SHEETS}:write_only")
_APPROVAL = "approval:approval"
_READ_APPROVAL = (_APPROVAL, f"{_APPROVAL}:readonly")
_INSTANCES = "/open-apis/approval/v4/instances"
_MEMBERS = "/open-apis/drive/v1/permissions/:token/members"
_SHARE = (_DRIVE, "docs:permission.member", "docs:doc", _SHEETS, _BASE, "bitable:bitable", "wiki:wiki")
_CALENDAR, _CALENDARS = "calendar:calendar", "/open-apis/calendar/v4/calendars/:calendar_id/events"
_READ_CALENDAR = (f"{_CALENDAR}.event:read", f"{_CALENDAR}:readonly", _CALENDAR)
_SUBSCRIBED = "/open-apis/drive/v1/files/:file_token"
_SUBSCRIBE = (_DRIVE, "docs:event:subscribe", "docs:doc", _SHEETS)

AREAS: dict[str, dict[str, tuple[str, ...]]] = {
    "messages": {
        "POST /open-apis/im/v1/messages": _SEND,
        "POST /open-apis/im/v1/messages/:message_id/reply": _SEND,
        "PUT /open-apis/im/v1/messages/:message_id": _CHANGE,
        "PATCH /open-apis/im/v1/messages/:message_id": _CHANGE,
        "DELETE /open-apis/im/v1/messages/:message_id": (
            _MESSAGE,
            f"{_MESSAGE}:send_as_bot",
            f"{_MESSAGE}:recall",
        ),
        "GET /open-apis/im/v1/messages/:message_id": (_MESSAGE, _READ_MESSAGE),
        "GET /open-apis/im/v1/messages": (_MESSAGE, _READ_MESSAGE, _HISTORY),
    },
    "urgent": {
        f"PATCH {_URGENT}_app": ("im:message.urgent", "im:message.urgent:app_send"),
        f"PATCH {_URGENT}_sms": ("im:message.urgent:sms", "im:message.urgent:sms_send"),
        f"PATCH {_URGENT}_phone": ("im:message.urgent:phone", "im:message.urgent:phone_send"),
    },
    "files": {
        "POST /open-apis/im/v1/images": _UPLOAD,
        "POST /open-apis/im/v1/files": _UPLOAD,
        "GET /open-apis/im/v1/messages/:message_id/resources/:file_key": (_MESSAGE, _READ_MESSAGE, _HISTORY),
    },
    "chats": {
        "GET /open-apis/im/v1/chats": (
            "im:chat:readonly",
            "im:chat",
            "im:chat:read",
            "im:chat.group_info:readonly",
        ),
    },
    "people": {
        "POST /open-apis/contact/v3/users/batch_get_id": ("contact:user.id:readonly",),
        "GET /open-apis/contact/v3/users/batch": (_PEOPLE,),
    },
    "bitable": {
        "POST /open-apis/bitable/v1/apps": (_BASE, "base:app:create"),
        "GET /open-apis/bitable/v1/apps/:app_token": (_BASE, _READ_BASE, "base:app:read"),
        f"POST {_TABLES}": (_BASE, "base:table:create"),
        f"GET {_TABLES}/:table_id/fields": (_BASE, _READ_BASE, "base:field:read"),
        f"POST {_TABLES}/:table_id/fields": (_BASE, "base:field:create"),
        f"POST {_RECORDS}": (_BASE, "base:record:create"),
        f"PUT {_RECORDS}/:record_id": (_BASE, "base:record:update"),
        f"DELETE {_RECORDS}/:record_id": (_BASE, "base:record:delete"),
        f"POST {_RECORDS}/search": (_BASE, _READ_BASE, "base:record:retrieve"),
        f"POST {_RECORDS}/batch_create": (_BASE, "base:record:create"),
        f"POST {_RECORDS}/batch_update": (_BASE, "base:record:update"),
        f"POST {_RECORDS}/batch_delete": (_BASE, "base:record:delete"),
        f"POST {_RECORDS}/batch_get": (_BASE, _READ_BASE, "base:record:read"),
    },
    "sheets": {
        f"POST {_SHEET}": (_SHEETS, f"{_SHEETS}:create", _DRIVE),
        f"GET {_SHEET}/:spreadsheet_token": _READ_SHEETS,
        f"PATCH {_SHEET}/:spreadsheet_token": _WRITE_SHEETS,
        f"GET {_SHEET}/:spreadsheet_token/sheets/query": _READ_SHEETS,
        f"POST {_SHEET}/:spreadsheet_token/sheets/:sheet_id/find": _READ_SHEETS,
        f"GET {_SHEET}/:spreadsheet_token/sheets/:sheet_id/filter": _READ_SHEETS,
        f"DELETE {_SHEET}/:spreadsheet_token/sheets/:sheet_id/filter": _WRITE_SHEETS,
    },
    "drive": {
        "GET /open-apis/drive/v1/files": (_DRIVE, f"{_DRIVE}:readonly", "space:document:retrieve"),
        "POST /open-apis/drive/v1/files/create_folder": (_DRIVE, "space:folder:create"),
        "POST /open-apis/drive/v1/files/:file_token/copy": (_DRIVE, "docs:document:copy"),
        "DELETE /open-apis/drive/v1/files/:file_token": (_DRIVE, "space:document:delete"),
        "POST /open-apis/drive/v1/metas/batch_query": (
            _DRIVE,
            f"{_DRIVE}:readonly",
            f"{_DRIVE}.metadata:readonly",
        ),
        f"GET {_MEMBERS}": (*_SHARE, f"{_DRIVE}:readonly", "docs:permission.member:retrieve"),
        f"POST {_MEMBERS}": (*_SHARE, "drive:file", "docs:permission.member:create"),
        f"DELETE {_MEMBERS}/:member_id": (*_SHARE, "drive:file", "docs:permission.member:delete"),
        f"POST {_MEMBERS}/transfer_owner": (*_SHARE, "docs:permission.member:transfer"),
        "PATCH /open-apis/drive/v2/permissions/:token/public": (
            _DRIVE,
            "docs:permission.setting",
            "docs:permission.setting:write_only",
            "docs:doc",
            "docx:document",
            "drive:file",
            _SHEETS,
            "bitable:bitable",
            "wiki:wiki",
        ),
    },
    "approval": {
        "GET /open-apis/approval/v4/approvals/:approval_code": (*_READ_APPROVAL, "approval:definition"),
        "POST /open-apis/approval/v4/approvals/:approval_code/subscribe": (_APPROVAL, "approval:definition"),
        "POST /open-apis/approval/v4/approvals/:approval_code/unsubscribe": (
            _APPROVAL,
            "approval:definition",
        ),
        f"POST {_INSTANCES}": (_APPROVAL, "approval:instance"),
        f"GET {_INSTANCES}": (*_READ_APPROVAL, "approval:instance"),
        f"GET {_INSTANCES}/:instance_id": (*_READ_APPROVAL, "approval:instance"),
        f"POST {_INSTANCES}/cancel": (*_READ_APPROVAL, "approval:instance"),
        f"POST {_INSTANCES}/:instance_id/comments": (_APPROVAL, "approval:instance.comment"),
        f"GET {_INSTANCES}/:instance_id/comments": (*_READ_APPROVAL, "approval:instance.comment"),
        f"DELETE {_INSTANCES}/:instance_id/comments/:comment_id": (_APPROVAL, "approval:instance.comment"),
    },
    "record_events": {
        f"POST {_SUBSCRIBED}/subscribe": _SUBSCRIBE,
        f"GET {_SUBSCRIBED}/get_subscribe": _SUBSCRIBE,
        f"DELETE {_SUBSCRIBED}/delete_subscribe": _SUBSCRIBE,
        f"POST {_RECORDS}/search": (_BASE, _READ_BASE, "base:record:retrieve"),
        f"POST {_RECORDS}/batch_get": (_BASE, _READ_BASE, "base:record:read"),
    },
    "calendar": {
        f"GET {_CALENDARS}/instance_view": _READ_CALENDAR,
        f"GET {_CALENDARS}/:event_id/attendees": _READ_CALENDAR,
    },
    "wiki": {
        "GET /open-apis/wiki/v2/spaces/get_node": ("wiki:wiki:readonly", "wiki:wiki", "wiki:node:read"),
    },
}
"""Area → endpoint → scopes of which one is enough. First the one to apply for: it covers most of its area."""

EVENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "record_events": {"drive.file.bitable_record_changed_v1": (_DRIVE, _BASE, "base:record:read")},
}
"""Area → event → scopes of which one is enough, granted to the app and for acting as a user alike."""
USUAL = tuple(area for area in AREAS if area not in {"urgent", "record_events", "calendar"})
"""The areas that are checked unless some are named: urgent messages wake people, and cost money;
record events want a right on each base, and calendars are read for a rota alone."""

_GRANTED = 1


def read_granted_scopes(answer: Mapping[str, Any]) -> frozenset[str]:
    """Read what `GET /open-apis/application/v6/scopes` answered.

    Args:
        answer: The `data` of the answer.

    Returns:
        The scopes that the app itself was granted; those for acting as a user do not count.
    """
    return frozenset(
        scope["scope_name"]
        for scope in answer.get("scopes") or ()
        if scope.get("grant_status") == _GRANTED and scope.get("scope_type") != "user"
    )


def read_pending_scopes(answer: Mapping[str, Any]) -> frozenset[str]:
    """Read what `GET /open-apis/application/v6/scopes` answered about scopes that are not granted.

    Args:
        answer: The `data` of the answer.

    Returns:
        The scopes that the app has applied for, for itself, and does not have.
    """
    return frozenset(
        scope["scope_name"]
        for scope in answer.get("scopes") or ()
        if scope.get("grant_status") != _GRANTED and scope.get("scope_type") != "user"
    )


def read_user_scopes(answer: Mapping[str, Any]) -> frozenset[str]:
    """Read what `GET /open-apis/application/v6/scopes` answered about acting as a user.

    Args:
        answer: The `data` of the answer.

    Returns:
        The scopes that the app was granted for acting as a user.
    """
    return frozenset(
        scope["scope_name"]
        for scope in answer.get("scopes") or ()
        if scope.get("grant_status") == _GRANTED and scope.get("scope_type") == "user"
    )


def list_missing_for_users(area: str, having: Collection[str]) -> list[str]:
    """Return the user scopes to apply for, in addition to the app's own, so that the area's events arrive.

    Args:
        area: The area, one of `AREAS`.
        having: The scopes granted for acting as a user.
    """
    lacking = [one_of for one_of in EVENTS.get(area, {}).values() if not set(one_of).intersection(having)]
    return list(dict.fromkeys(one_of[0] for one_of in lacking))


def list_missing(area: str, having: Collection[str]) -> list[str]:
    """Return the scopes to apply for, so that everything in an area works.

    Args:
        area: The area, one of `AREAS`.
        having: The scopes granted.
    """
    needed = [*AREAS[area].values(), *EVENTS.get(area, {}).values()]
    lacking = [one_of for one_of in needed if not set(one_of).intersection(having)]
    return list(dict.fromkeys(one_of[0] for one_of in lacking))


def to_import(scopes: Collection[str], users: Collection[str] = ()) -> str:
    """Return the text that the developer console takes under Permissions & Scopes → Batch import.

    Args:
        scopes: The scopes to apply for.
        users: The scopes to apply for, for acting as a user.
    """
    return json.dumps({"scopes": {"tenant": list(scopes), "user": list(users)}})


def to_confirm(page: str, scopes: Collection[str]) -> str:
    """Return the link that opens the developer console with scopes chosen, as Lark's own errors have it.

    Args:
        page: The address of the app's page of scopes.
        scopes: The scopes to apply for.
    """
    return f"{page}?q={','.join(scopes)}&op_from=openapi&token_type=tenant"
