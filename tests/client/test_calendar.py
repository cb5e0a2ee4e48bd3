"""Events of a calendar that are going on: over HTTP with both clients."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api import scopes
from lark_provider.errors import InvalidRequestError, NotFoundError, PermissionDeniedError
from tests.client.conftest import Do

CALENDARS = "/calendar/v4/calendars"
ATTENDEES = "/open-apis/calendar/v4/calendars/*/events/*/attendees"
NOON = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


class Duty:
    """A calendar of the app's own."""

    def __init__(self, **more: Any) -> None:
        self.client = LarkServiceClient()
        body = {"summary": "On call", **more}
        self.id: str = self.client.call("POST", CALENDARS, json=body).data["calendar"]["calendar_id"]

    def add(self, title: str, begins: dt.datetime, ends: dt.datetime, *people: str, rule: str = "") -> str:
        times = [{"timestamp": str(int(moment.timestamp())), "timezone": "UTC"} for moment in (begins, ends)]
        return self._add(title, times, people, rule)

    def add_days(self, title: str, first: str, last: str, *people: str, rule: str = "") -> str:
        return self._add(title, [{"date": first}, {"date": last}], people, rule)

    def _add(self, title: str, times: list[dict[str, str]], people: tuple[str, ...], rule: str) -> str:
        body = {"summary": title, "start_time": times[0], "end_time": times[1], "recurrence": rule}
        event = self.client.call("POST", f"{CALENDARS}/{self.id}/events", json=body).data["event"]
        self.invite(event["event_id"], *({"type": "user", "user_id": user_id} for user_id in people))
        return str(event["event_id"])

    def invite(self, event_id: str, *who: dict[str, str]) -> None:
        where = f"{CALENDARS}/{self.id}/events/{event_id}/attendees"
        if who:
            self.client.call("POST", where, params={"user_id_type": "user_id"}, json={"attendees": [*who]})


@pytest.fixture
def duty(lark: Emulator) -> Duty:
    lark.settings(rate_limits=False)
    return Duty()


def titles(do: Do, duty: Duty, at: dt.datetime, timezone: str = "UTC") -> list[str]:
    events = do(lambda c: c.calendar.happening(duty.id, at=at, timezone=timezone, attendees=False))
    return [event.title for event in events]


def test_times_that_no_clock_shows_are_left_out(lark: Emulator, do: Do, duty: Duty) -> None:
    times = [({"date": "2026-11-26"}, {"date": "9999-12-31"}), ({"timestamp": "1" * 20}, {}), ({}, {})]
    times.append(({"date": "2026-11-26"}, {"date": "2026-11-26"}))
    items = [
        {"event_id": f"e{number}", "summary": str(number), "start_time": begins, "end_time": ends}
        for number, (begins, ends) in enumerate(times)
    ]
    body = json.dumps({"code": 0, "msg": "success", "data": {"items": items}})
    lark.fault("GET", "*/instance_view", status=200, body=body)
    assert titles(do, duty, NOON) == ["3"]


def test_what_is_going_on_comes_in_the_order_in_which_it_began(lark: Emulator, do: Do, duty: Duty) -> None:
    duty.add("late", NOON - HOUR, NOON + HOUR, "bob")
    duty.add("over", NOON - 2 * HOUR, NOON)
    duty.add("next", NOON + HOUR, NOON + 2 * HOUR)
    duty.add("from now on", NOON, NOON + HOUR)
    duty.add("for weeks", NOON - dt.timedelta(days=20), NOON + dt.timedelta(days=20), "alice", "carol")
    duty.client.call("DELETE", f"{CALENDARS}/{duty.id}/events/{duty.add('off', NOON, NOON + HOUR)}")
    assert titles(do, duty, NOON) == ["for weeks", "late", "from now on"]
    weeks, late, _ = do(lambda c: c.calendar.happening(duty.id, at=NOON, timezone="UTC"))
    assert [(attendee.type, attendee.id, attendee.answer) for attendee in weeks.attendees] == [
        ("user", "ou_emulator0001_alice", "needs_action"),
        ("user", "ou_emulator0001_carol", "needs_action"),
    ]
    assert weeks.attendees[0].name == "李雷"
    assert (late.begins, late.ends) == (NOON - HOUR, NOON + HOUR)


@pytest.mark.parametrize(
    ("at", "timezone", "expected"),
    [
        ("2026-11-26T00:00:00+00:00", "UTC", ["day", "days"]),
        ("2026-11-26T23:59:59+00:00", "UTC", ["day", "days"]),
        ("2026-11-25T23:59:59+00:00", "UTC", []),
        ("2026-11-27T12:00:00+00:00", "UTC", ["days"]),
        ("2026-11-28T00:00:00+00:00", "UTC", []),
        ("2026-11-25T16:00:00+00:00", "Asia/Shanghai", ["day", "days"]),
        ("2026-11-25T15:59:59+00:00", "Asia/Shanghai", []),
        ("2026-11-25T10:00:00+00:00", "Pacific/Kiritimati", ["day", "days"]),
        ("2026-11-27T11:59:59+00:00", "Pacific/Pago_Pago", ["days"]),
        ("2026-11-27T10:59:59+00:00", "Pacific/Pago_Pago", ["day", "days"]),
    ],
)
def test_days_begin_in_the_time_zone(do: Do, duty: Duty, at: str, timezone: str, expected: list[str]) -> None:
    duty.add_days("day", "2026-11-26", "2026-11-26")
    duty.add_days("days", "2026-11-26", "2026-11-27")
    assert titles(do, duty, dt.datetime.fromisoformat(at), timezone) == expected


