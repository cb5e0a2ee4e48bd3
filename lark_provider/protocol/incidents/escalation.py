"""Decide to whom an unclaimed incident is escalated, and when. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeAlias, get_args
from zoneinfo import ZoneInfo

from lark_provider.protocol.incidents.model import Incident
from lark_provider.protocol.quiet_hours import QuietHours
from lark_provider.protocol.urgent_kinds import UrgentKind
from lark_provider.support.members import select_members

DutySource: TypeAlias = Literal["attendees", "title"]
SOURCES: tuple[DutySource, ...] = get_args(DutySource)
StepState: TypeAlias = Literal["due", "started", "done", "failed", "unknown", "skipped", "ended"]
"""`started` is committed before the call; `unknown` is what it becomes if its outcome was never recorded."""
EscalationEnd: TypeAlias = Literal["claimed", "recovered", "muted"]


@dataclass(frozen=True, slots=True)
class EscalationStep:
    """A step of an escalation.

    Attributes:
        after: Minutes since the incident was opened; without those in quiet hours, unless `always`.
        urgent: How the card rings: in the app, by SMS or by phone.
        always: Whether it ignores quiet hours.
    """

    after: float
    urgent: UrgentKind
    always: bool = False


@dataclass(frozen=True, slots=True)
class RotaTable:
    """A Bitable with the people on duty.

    Attributes:
        base: The base's `app_token`.
        table: The table's id.
        person: The column with a person, or with an open_id, e-mail address or mobile number.
        begin: The column with the time from which they are on duty; empty for always.
        end: The column with the time until which they are; empty for always.
    """

    base: str
    table: str
    person: str
    begin: str = ""
    end: str = ""

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        return [column for column in (self.person, self.begin, self.end) if column]


@dataclass(frozen=True, slots=True)
class RotaCalendar:
    """A calendar whose events say who is on duty.

    Attributes:
        id: The calendar's id.
        person: The part of an event that names them: who is invited (`attendees`), or its `title`.
    """

    id: str
    person: DutySource = "attendees"


@dataclass(frozen=True, slots=True)
class Rota:
    """The people on duty, and the order of their turns.

    Attributes:
        people: Open_ids, e-mail addresses or mobile numbers, in their order; with a table or a calendar, the
            people to call while it names no person.
        weekly_from: The day on which the first person's week began; None if the first is always first.
        table: A Bitable with the people on duty.
        timezone: The IANA name of the time zone in which days begin.
        calendar: A calendar with the people on duty.
    """

    people: tuple[str, ...] = ()
    weekly_from: date | None = None
    table: RotaTable | None = None
    timezone: str = "UTC"
    calendar: RotaCalendar | None = None

    def turn(self, number: int, at: datetime, people: Sequence[str]) -> str | None:
        """Return the person whose turn a step is; None if nobody is on duty.

        Args:
            number: The number of the step, from 1.
            at: The moment, with its time zone.
            people: Those on duty in their order: `people`, or what the table or the calendar has.
        """
        if not people:
            return None
        weeks = 0
        if self.weekly_from is not None:
            weeks = (at.astimezone(ZoneInfo(self.timezone)).date() - self.weekly_from).days // 7
        return people[(weeks + number - 1) % len(people)]


@dataclass(frozen=True, slots=True)
class Escalation:
    """What a route does with an incident that nobody claims.

    Attributes:
        steps: The steps, by ascending time.
        rota: The people on duty, who take turns: each step is for the next one.
    """

    steps: tuple[EscalationStep, ...]
    rota: Rota


class PlannedStep(NamedTuple):
    """A step that is recorded.

    Attributes:
        number: The number of the step, from 1.
        due_at: When it is to be taken.
        state: The state of the step, such as `due` or `done`; see `StepState`.
    """

    number: int
    due_at: datetime
    state: StepState


class Decision(NamedTuple):
    """What to do about the steps of an incident now.

    Attributes:
        take: The number of the step to take; None for none.
        skip: Numbers of steps that are too late, as a later one is due.
        end: Why no step is taken any more; None if they go on.
    """

    take: int | None = None
    skip: tuple[int, ...] = ()
    end: EscalationEnd | None = None


def compute_due_time(opened: datetime, step: EscalationStep, quiet: QuietHours | None) -> datetime:
    """Return when a step is to be taken.

    Args:
        opened: When the incident was opened, with its time zone.
        step: The step.
        quiet: The route's quiet hours.
    """
    if quiet is None or step.always:
        return opened + timedelta(minutes=step.after)
    return quiet.add_minutes(opened, step.after)


def plan(opened: datetime, steps: Sequence[EscalationStep], quiet: QuietHours | None) -> list[PlannedStep]:
    """Return the steps of an incident with their times, all of them due.

    Arguments are those of `compute_due_time`.
    """
    return [
        PlannedStep(number, compute_due_time(opened, step, quiet), "due")
        for number, step in enumerate(steps, start=1)
    ]


def find_end(incident: Incident) -> EscalationEnd | None:
    """Return why an incident needs no further step; None if it does."""
    if incident.over:
        return "recovered"
    if incident.claim is not None:
        return "claimed"
    return "muted" if incident.mutes else None


def decide(incident: Incident, steps: Sequence[PlannedStep], now: datetime) -> Decision:
    """Return what to do about the steps of an incident.

    Args:
        incident: The incident, as it is now.
        steps: All steps of the incident, as they are recorded.
        now: The current time, by the clock that `compute_due_time` was taken from.
    """
    open_ = [step for step in steps if step.state == "due"]
    end = find_end(incident)
    if end is not None:
        return Decision(skip=(), end=end if open_ else None)
    # After an outage only the last one that is due is taken: it is the one that matters now.
    due = sorted(step.number for step in open_ if step.due_at <= now)
    return Decision(due[-1], tuple(due[:-1])) if due else Decision()


def to_json(step: EscalationStep, rota: Rota) -> dict[str, Any]:
    """Return a step with its rota as plain values."""
    rota_fields = asdict(rota)
    rota_fields["weekly_from"] = None if rota.weekly_from is None else rota.weekly_from.isoformat()
    return {"step": asdict(step), "rota": rota_fields}


def from_json(content: Mapping[str, Any]) -> tuple[EscalationStep, Rota]:
    """Return what `to_json` wrote; members that a newer version added are left out.

    Raises:
        KeyError: A value is missing.
        TypeError: A member is missing.
    """
    rota = content["rota"]
    day, table = rota["weekly_from"], rota["table"]
    calendar = rota.get("calendar")  # what an earlier version recorded has none
    return EscalationStep(**select_members(content["step"], EscalationStep)), Rota(
        tuple(rota["people"]),
        None if day is None else date.fromisoformat(day),
        None if table is None else RotaTable(**select_members(table, RotaTable)),
        rota["timezone"],
        None if calendar is None else RotaCalendar(**select_members(calendar, RotaCalendar)),
    )
