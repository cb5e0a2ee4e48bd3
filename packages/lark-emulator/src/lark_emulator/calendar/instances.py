"""`/calendar/v4/calendars/:calendar_id/events/instance_view`: recurring events, one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from lark_emulator import codes_office
from lark_emulator.calendar import events
from lark_emulator.calendar.access import BOT_ACTS, find_calendar
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_user_id_type
from lark_emulator.world.calendars import DAY
from lark_emulator.world.recurrence import iterate_days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator.world.calendars import Event

_CHINA = timezone(timedelta(hours=8))
MAX_SPAN = 40 * DAY
MAX_INSTANCES = 999
#: What an event has and an instance has not.
_OF_EVENTS = ("recurrence", "create_time", "reminders", "schemas", "attachments", "event_check_in")


def view(call: Call) -> dict[str, Any]:
    """Answer `GET …/events/instance_view`: what overlaps a span of less than 40 days, by start."""
    read_user_id_type(call)
    calendar = find_calendar(call, reads_events=True)
    start, end = events.read_seconds(call, "start_time"), events.read_seconds(call, "end_time")
    if start is None or end is None or not 0 < end - start < MAX_SPAN:
        raise RefusedError(codes_office.CALENDAR_PARAM)
    instances = [
        (begins, instance)
        for event in calendar.events.values()
        if not event.deleted
        for begins, ends, instance in _iterate_instances(event, call, end)
        if begins < end and ends > start
    ]
    return {
        "items": [instance for _, instance in sorted(instances, key=lambda pair: pair[0])[:MAX_INSTANCES]]
    }


def _iterate_instances(event: Event, call: Call, end: int) -> Iterator[tuple[float, float, dict[str, Any]]]:
    """Yield when each instance begins and ends, and how Lark shows it."""
    shown = {name: value for name, value in events.render(event, call).items() if name not in _OF_EVENTS}
    if not event.recurrence:
        yield *event.span, shown
        return
    begins, ends = event.span
    whole_days = "date" in event.start
    zone = UTC if whole_days else _parse_zone(event.start["timezone"])
    first = datetime.fromtimestamp(begins, zone)
    last = datetime.fromtimestamp(end, zone).date()
    for day in iterate_days(event.recurrence, first.date(), last):
        begin = datetime.combine(day, first.timetz()).timestamp()
        moved = timedelta(days=(day - first.date()).days)
        if whole_days:
            times = {
                name: {**time_info, "date": (date.fromisoformat(time_info["date"]) + moved).isoformat()}
                for name, time_info in (("start_time", event.start), ("end_time", event.end))
            }
        else:
            stamps = {"start_time": begin, "end_time": begin + ends - begins}
            times = {name: {**event.start, "timestamp": str(int(stamp))} for name, stamp in stamps.items()}
        ids = {
            "event_id": f"{event.event_id.rpartition('_')[0]}_{int(begin)}",
            "recurring_event_id": event.event_id,
        }
        yield begin, begin + ends - begins, {**shown, **ids, **times}


def _parse_zone(name: str) -> tzinfo:
    """Return a time zone; UTC+8 for one that is unknown here, as where no time zones are installed."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return _CHINA


ROUTES = (
    Route(
        "GET",
        "/open-apis/calendar/v4/calendars/:calendar_id/events/instance_view",
        view,
        unconfirmed=(
            BOT_ACTS,
            "what overlaps the span is listed, by start; of more than 999 instances the first 999",
            "daily and weekly rules are expanded, other ones happen once; no instance can be changed alone",
            "days of events of whole days are those of UTC",
        ),
    ),
)
