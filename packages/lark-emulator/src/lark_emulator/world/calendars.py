"""Calendars of people and bots, with their events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

DAY = 24 * 3600


@dataclass(slots=True)
class Attendee:
    """Who is invited to an event: a person, a group, a resource, or an address outside of the tenant."""

    attendee_id: str
    type: str
    target: str
    """A user_id, a chat_id, a room_id or an e-mail address."""
    rsvp_status: str = "needs_action"
    is_optional: bool = False


@dataclass(slots=True)
class Event:
    """An event. `start` and `end` are Lark's `time_info`; `more` holds what is only kept and shown."""

    event_id: str
    calendar_id: str
    app_id: str
    create_time: int
    start: dict[str, str]
    end: dict[str, str]
    summary: str = ""
    description: str = ""
    free_busy_status: str = "busy"
    visibility: str = "default"
    attendee_ability: str = "none"
    recurrence: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    attendees: list[Attendee] = field(default_factory=list)
    deleted: bool = False

    @property
    def span(self) -> tuple[float, float]:
        """When it starts and ends, in seconds since the epoch."""
        return get_seconds(self.start), get_seconds(self.end) + (DAY if "date" in self.end else 0)


@dataclass(slots=True)
class Calendar:
    """A calendar of a bot (`app_id`) or of a person (`user_id`); the other one is empty."""

    calendar_id: str
    type: str
    summary: str
    app_id: str = ""
    user_id: str = ""
    description: str = ""
    permissions: str = "show_only_free_busy"
    color: int = -14513409
    summary_alias: str = ""
    deleted: bool = False
    events: dict[str, Event] = field(default_factory=dict)


class Calendars:
    """All calendars, by id. The main one of a person or a bot is made when it is first asked for."""

    def __init__(self) -> None:
        self.by_id: dict[str, Calendar] = {}

    def ensure_primary(self, *, app_id: str = "", user_id: str = "", name: str = "") -> Calendar:
        """Return the main calendar of a bot or of a person."""
        calendar_id = f"feishu.cn_{app_id or user_id}@group.calendar.feishu.cn"
        calendar = self.by_id.get(calendar_id)
        if calendar is None:
            calendar = self.by_id[calendar_id] = Calendar(calendar_id, "primary", name, app_id, user_id)
        return calendar

    def list_busy(self, user_id: str) -> list[tuple[Event, str]]:
        """Return the events in a person's main calendar, and what the person answered to each."""
        events = []
        for calendar in self.by_id.values():
            for event in calendar.events.values():
                answers = [attendee.rsvp_status for attendee in event.attendees if attendee.target == user_id]
                own = calendar.user_id == user_id and calendar.type == "primary"
                if not event.deleted and not calendar.deleted and (own or answers):
                    events.append((event, answers[0] if answers else "accept"))
        return events


def get_seconds(time: dict[str, str]) -> float:
    """Return the seconds since the epoch of a `time_info`: a timestamp, or the start of a day in UTC."""
    if "timestamp" in time:
        return float(time["timestamp"])
    return datetime.fromisoformat(time["date"]).replace(tzinfo=UTC).timestamp()
