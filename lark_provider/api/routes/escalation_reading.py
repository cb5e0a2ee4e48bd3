"""Read what a route does at which time: quiet hours, its digest, and how unclaimed incidents escalate."""

from __future__ import annotations

import re
from datetime import date, time
from itertools import pairwise
from typing import cast

from lark_provider.api.receivers import make_receiver
from lark_provider.api.routes.members import MemberReader
from lark_provider.api.routes.yaml_text import Value
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.incidents.escalation import (
    SOURCES,
    DutySource,
    Escalation,
    EscalationStep,
    Rota,
    RotaCalendar,
    RotaTable,
)
from lark_provider.protocol.quiet_hours import QuietHours
from lark_provider.protocol.urgent_kinds import URGENT_KINDS, UrgentKind

HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_ESCALATION, _STEP = ("rota", "weekly_from", "steps"), ("after", "urgent", "always")
_TABLE = ("base", "table", "person", "from", "until", "otherwise")
_CALENDAR = ("calendar", "person", "otherwise")
_CALENDAR_ID = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+")
_ID = re.compile(r"[A-Za-z0-9_-]+")
_MAX_MINUTES = 7 * 24 * 60
_MAX_STEPS, _MAX_PEOPLE = 20, 200
_PEOPLE_STEP = "write an open_id (ou_…), an e-mail address, or a mobile number as +8613…, in quotes"


def read_quiet_hours(route: MemberReader, timezone: str | None) -> QuietHours | None:
    """Return the quiet hours of a route; None if it has none, or none that is valid.

    Args:
        route: The route.
        timezone: The time zone that the route or the defaults name; None if neither does.
    """
    value = route.get("quiet_hours")
    if value is None:
        return None
    text = route.check(
        "quiet_hours", "", HOURS.fullmatch, "hours such as 22:00-07:00", "write two times of day, in quotes"
    )
    match = HOURS.fullmatch(text)
    if match is None or _lacks_zone(route, "quiet_hours", value, timezone):
        return None
    begin, end = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
    if begin == end:
        route.add_mistake("quiet_hours", "two different times", value, "write another one, or remove it")
        return None
    return QuietHours(begin, end, timezone or "")


def read_digest(route: MemberReader, timezone: str | None, quiet: QuietHours | None) -> time | None:
    """Return the time of a route's digest; None if it has none, or none that is valid.

    Args:
        route: The route.
        timezone: The time zone that the route or the defaults name; None if neither does.
        quiet: Its quiet hours.
    """
    value = route.get("digest")
    if value is None:
        return None
    text = route.check("digest", "", _TIME.fullmatch, "a time such as 09:00", "write one, in quotes")
    match = _TIME.fullmatch(text)
    if match is None or _lacks_zone(route, "digest", value, timezone):
        return None
    at = time(int(match[1]), int(match[2]))
    if quiet is not None and _is_in(quiet, at):
        route.add_mistake(
            "digest", "outside of quiet_hours", value, "name a time at which the route is not quiet"
        )
        return None
    return at


def read_escalation(route: MemberReader, timezone: str | None) -> Escalation | None:
    """Return the escalation of a route; None if it has none, or none that is valid.

    Args:
        route: The route.
        timezone: The time zone that the route or the defaults name; None if neither does.
    """
    value = route.get("escalation")
    if value is None:
        return None
    reader = MemberReader(value, "an escalation", _ESCALATION, route.mistakes)
    rota, steps = _read_rota(reader, timezone), _read_steps(reader)
    return None if rota is None or not steps else Escalation(steps, rota)


def _lacks_zone(route: MemberReader, name: str, value: Value, timezone: str | None) -> bool:
    if timezone is None:
        route.mistakes.add(
            value.line,
            f"{name} must come with a timezone, got none. Next: add one such as `timezone: Asia/Shanghai` to "
            "the route or to `defaults`.",
        )
    return timezone is None


def _is_in(quiet: QuietHours, at: time) -> bool:
    if quiet.begin < quiet.end:
        return quiet.begin <= at < quiet.end
    return at >= quiet.begin or at < quiet.end


def _read_rota(reader: MemberReader, timezone: str | None) -> Rota | None:
    value = reader.get("rota")
    if value is None:
        reader.mistakes.add(
            reader.line,
            "an escalation must have a rota, got none. Next: add `rota: [ou_…, ann@example.com]`.",
        )
        return None
    begin = _read_day(reader, timezone)
    members = value.plain if isinstance(value.plain, dict) else None
    if members is None:
        people = _read_people(reader, "rota", value)
        return Rota(people, begin, None, timezone or "UTC") if people else None
    table, calendar = None, None
    if "calendar" in members:
        source = MemberReader(value, "a rota in a calendar", _CALENDAR, reader.mistakes)
        calendar = _read_calendar(source, value, timezone)
    else:
        source = MemberReader(value, "a rota in a Bitable", _TABLE, reader.mistakes)
        table = _read_table(source)
    otherwise = source.get("otherwise")
    people = () if otherwise is None else _read_people(source, "otherwise", otherwise)
    if table is None and calendar is None:
        return None
    return Rota(people, begin, table, timezone or "UTC", calendar)