@pytest.mark.parametrize(("at", "count"), [("23:30:00", 1), ("23:59:59", 1)])
def test_a_day_on_which_clocks_are_changed_is_whole(do: Do, duty: Duty, at: str, count: int) -> None:
    duty.add_days("short", "2027-03-28", "2027-03-28")
    duty.add_days("long", "2026-10-25", "2026-10-25")
    for day, offset in (("2027-03-28", "+02:00"), ("2026-10-25", "+01:00")):
        moment = dt.datetime.fromisoformat(f"{day}T{at}{offset}")
        assert len(titles(do, duty, moment, "Europe/Berlin")) == count
        assert titles(do, duty, moment + HOUR, "Europe/Berlin") == []


def test_a_recurring_event_counts_each_time_also_if_its_occurrences_have_no_entries(
    lark: Emulator, do: Do, duty: Duty
) -> None:
    begins = NOON - dt.timedelta(days=70)
    series = duty.add("weekly", begins, begins + 2 * HOUR, "carol", rule="FREQ=WEEKLY")
    for missing in (False, True):
        if missing:
            occurrence = f"{series.removesuffix('_0')}_{int(NOON.timestamp())}"
            path = ATTENDEES.replace("events/*", f"events/{occurrence}")
            body = '{"code": 193001, "msg": "event not found"}'
            lark.fault("GET", path, status=404, body=body, times=1)
        (event,) = do(lambda c: c.calendar.happening(duty.id, at=NOON + HOUR, timezone="UTC"))
        assert [attendee.id for attendee in event.attendees] == ["ou_emulator0001_carol"]
        assert (event.begins, event.ends) == (NOON, NOON + 2 * HOUR)
    assert titles(do, duty, NOON + 2 * HOUR) == []


def test_many_guests_come_in_pages(do: Do, duty: Duty) -> None:
    event = duty.add("all hands", NOON, NOON + HOUR)
    mails = [f"guest{n}@example.org" for n in range(250)]
    duty.invite(event, *({"type": "third_party", "third_party_email": mail} for mail in mails))
    (listed,) = do(lambda c: c.calendar.happening(duty.id, at=NOON, timezone="UTC"))
    assert [attendee.id for attendee in listed.attendees] == mails


def test_each_refusal_says_the_next_step(lark: Emulator, do: Do, duty: Duty) -> None:
    wrong: tuple[dict[str, Any], ...] = (
        {"at": NOON.replace(tzinfo=None)},
        {"at": "now"},
        {"at": dt.datetime.min.replace(tzinfo=dt.UTC)},
        {"at": dt.datetime.max.replace(tzinfo=dt.UTC)},
        {"timezone": "Asia/Beijing"},
        {"timezone": "America"},
        {"timezone": None},
        {"calendar_id": ""},
        {"calendar_id": "../x"},
    )
    for changes in wrong:
        arguments = {"calendar_id": duty.id, "at": NOON, "timezone": "UTC"} | changes
        with pytest.raises(InvalidRequestError, match="Next: "):
            do(lambda c: c.calendar.happening(**arguments))  # noqa: B023 - called now
    with pytest.raises(NotFoundError, match="its settings"):
        do(lambda c: c.calendar.happening("feishu.cn_x@group.calendar.feishu.cn", at=NOON, timezone="UTC"))
    other = lark.add_app()
    theirs = {"app_id": other["app_id"], "app_secret": other["app_secret"]}
    duty.add("now", NOON, NOON + HOUR, "bob")
    with pytest.raises(PermissionDeniedError, match="share the calendar with the app's bot"):
        do(lambda c: c.calendar.happening(duty.id, at=NOON, timezone="UTC"), **theirs)
    duty.client.call("PATCH", f"{CALENDARS}/{duty.id}", json={"permissions": "public"})
    with pytest.raises(PermissionDeniedError, match="the titles of events need neither"):
        do(lambda c: c.calendar.happening(duty.id, at=NOON, timezone="UTC"), **theirs)
    read = do(lambda c: c.calendar.happening(duty.id, at=NOON, timezone="UTC", attendees=False), **theirs)
    assert [event.title for event in read] == ["now"]
    lark.change_app(scopes=["im:message"])
    with pytest.raises(PermissionDeniedError, match=r"calendar:calendar\.event:read"):
        do(lambda c: c.calendar.happening(duty.id, at=NOON, timezone="UTC"))


def test_scopes_are_known_and_asked_for_only_where_they_are_used() -> None:
    assert "calendar" not in scopes.USUAL
    assert scopes.list_missing("calendar", []) == ["calendar:calendar.event:read"]
    assert scopes.list_missing("calendar", ["calendar:calendar:readonly"]) == []
