"""Calendars: which events are going on, and who is invited to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import InvalidRequestError, NotFoundError
from lark_provider.protocol.operations import Listing, Page, Procedure, perform
from lark_provider.protocol.paging import Pager
from lark_provider.protocol.paths import fill_path

_EVENTS = "/calendar/v4/calendars/{calendar_id}/events"
_PARAMETER = 190002
_BEFORE, _AFTER = dt.timedelta(days=31), dt.timedelta(days=1)
"""Lark does not say whether it finds what began before the span asked for, which is less than 40 days."""
_FIRST, _LAST = 1970, 2500
"""Lark takes seconds since 1970, up to the year 2500."""
_PAGE = 100
_CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Attendee:
    """Who is invited to an event.

    Attributes:
        type: `user`, `chat`, `resource` or `third_party`.
        id: The open_id, chat_id, id of the meeting place, or e-mail address.
        name: The display name, as Lark shows it; may be empty.
        answer: The reply: `accept`, `decline`, `tentative`, `needs_action` or `removed`.
    """

    type: str
    id: str
    name: str
    answer: str


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """An event, or one occurrence of a recurring event.

    Attributes:
        id: The event's id (`event_id`).
        title: The title of the event; may be empty.
        begins: When it begins; an event of whole days at midnight.
        ends: When it ends, exclusive; an event of whole days at the midnight after its last day.
        attendees: The people, chats, resources and others who are invited; empty if they were not requested.
    """

    id: str
    title: str
    begins: dt.datetime
    ends: dt.datetime
    attendees: tuple[Attendee, ...] = ()


def happening(
    calendar_id: str, *, at: dt.datetime, timezone: str, attendees: bool = True
) -> Procedure[list[CalendarEvent]]:
    """Return the events of a calendar that are going on at a moment, in the order in which they began.

    Recurring events count at each of their occurrences. Events that began more than 31 days before are found
    only if Lark finds them by their end, which it does not promise.

    See GET /open-apis/calendar/v4/calendars/:calendar_id/events/instance_view and GET
    /open-apis/calendar/v4/calendars/:calendar_id/events/:event_id/attendees.

    Args:
        calendar_id: The calendar, `…@group.calendar.feishu.cn`, which the app's bot may read.
        at: The moment, with its time zone.
        timezone: The IANA time zone in which the days of events of whole days begin.
        attendees: Whether to list who is invited, which Lark allows to an event's organizer, and to those who
            are invited if the event lets them see each other.

    Raises:
        InvalidRequestError: An argument is invalid, and nothing was sent; or it is no calendar's id.
        NotFoundError: There is no such calendar.
        PermissionDeniedError: The app lacks the scope or the bot ability, or may not read the calendar, or
            may not see who is invited.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    if not isinstance(at, dt.datetime) or at.tzinfo is None or not _FIRST < at.year < _LAST:
        raise InvalidRequestError(
            f"at must be a datetime from {_FIRST + 1} on with a time zone, got {at!r}. Next: pass such as "
            "datetime.now(UTC).",
            code=_PARAMETER,
        )
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError, TypeError) as error:  # OSError for a folder, such as `America`
        raise InvalidRequestError(
            f"timezone must be an IANA time zone, got {timezone!r}. Next: pass one such as Asia/Shanghai.",
            code=_PARAMETER,
        ) from error
    where = fill_path(f"{_EVENTS}/instance_view", calendar_id=calendar_id)
    span = {
        "start_time": str(int((at - _BEFORE).timestamp())),
        "end_time": str(int((at + _AFTER).timestamp())),
    }
    call: Call[Any] = make_request("GET", where, params=span)
    return _list_events_at(call, calendar_id, at, zone, attendees=attendees)


def _list_events_at(
    call: Call[Any], calendar_id: str, at: dt.datetime, zone: ZoneInfo, *, attendees: bool
) -> Procedure[list[CalendarEvent]]:
    listed: list[Mapping[str, Any]] = list((yield from perform(call)).data.get("items") or ())
    events: list[CalendarEvent] = []
    for event, recurring_id in sorted(_select_events_at(listed, at, zone), key=lambda pair: pair[0].begins):
        people = (yield from _find_attendees(calendar_id, event.id, recurring_id)) if attendees else ()
        events.append(CalendarEvent(event.id, event.title, event.begins, event.ends, people))
    return events


def _select_events_at(
    listed: list[Mapping[str, Any]], at: dt.datetime, zone: ZoneInfo
) -> Iterator[tuple[CalendarEvent, str]]:
    """Yield the events that are going on, each with the id of the recurring event that it belongs to."""
    for raw_event in listed:
        begins, ends = (
            _parse_time(raw_event.get("start_time"), zone),
            _parse_time(raw_event.get("end_time"), zone, is_end=True),
        )
        if raw_event.get("status") == _CANCELLED or begins is None or ends is None or not begins <= at < ends:
            continue
        event = CalendarEvent(
            str(raw_event.get("event_id") or ""), str(raw_event.get("summary") or ""), begins, ends
        )
        yield event, str(raw_event.get("recurring_event_id") or "")


def _parse_time(value: Any, zone: ZoneInfo, *, is_end: bool = False) -> dt.datetime | None:
    """Read a `time_info`: seconds since 1970, or the day of an all-day event."""
    time_info: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    try:
        if time_info.get("timestamp"):
            return dt.datetime.fromtimestamp(int(time_info["timestamp"]), dt.UTC)
        # Added to the day, not to its midnight: a day does not have 24 hours if the clocks are changed.
        day = dt.date.fromisoformat(str(time_info.get("date") or "")) + dt.timedelta(days=is_end)
    except (ValueError, OverflowError, OSError):
        return None
    return dt.datetime.combine(day, dt.time(), zone)


def _find_attendees(calendar_id: str, event_id: str, recurring_id: str) -> Procedure[tuple[Attendee, ...]]:
    try:
        return (yield from _list_attendees(calendar_id, event_id))
    except NotFoundError:
        # An occurrence of which nothing was changed has no entry of its own.
        if not recurring_id or recurring_id == event_id:
            raise
    return (yield from _list_attendees(calendar_id, recurring_id))


def _list_attendees(calendar_id: str, event_id: str) -> Procedure[tuple[Attendee, ...]]:
    where = fill_path(f"{_EVENTS}/{{event_id}}/attendees", calendar_id=calendar_id, event_id=event_id)

    def read_page(token: str | None) -> Procedure[Page[Attendee]]:
        params = {"user_id_type": "open_id", "page_size": str(_PAGE), "page_token": token}
        call: Call[Any] = make_request("GET", where, params=params)
        attendee_page: Page[Mapping[str, Any]] = Page.of((yield from perform(call)).data)
        return Page([_read_attendee(attendee) for attendee in attendee_page.items], attendee_page.next_token)

    pager, people = Pager(Listing(read_page)), list[Attendee]()
    while not pager.ended:
        people += yield from pager.read_next_page()
    return tuple(people)


def _read_attendee(attendee: Mapping[str, Any]) -> Attendee:
    ids = (attendee.get(name) for name in ("user_id", "chat_id", "room_id", "third_party_email"))
    return Attendee(
        str(attendee.get("type") or ""),
        next((str(attendee_id) for attendee_id in ids if attendee_id), ""),
        str(attendee.get("display_name") or ""),
        str(attendee.get("rsvp_status") or ""),
    )
