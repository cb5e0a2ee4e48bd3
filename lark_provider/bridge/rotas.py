"""Who is on duty: by the list of `lark.yaml`, or by a Bitable or a calendar as it is now."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from lark_provider.api.calendar import CalendarEvent
from lark_provider.client.clients import AsyncLarkServiceClient
from lark_provider.protocol.errors import LarkAPIError, LarkError
from lark_provider.protocol.incidents.escalation import Rota, RotaCalendar, RotaTable

logger = logging.getLogger(__name__)

_SHOWN = 4
_NAMED = re.compile(r"ou_[A-Za-z0-9_]+|\+\d{6,}|[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
"""What a title names people by: open_ids, mobile numbers and e-mail addresses, among other words."""
_ABSENT = {"decline", "removed"}
_SPLIT = re.compile(r"[\s,;]+")


class OnDuty(NamedTuple):
    """A person on duty.

    Attributes:
        id: The person's open_id, e-mail address or mobile number.
        name: The person's name, as the card shows it.
    """

    id: str
    name: str


async def find_on_duty(
    client: AsyncLarkServiceClient, rota: Rota, number: int, at: datetime
) -> OnDuty | None:
    """Return the person on duty for a step; None if nobody is.

    Args:
        client: Of the app that reads the Bitable or the calendar.
        rota: The rota.
        number: The step, from 1.
        at: The moment, with its time zone.

    Raises:
        LarkError: The Bitable or the calendar cannot be read.
    """
    try:
        listed = await list_on_duty(client, rota, at)
    except LarkAPIError as error:
        if error.retryable or not rota.people:
            raise
        # A mistake in the source of the rota, such as a right that was taken, must not leave all asleep.
        logger.warning(
            "On-call schedule unavailable; using the rota's fallback people", extra={"error": str(error)}
        )
        listed = []
    people = {person.id: person.name for person in listed} or dict.fromkeys(rota.people, "")
    person_id = rota.turn(number, at, tuple(people))
    if person_id is None:
        return None
    return OnDuty(person_id, people[person_id] or await _find_name(client, person_id))


async def list_on_duty(client: AsyncLarkServiceClient, rota: Rota, at: datetime) -> list[OnDuty]:
    """Return who is on duty by the Bitable or the calendar of a rota, in the order in which their duty began.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/search.

    Args:
        client: Of an app that may read the Bitable or the calendar.
        rota: The rota.
        at: The moment, with its time zone.

    Raises:
        LarkError: The Bitable or the calendar cannot be read.
    """
    people: list[OnDuty] = []
    if (table := rota.table) is not None:
        # All pages: the rows of duties that are over come first, and grow in number. A filter by date would
        # read fewer, but Lark takes none on formulas and lookups, and compares days of the base's time zone.
        listed = client.clouddoc.bitable.search_records(
            table.base, table.table, field_names=table.columns, convert=False
        )
        people = select_from_records([record.get("fields") or {} async for record in listed], table, at)
    elif (calendar := rota.calendar) is not None:
        events = await client.calendar.happening(
            calendar.id, at=at, timezone=rota.timezone, attendees=calendar.person == "attendees"
        )
        people = select_from_events(events, calendar)
    return people


def select_from_events(events: Iterable[CalendarEvent], calendar: RotaCalendar) -> list[OnDuty]:
    """Return who is on duty by the events that are going on; pure. A person is there once.

    Groups, places and guests of other organizations are not on duty, nor is who has declined.

    Args:
        events: The events, in the order in which they began.
        calendar: Where an event names people.
    """
    people: dict[str, OnDuty] = {}
    for event in events:
        if calendar.person == "title":
            named = [OnDuty(who, "") for who in _NAMED.findall(event.title)]
        else:
            named = [
                OnDuty(attendee.id, attendee.name)
                for attendee in event.attendees
                if attendee.type == "user" and attendee.id and attendee.answer not in _ABSENT
            ]
        for person in named:
            people.setdefault(person.id, person)
    return list(people.values())


def select_from_records(records: Iterable[Mapping[str, Any]], table: RotaTable, at: datetime) -> list[OnDuty]:
    """Return who is on duty by the fields of records; pure. A person is there once.

    Args:
        records: Fields as Lark answers them.
        table: The columns.
        at: The moment, with its time zone.
    """
    now = at.timestamp() * 1000
    shifts: list[tuple[float, OnDuty]] = []
    for fields in records:
        since = _get_number(fields.get(table.begin)) if table.begin else 0.0
        until = _get_number(fields.get(table.end)) if table.end else None
        if since is not None and since <= now and (until is None or until > now):
            shifts += [(since, person) for person in _parse_people(fields.get(table.person))]
    people: dict[str, OnDuty] = {}
    for _, person in sorted(shifts, key=itemgetter(0)):
        people.setdefault(person.id, person)
    return list(people.values())


def _get_number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _parse_people(value: Any) -> list[OnDuty]:
    """Return the people of a cell: persons, or texts with ids, addresses or numbers."""
    if isinstance(value, str):
        return [OnDuty(who, "") for who in _SPLIT.split(value.strip()) if who]
    people: list[OnDuty] = []
    for part in value if isinstance(value, list) else ():
        if isinstance(part, str):
            people += _parse_people(part)
        elif isinstance(part, Mapping) and isinstance(part.get("id"), str):
            people.append(OnDuty(part["id"], str(part.get("name") or "")))
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str):
            people += _parse_people(part["text"])
    return people


async def _find_name(client: AsyncLarkServiceClient, person_id: str) -> str:
    """Return what a card calls a person: a name, an address, or the end of a number."""
    if "@" in person_id:
        return person_id
    if person_id.startswith("+"):
        return f"…{person_id[-_SHOWN:]}"
    try:
        user = await client.contact.get_user(person_id)
    except LarkError:
        return person_id  # A card with an id is better than a step that waits for a name.
    return str((user or {}).get("name") or person_id)
