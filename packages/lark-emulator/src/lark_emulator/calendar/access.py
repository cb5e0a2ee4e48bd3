"""Which calendars and events a bot may read and change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark_emulator import codes_office
from lark_emulator.codes import RefusedError

if TYPE_CHECKING:
    from lark_emulator.routing import Call
    from lark_emulator.world.apps import App
    from lark_emulator.world.calendars import Calendar, Event

#: What others may do with a calendar, by its `permissions`.
_ROLES = {"private": "", "show_only_free_busy": "free_busy_reader", "public": "reader"}
_ID_END = "calendar.feishu.cn"
#: For the coverage list.
BOT_ACTS = "with a user's token, too, the bot acts: `primary` is its calendar"


def get_role(app: App, calendar: Calendar) -> str:
    """Return what a bot may do with a calendar; empty = nothing."""
    return "owner" if calendar.app_id == app.app_id else _ROLES[calendar.permissions]


def find_calendar(call: Call, *, writes: bool = False, reads_events: bool = False) -> Calendar:
    """Return the calendar of the path; `primary` is that of the bot.

    Raises:
        RefusedError: 191001 (malformed), 191000 (unknown), 191003 (deleted), 191002 (no access).
    """
    wanted = call.params["calendar_id"]
    if wanted == "primary":
        return call.world.calendars.ensure_primary(app_id=call.app.app_id, name=call.app.name)
    calendar = call.world.calendars.by_id.get(wanted)
    if calendar is None:
        malformed = not wanted.endswith(_ID_END)
        raise RefusedError(codes_office.CALENDAR_ID if malformed else codes_office.CALENDAR_UNKNOWN)
    if calendar.deleted:
        raise RefusedError(codes_office.CALENDAR_DELETED)
    role = get_role(call.app, calendar)
    if not role or (writes and role != "owner") or (reads_events and role == "free_busy_reader"):
        raise RefusedError(codes_office.CALENDAR_DENIED)
    return calendar


def find_event(call: Call, *, writes: bool = False) -> Event:
    """Return the event of the path.

    Raises:
        RefusedError: what `find_calendar` raises; 193001 (unknown), 193003 (deleted).
    """
    calendar = find_calendar(call, writes=writes, reads_events=True)
    wanted = call.params["event_id"]
    event = calendar.events.get(wanted)
    if event is None and not writes:
        # An instance of a recurring event, which is none of its own until it is changed.
        series = calendar.events.get(f"{wanted.rpartition('_')[0]}_0")
        event = series if series is not None and series.recurrence else None
    if event is None:
        raise RefusedError(codes_office.EVENT_UNKNOWN)
    if event.deleted:
        raise RefusedError(codes_office.EVENT_DELETED)
    return event