def _read_calendar(source: MemberReader, value: Value, timezone: str | None) -> RotaCalendar | None:
    calendar_id = source.check(
        "calendar",
        "",
        _CALENDAR_ID.fullmatch,
        "a calendar's id such as feishu.cn_…@group.calendar.feishu.cn",
        "take it from the calendar's settings",
    )
    if source.get("calendar") is None:
        source.mistakes.add(
            value.line,
            "a rota in a calendar must have its id, got none. Next: write `rota: {calendar: "
            "feishu.cn_…@group.calendar.feishu.cn}`.",
        )
    person = source.read_choice("person", SOURCES, "attendees")
    # An all-day event needs a time zone in which its days begin.
    if _lacks_zone(source, "a rota in a calendar", value, timezone) or not calendar_id:
        return None
    return RotaCalendar(calendar_id, cast("DutySource", person))


def _read_people(reader: MemberReader, name: str, value: Value) -> tuple[str, ...]:
    listed = value.plain if isinstance(value.plain, list) else [value]
    if not 0 < len(listed) <= _MAX_PEOPLE:
        reader.add_mistake(name, f"a list of 1 to {_MAX_PEOPLE} people", value, _PEOPLE_STEP)
    people = []
    for person in listed:
        text = reader.as_text(name, person)
        if text is None:
            continue
        try:
            to = make_receiver(text)
        except InvalidRequestError as error:
            reader.mistakes.add(person.line, str(error))
            continue
        if to.id_type not in {"open_id", "email", "mobile"}:
            reader.add_mistake(name, "a list of people", person, _PEOPLE_STEP)
        people.append(text)
    return tuple(people)


def _read_table(source: MemberReader) -> RotaTable | None:
    def read_id(name: str) -> str:
        wanted = f"the {name}'s id, as the address bar shows it"
        return source.check(name, "", _ID.fullmatch, wanted, "write the id alone, without the URL")

    rota_table = RotaTable(
        read_id("base"),
        read_id("table"),
        source.read_text("person", ""),
        source.read_text("from", ""),
        source.read_text("until", ""),
    )
    for name, text in (("base", rota_table.base), ("table", rota_table.table), ("person", rota_table.person)):
        if not text and source.get(name) is None:
            source.mistakes.add(
                source.line,
                f"a rota in a Bitable must have {name}, got none. Next: write `rota: {{base: bascn…, table: "
                "tbl…, person: On duty, from: Begin, until: End}`.",
            )
    return rota_table if rota_table.base and rota_table.table and rota_table.person else None


def _read_day(reader: MemberReader, timezone: str | None) -> date | None:
    value = reader.get("weekly_from")
    if value is None or _lacks_zone(reader, "weekly_from", value, timezone):
        return None
    try:
        return date.fromisoformat(value.text.strip())
    except ValueError:
        reader.add_mistake(
            "weekly_from", "a day such as 2026-11-30", value, "write the day of the first change"
        )
        return None


def _read_steps(reader: MemberReader) -> tuple[EscalationStep, ...]:
    value = reader.get("steps")
    listed = value.plain if value is not None and isinstance(value.plain, list) else []
    if not 0 < len(listed) <= _MAX_STEPS:
        reader.mistakes.add(
            reader.line if value is None else value.line,
            f"an escalation must have 1 to {_MAX_STEPS} steps, got {len(listed)}. Next: add `steps: "
            "[{after: 10, urgent: app}]`, in minutes.",
        )
        return ()
    pairs = [(raw, _read_step(MemberReader(raw, "a step", _STEP, reader.mistakes))) for raw in listed]
    for (_, previous), (raw, step) in pairwise(pairs):
        if previous is not None and step is not None and step.after <= previous.after:
            reader.add_mistake(
                "after", f"more than the {previous.after:g} minutes of the step before", raw,
                "put the steps in the order of their times",
            )  # fmt: skip
    return tuple(step for _, step in pairs if step is not None)


def _read_step(step: MemberReader) -> EscalationStep | None:
    value = step.get("after")
    plain = None if value is None else value.plain
    minutes = float(plain) if isinstance(plain, int | float) and not isinstance(plain, bool) else 0.0
    kind = step.read_choice("urgent", URGENT_KINDS, "app")
    always = step.read_flag("always")
    if not 0 < minutes <= _MAX_MINUTES:
        step.mistakes.add(
            step.line if value is None else value.line,
            f"after must be a number of minutes above 0 and at most {_MAX_MINUTES:,}, got "
            f"{'nothing' if value is None else repr(value.text[:40])}. Next: write one such as 10.",
        )
        return None
    return EscalationStep(minutes, cast("UrgentKind", kind), always)
