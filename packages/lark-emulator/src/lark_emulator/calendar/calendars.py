"""`/calendar/v4/calendars` and who is busy."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from lark_emulator import codes_office
from lark_emulator.calendar.access import BOT_ACTS, find_calendar, get_role
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    cut_page,
    read_bounded_page_size,
    read_choice,
    read_json_object,
    read_optional_text,
    read_user_id_type,
)
from lark_emulator.world.calendars import Calendar

if TYPE_CHECKING:
    from lark_emulator.world.apps import App

PERMISSIONS = ("private", "show_only_free_busy", "public")
MAX_TEXT_LENGTH = 255
LEAST_PER_PAGE, MAX_PER_PAGE, PER_PAGE = 50, 1000, 500
MAX_SPAN = timedelta(days=90)
_CHINA = timezone(timedelta(hours=8))
_COLORS = range(-(2**31), 2**31)


def render(calendar: Calendar, app: App) -> dict[str, Any]:
    """Return a calendar as Lark shows it to a bot."""
    return {
        "calendar_id": calendar.calendar_id,
        "summary": calendar.summary,
        "description": calendar.description,
        "permissions": calendar.permissions,
        "color": calendar.color,
        "type": calendar.type,
        "summary_alias": calendar.summary_alias,
        "is_deleted": calendar.deleted,
        "is_third_party": False,
        "role": get_role(app, calendar),
    }


def get_primary(call: Call) -> dict[str, Any]:
    """Answer `POST /calendar/v4/calendars/primary`: the bot's main calendar; a bot has no user_id."""
    if read_user_id_type(call) == "user_id":
        raise RefusedError(codes_office.CALENDAR_PARAM)
    calendar = call.world.calendars.ensure_primary(app_id=call.app.app_id, name=call.app.name)
    return {"calendars": [{"calendar": render(calendar, call.app), "user_id": call.app.bot_open_id}]}


def list_calendars(call: Call) -> dict[str, Any]:
    """Answer `GET /calendar/v4/calendars`: the bot's own; the last page has a `sync_token`."""
    size = read_bounded_page_size(call, limit=MAX_PER_PAGE, default=PER_PAGE, least=LEAST_PER_PAGE)
    call.world.calendars.ensure_primary(app_id=call.app.app_id, name=call.app.name)
    own = [calendar for calendar in call.world.calendars.by_id.values() if calendar.app_id == call.app.app_id]
    items, more = cut_page(
        [calendar for calendar in own if not calendar.deleted], call, size, codes_office.CALENDAR_PAGE
    )
    sync = "" if more["has_more"] else f"ListCalendarsSyncToken_{call.world.clock.get_time_ms()}"
    return {"calendar_list": [render(calendar, call.app) for calendar in items], **more, "sync_token": sync}


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /calendar/v4/calendars`: a calendar that can be shared."""
    calendar = Calendar(
        f"feishu.cn_{call.world.make_id('', 22)}@group.calendar.feishu.cn",
        "shared",
        "",
        app_id=call.app.app_id,
    )
    _change(call, calendar)
    call.world.calendars.by_id[calendar.calendar_id] = calendar
    return {"calendar": render(calendar, call.app)}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /calendar/v4/calendars/:calendar_id`; the members are in `data` itself."""
    return render(find_calendar(call), call.app)


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH /calendar/v4/calendars/:calendar_id`: what is named is changed."""
    calendar = find_calendar(call, writes=True)
    _change(call, calendar)
    return {"calendar": render(calendar, call.app)}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE /calendar/v4/calendars/:calendar_id`: never a main calendar."""
    calendar = find_calendar(call, writes=True)
    if calendar.type != "shared":
        raise RefusedError(codes_office.CALENDAR_TYPE)
    calendar.deleted = True
    return {}


def _change(call: Call, calendar: Calendar) -> None:
    body = read_json_object(call, codes_office.CALENDAR_PARAM)
    texts = {
        name: read_optional_text(body, name, longest=MAX_TEXT_LENGTH)
        for name in ("summary", "description", "summary_alias")
        if body.get(name) is not None
    }
    permissions = read_choice(body, "permissions", PERMISSIONS, default=calendar.permissions)
    color = body.get("color", calendar.color)
    if not isinstance(color, int) or isinstance(color, bool) or color not in _COLORS:
        raise RefusedError(codes_office.CALENDAR_PARAM)
    for name, text in texts.items():
        setattr(calendar, name, text)
    calendar.permissions, calendar.color = permissions, color


def list_freebusy(call: Call) -> dict[str, Any]:
    """Answer `POST /calendar/v4/freebusy/list`: when one person is busy, by start."""
    id_type = read_user_id_type(call)
    body = read_json_object(call, codes_office.CALENDAR_PARAM)
    start, end = _read_time(body, "time_min"), _read_time(body, "time_max")
    if not start < end or end - start > MAX_SPAN:
        raise RefusedError(codes_office.CALENDAR_PARAM)
    value, resource = read_optional_text(body, "user_id"), read_optional_text(body, "room_id")
    if not value and not resource:
        raise RefusedError(codes_office.CALENDAR_PARAM)
    busy_only = body.get("only_busy") is not False
    spans = []
    if value:
        user = call.world.find_user(call.app, id_type, value)
        if user is None or user.status in ("resigned", "exited"):
            raise RefusedError(codes_office.CALENDAR_USER)
        for event, answer in call.world.calendars.list_busy(user.user_id):
            is_busy = event.free_busy_status == "busy" and answer != "decline"
            if is_busy or not busy_only:
                spans.append((*event.span, answer))
    within = sorted(span for span in spans if span[0] < end.timestamp() and span[1] > start.timestamp())
    with_answer = body.get("need_rsvp_status") is True
    return {
        "freebusy_list": [
            {
                "start_time": _format_rfc3339(begins),
                "end_time": _format_rfc3339(ends),
                **({"rsvp_status": answer} if with_answer else {}),
            }
            for begins, ends, answer in within
        ]
    }


def _read_time(body: dict[str, Any], name: str) -> datetime:
    raw = body.get(name)
    try:
        time = datetime.fromisoformat(raw) if isinstance(raw, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise RefusedError(codes_office.CALENDAR_PARAM)
    return time


def _format_rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, _CHINA).isoformat(timespec="seconds")


_PATH = "/open-apis/calendar/v4/calendars"
_ROLES = "calendars are not shared one by one: others have what `permissions` gives them"

ROUTES = (
    Route("POST", f"{_PATH}/primary", get_primary, unconfirmed=(BOT_ACTS,)),
    Route(
        "GET",
        _PATH,
        list_calendars,
        unconfirmed=(BOT_ACTS, "a `sync_token` is not looked at: all are listed"),
    ),
    Route("POST", _PATH, create, unconfirmed=(BOT_ACTS,)),
    Route("GET", f"{_PATH}/:calendar_id", get, unconfirmed=(BOT_ACTS, _ROLES)),
    Route("PATCH", f"{_PATH}/:calendar_id", patch, unconfirmed=(BOT_ACTS, _ROLES)),
    Route("DELETE", f"{_PATH}/:calendar_id", delete, unconfirmed=(BOT_ACTS,)),
    Route(
        "POST",
        "/open-apis/calendar/v4/freebusy/list",
        list_freebusy,
        unconfirmed=(
            "spans are not merged, and are given in UTC+8",
            "a recurring event counts once; a `room_id` is never busy",
        ),
    ),
)
