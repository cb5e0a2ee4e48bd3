"""`/calendar/v4/calendars/:calendar_id/events`."""

from __future__ import annotations

from datetime import date
from typing import Any

from lark_emulator import codes_office
from lark_emulator.calendar.access import BOT_ACTS, find_calendar, find_event
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    cut_page,
    parse_whole_number,
    read_bounded_page_size,
    read_choice,
    read_json_object,
    read_optional_text,
    read_user_id_type,
)
from lark_emulator.world.calendars import Event, get_seconds

LEAST_PER_PAGE, MAX_PER_PAGE, PER_PAGE = 50, 1000, 500
LATEST = 16_725_225_600
"""The latest time that Lark takes, in seconds since 1970."""
SHORTEST_KEY, MAX_KEY_LENGTH = 32, 128
_TEXTS = {"summary": 1000, "description": 40_960, "recurrence": 2000}
_WORDS = {
    "visibility": ("default", "public", "private"),
    "attendee_ability": ("none", "can_see_others", "can_invite_others", "can_modify_event"),
    "free_busy_status": ("busy", "free"),
}
#: Members that are kept and shown as they came.
_KEPT = ("location", "color", "reminders", "vchat", "schemas", "attachments", "event_check_in")


def render(event: Event, call: Call) -> dict[str, Any]:
    """Return an event as Lark shows it."""
    return {
        "event_id": event.event_id,
        "organizer_calendar_id": event.calendar_id,
        "summary": event.summary,
        "description": event.description,
        "start_time": event.start,
        "end_time": event.end,
        "visibility": event.visibility,
        "attendee_ability": event.attendee_ability,
        "free_busy_status": event.free_busy_status,
        "recurrence": event.recurrence,
        "status": "cancelled" if event.deleted else "confirmed",
        "is_exception": False,
        "create_time": str(event.create_time // 1000),
        "event_organizer": {"user_id": "", "display_name": call.world.apps[event.app_id].name},
        "app_link": f"https://emulator.invalid/calendar/{event.event_id}",
        **event.more,
    }


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/events`; a repeated `idempotency_key` answers with the first event."""
    read_user_id_type(call)
    calendar = find_calendar(call, writes=True)
    key = read_optional_text(dict(call.query), "idempotency_key")
    if key and not SHORTEST_KEY <= len(key) <= MAX_KEY_LENGTH:
        raise RefusedError(codes_office.CALENDAR_PARAM)
    known = call.world.repeats.find("event", calendar.calendar_id, key, calendar.events)
    if known is not None:
        return {"event": render(known, call)}
    body = read_json_object(call, codes_office.CALENDAR_PARAM)
    event = Event(
        f"{call.world.make_id('', 32)}_0",
        calendar.calendar_id,
        call.app.app_id,
        call.world.clock.get_time_ms(),
        _read_time(body, "start_time"),
        _read_time(body, "end_time"),
    )
    _change(event, body)
    calendar.events[event.event_id] = event
    call.world.repeats.note("event", calendar.calendar_id, key, event.event_id)
    return {"event": render(event, call)}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET …/events/:event_id`."""
    read_user_id_type(call)
    return {"event": render(find_event(call), call)}


def list_events(call: Call) -> dict[str, Any]:
    """Answer `GET …/events`: those that overlap a span, in the order in which they were made."""
    size = read_bounded_page_size(call, limit=MAX_PER_PAGE, default=PER_PAGE, least=LEAST_PER_PAGE)
    calendar = find_calendar(call, reads_events=True)
    start, end = read_seconds(call, "start_time"), read_seconds(call, "end_time")
    events = [
        event
        for event in calendar.events.values()
        if not event.deleted
        and (start is None or event.span[1] > start)
        and (end is None or event.span[0] < end)
    ]
    items, more = cut_page(events, call, size, codes_office.CALENDAR_PAGE)
    sync = "" if more["has_more"] else f"ListCalendarEventsSyncToken_{call.world.clock.get_time_ms()}"
    return {"items": [render(event, call) for event in items], **more, "sync_token": sync}


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH …/events/:event_id`: what is named is changed."""
    read_user_id_type(call)
    event = find_event(call, writes=True)
    _change(event, read_json_object(call, codes_office.CALENDAR_PARAM))
    return {"event": render(event, call)}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/events/:event_id`."""
    find_event(call, writes=True).deleted = True
    return {}


def _change(event: Event, body: dict[str, Any]) -> None:
    """Change an event, all or nothing."""
    changes: dict[str, Any] = {
        name: read_optional_text(body, name, longest=longest)
        for name, longest in _TEXTS.items()
        if body.get(name) is not None
    }
    changes |= {name: read_choice(body, name, words) for name, words in _WORDS.items() if body.get(name)}
    start = _read_time(body, "start_time") if body.get("start_time") else event.start
    end = _read_time(body, "end_time") if body.get("end_time") else event.end
    whole_days = "date" in start
    if whole_days != ("date" in end) or get_seconds(end) < get_seconds(start):
        raise RefusedError(codes_office.CALENDAR_PARAM)
    for name, value in changes.items():
        setattr(event, name, value)
    event.start, event.end = start, end
    event.more |= {name: body[name] for name in _KEPT if body.get(name) is not None}


def _read_time(body: dict[str, Any], name: str) -> dict[str, str]:
    """Return a `time_info`: a day, or a time in seconds, never both."""
    raw = body.get(name)
    time_info = raw if isinstance(raw, dict) else {}
    day, stamp = time_info.get("date"), time_info.get("timestamp")
    if bool(day) == bool(stamp):
        raise RefusedError(codes_office.CALENDAR_PARAM)
    zone = time_info.get("timezone")
    if stamp:
        moment = parse_whole_number(stamp) if isinstance(stamp, str) else None
        if moment is None or not 0 <= moment <= LATEST:
            raise RefusedError(codes_office.CALENDAR_PARAM)
        return {"timestamp": str(stamp), "timezone": str(zone or "Asia/Shanghai")}
    try:
        date.fromisoformat(str(day))
    except ValueError:
        raise RefusedError(codes_office.CALENDAR_PARAM) from None
    return {"date": str(day), "timezone": "UTC"}


def read_seconds(call: Call, name: str) -> int | None:
    """Return a time of the query, in seconds since 1970; None if it is not there.

    Raises:
        RefusedError: 190002 if it is not a time.
    """
    raw = call.query.get(name)
    if not raw:
        return None
    moment = parse_whole_number(raw)
    if moment is None or not 0 <= moment <= LATEST:
        raise RefusedError(codes_office.CALENDAR_PARAM)
    return moment


_PATH = "/open-apis/calendar/v4/calendars/:calendar_id/events"
_KEPT_NOTE = "`vchat`, `reminders`, `location` and their like are kept and shown as they came, unchecked"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(BOT_ACTS, _KEPT_NOTE, "a repeated `idempotency_key` answers with the first event"),
    ),
    Route("GET", f"{_PATH}/:event_id", get, unconfirmed=(BOT_ACTS, "the organizer has no user_id")),
    Route(
        "GET",
        _PATH,
        list_events,
        unconfirmed=(
            BOT_ACTS,
            "recurring events are not expanded; `sync_token` and `anchor_time` are not looked at",
        ),
    ),
    Route("PATCH", f"{_PATH}/:event_id", patch, unconfirmed=(BOT_ACTS, _KEPT_NOTE)),
    Route("DELETE", f"{_PATH}/:event_id", delete, unconfirmed=(BOT_ACTS,)),
)
