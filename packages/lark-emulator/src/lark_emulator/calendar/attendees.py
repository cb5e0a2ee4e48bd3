"""`/calendar/v4/calendars/:calendar_id/events/:event_id/attendees`: who is invited."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes_office
from lark_emulator.calendar.access import BOT_ACTS, find_event
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    cut_page,
    read_bounded_page_size,
    read_json_object,
    read_text_list,
    read_user_id_type,
    refuse_parameter,
)
from lark_emulator.world.calendars import Attendee

MAX_AT_ONCE = 1000
MAX_DELETED = 500
#: The member that names who is meant, by type.
_MEMBERS = {"user": "user_id", "chat": "chat_id", "resource": "room_id", "third_party": "third_party_email"}


def render(attendee: Attendee, call: Call, id_type: str) -> dict[str, Any]:
    """Return who is invited as Lark shows it."""
    user = call.world.users.get(attendee.target) if attendee.type == "user" else None
    chat = call.world.chats.get(attendee.target)
    name = attendee.target if user is None else user.name
    return {
        "type": attendee.type,
        "attendee_id": attendee.attendee_id,
        "rsvp_status": attendee.rsvp_status,
        "is_optional": attendee.is_optional,
        "is_organizer": False,
        "is_external": attendee.type == "third_party",
        "display_name": name if chat is None else chat.name,
        _MEMBERS[attendee.type]: attendee.target if user is None else user.get_id(call.app, id_type),
    }


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/attendees`; who is invited already is not invited twice."""
    id_type = read_user_id_type(call)
    event = find_event(call, writes=True)
    specs = read_json_object(call, codes_office.CALENDAR_PARAM).get("attendees")
    if not isinstance(specs, list) or not 1 <= len(specs) <= MAX_AT_ONCE:
        refuse_parameter("attendees", specs, f"the length must be between 1 and {MAX_AT_ONCE}")
    targets = [(_read_target(call, spec, id_type), spec.get("is_optional") is True) for spec in specs]
    known = {(attendee.type, attendee.target) for attendee in event.attendees}
    for target, is_optional in targets:
        if target not in known:
            known.add(target)
            attendee_id = f"{target[0]}_{call.world.make_id('', 16)}"
            event.attendees.append(Attendee(attendee_id, *target, is_optional=is_optional))
    return {"attendees": [render(attendee, call, id_type) for attendee in event.attendees]}


def list_attendees(call: Call) -> dict[str, Any]:
    """Answer `GET …/attendees`."""
    id_type = read_user_id_type(call)
    size = read_bounded_page_size(call, limit=100)
    event = find_event(call)
    if event.app_id != call.app.app_id:
        raise RefusedError(codes_office.EVENT_DENIED)
    items, more = cut_page(event.attendees, call, size, codes_office.CALENDAR_PAGE)
    return {"items": [render(attendee, call, id_type) for attendee in items], **more}


def batch_delete(call: Call) -> dict[str, Any]:
    """Answer `POST …/attendees/batch_delete`: by `attendee_ids`, by `delete_ids`, or both."""
    id_type = read_user_id_type(call)
    event = find_event(call, writes=True)
    body = read_json_object(call, codes_office.CALENDAR_PARAM)
    ids = set(read_text_list(body, "attendee_ids", limit=MAX_DELETED))
    others = body.get("delete_ids") or []
    if not isinstance(others, list) or not 1 <= len(ids) + len(others) <= MAX_DELETED:
        raise RefusedError(codes_office.CALENDAR_PARAM)
    targets = {_read_target(call, spec, id_type) for spec in others}
    known = {attendee.attendee_id for attendee in event.attendees}
    if not ids <= known or not targets <= {(attendee.type, attendee.target) for attendee in event.attendees}:
        raise RefusedError(codes_office.ATTENDEE_UNKNOWN)
    event.attendees = [
        attendee
        for attendee in event.attendees
        if attendee.attendee_id not in ids and (attendee.type, attendee.target) not in targets
    ]
    return {}


def _read_target(call: Call, spec: object, id_type: str) -> tuple[str, str]:
    """Return the type and the id of who is meant; a person by user_id."""
    spec = spec if isinstance(spec, dict) else {}
    kind = spec.get("type")
    if not isinstance(kind, str) or kind not in _MEMBERS:
        raise RefusedError(codes_office.ATTENDEE_TYPE)
    value = spec.get(_MEMBERS[kind])
    if not isinstance(value, str) or not value:
        raise RefusedError(codes_office.CALENDAR_PARAM)
    if kind == "user":
        user = call.world.find_user(call.app, id_type, value)
        if user is None or user.status in ("resigned", "exited"):
            raise RefusedError(codes_office.CALENDAR_USER)
        value = user.user_id
    if kind == "chat" and value not in call.world.chats:
        raise RefusedError(codes_office.CALENDAR_PARAM)
    return kind, value


_PATH = "/open-apis/calendar/v4/calendars/:calendar_id/events/:event_id/attendees"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(
            BOT_ACTS,
            "any `room_id` is taken and reserved at once; the answer has all who are invited",
        ),
    ),
    Route(
        "GET",
        _PATH,
        list_attendees,
        unconfirmed=(
            BOT_ACTS,
            "members of groups are not listed",
            "who does not organize the event gets 193002, since no bot is invited to one",
            "an instance of a recurring event has the attendees of the event",
        ),
    ),
    Route(
        "POST",
        f"{_PATH}/batch_delete",
        batch_delete,
        unconfirmed=(BOT_ACTS, "one who is not invited refuses all with 194000"),
    ),
)
