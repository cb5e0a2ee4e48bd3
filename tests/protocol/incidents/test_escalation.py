"""When which step of an escalation is due, also in quiet hours and where the clocks change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lark_provider.protocol.incidents.escalation import (
    Decision,
    EscalationStep,
    PlannedStep,
    Rota,
    RotaTable,
    compute_due_time,
    decide,
    find_end,
    from_json,
    plan,
    to_json,
)
from lark_provider.protocol.incidents.model import Claim, Failure, Incident, Mute
from lark_provider.protocol.quiet_hours import QuietHours, compute_moment

MINUTE = timedelta(minutes=1)
OPEN = Incident(failures=(Failure("t"),), count=1, version=1)
NIGHT = QuietHours(time(22), time(7), "Asia/Shanghai")
ZONES = ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
# Each begins shortly before the clocks are changed somewhere.
BEGINS = tuple(
    datetime(2026, month, day, 12, tzinfo=UTC)
    for month, day in ((3, 7), (3, 28), (4, 4), (7, 1), (10, 3), (10, 24), (10, 31), (12, 31))
)
minutes = st.integers(0, 24 * 60 - 1)
moments = st.builds(
    lambda begin, late: begin + timedelta(minutes=late), st.sampled_from(BEGINS), st.integers(0, 2 * 1440)
)


@st.composite
def hours(draw: st.DrawFn) -> QuietHours:
    begin, end = draw(st.lists(minutes, min_size=2, max_size=2, unique=True))
    return QuietHours(time(*divmod(begin, 60)), time(*divmod(end, 60)), draw(st.sampled_from(ZONES)))


def at(text: str, zone: str = "Asia/Shanghai") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@settings(max_examples=150, deadline=None)
@given(hours(), moments, st.integers(0, 1500))
def test_only_minutes_outside_of_quiet_hours_count(quiet: QuietHours, opened: datetime, after: int) -> None:
    due = compute_due_time(opened, EscalationStep(after, "app"), quiet)
    now, left = opened, after
    while left or quiet.covers(now):  # minute by minute, since all limits are whole minutes
        left -= not quiet.covers(now)
        now += MINUTE
    assert due == now
    assert not quiet.covers(due)
    assert (
        compute_due_time(opened, EscalationStep(after, "phone", always=True), quiet)
        == opened + after * MINUTE
    )


@settings(max_examples=150, deadline=None)
@given(hours(), moments)
def test_the_limits_of_quiet_hours_are_where_the_wall_clock_passes_them(
    quiet: QuietHours, moment: datetime
) -> None:
    for limit, covered in ((quiet.end_after(moment), False), (quiet.begin_after(moment), True)):
        assert limit >= moment
        assert quiet.covers(limit) is covered
        assert limit == moment or quiet.covers(limit - MINUTE) is not covered


@settings(max_examples=100, deadline=None)
@given(
    hours() | st.none(),
    moments,
    st.lists(st.integers(1, 3000), min_size=1, max_size=6, unique=True),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_each_step_is_taken_once_whenever_it_is_looked_at(
    quiet: QuietHours | None, opened: datetime, after: list[int], always: list[bool]
) -> None:
    steps = [EscalationStep(delay, "app", always[index]) for index, delay in enumerate(sorted(after))]
    planned = plan(opened, steps, quiet)
    states = {step.number: step for step in planned}
    taken: list[int] = []
    for moment in sorted({step.due_at for step in planned}):
        for _ in range(2):  # the second look at the same moment finds nothing
            decision = decide(OPEN, list(states.values()), moment)
            assert decision.end is None
            for number in decision.skip:
                states[number] = states[number]._replace(state="skipped")
            if decision.take is not None:
                assert states[decision.take].due_at <= moment
                states[decision.take] = states[decision.take]._replace(state="done")
                taken.append(decision.take)
        assert all(step.due_at > moment for step in states.values() if step.state == "due")
    assert len(taken) == len(set(taken))
    assert {step.state for step in states.values()} <= {"done", "skipped"}
    for earlier, other in pairwise(planned):
        if steps[earlier.number - 1].always == steps[other.number - 1].always:
            assert earlier.due_at < other.due_at


def test_a_night_moves_steps_to_the_morning_and_keeps_their_distance() -> None:
    steps = (EscalationStep(10, "app"), EscalationStep(20, "sms"), EscalationStep(30, "phone", always=True))
    times = [step.due_at for step in plan(at("2026-11-26T21:55"), steps, NIGHT)]
    assert times == [at("2026-11-27T07:05"), at("2026-11-27T07:15"), at("2026-11-26T22:25")]


@pytest.mark.parametrize(
    ("opened", "due"),
    [
        # 02:00 to 03:00 does not exist: quiet hours that end within it end when the clocks are changed.
        ("2026-03-29T01:00", "2026-03-29T03:05"),
        # 02:00 to 03:00 is there twice, and its first half is quiet twice.
        ("2026-10-25T01:00", "2026-10-25T02:35"),
    ],
)
def test_the_night_in_which_the_clocks_are_changed(opened: str, due: str) -> None:
    quiet = QuietHours(time(22), time(2, 30), "Europe/Berlin")
    assert compute_due_time(at(opened, "Europe/Berlin"), EscalationStep(5, "app"), quiet) == at(
        due, "Europe/Berlin"
    )


def test_a_local_time_that_does_not_exist_is_as_long_after_midnight() -> None:
    day = date(2026, 3, 29)
    assert compute_moment(day, time(2, 30), "Europe/Berlin") == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert compute_moment(date(2026, 10, 25), time(2, 30), "Europe/Berlin").hour == 0  # the first of the two


@pytest.mark.parametrize(
    ("incident", "end"),
    [
        (replace(OPEN, over=True), "recovered"),
        (replace(OPEN, claim=Claim("ou_1", "ann", "2026-11-26T10:00:00+00:00")), "claimed"),
        (replace(OPEN, mutes=(Mute("t", "ann", "2026-11-26T10:00:00+00:00"),)), "muted"),
    ],
)
def test_who_acts_ends_the_escalation(incident: Incident, end: str) -> None:
    now = BEGINS[0]
    steps = [PlannedStep(1, now, "done"), PlannedStep(2, now, "due")]
    assert find_end(OPEN) is None
    assert decide(incident, steps, now).end == end
    assert decide(incident, steps[:1], now) == Decision()


def test_after_an_outage_the_last_step_that_is_due_is_taken() -> None:
    now = BEGINS[0]
    states = ("unknown", "due", "due", "due")
    steps = [PlannedStep(n, now + (n - 4) * MINUTE, states[n - 1]) for n in range(1, 5)]  # type: ignore[arg-type] # states
    assert decide(OPEN, steps, now - 1.5 * MINUTE) == Decision(2)
    assert decide(OPEN, steps, now) == Decision(4, (2, 3))


def test_each_step_is_the_next_ones_and_weeks_turn_the_rota() -> None:
    people = ("ou_a", "ou_b", "ou_c")
    rota = Rota(people, date(2026, 11, 23), timezone="Asia/Shanghai")
    last, first = at("2026-11-29T23:59"), at("2026-11-30T00:00")
    assert [rota.turn(number, last, people) for number in (1, 2, 4)] == ["ou_a", "ou_b", "ou_a"]
    assert rota.turn(1, first, people) == "ou_b"
    assert Rota(people).turn(1, first, people) == "ou_a"
    assert rota.turn(1, at("2026-11-20T12:00"), people) == "ou_c"  # the week before the first
    assert rota.turn(1, first, ()) is None


@pytest.mark.parametrize(
    "rota",
    [
        Rota(("ou_a", "+8613800000001"), date(2026, 11, 23), timezone="Europe/Berlin"),
        Rota(table=RotaTable("bascn1", "tbl1", "Who", "From", "Until")),
    ],
)
def test_a_step_is_read_back_as_it_was_recorded(rota: Rota) -> None:
    step = EscalationStep(12.5, "phone", always=True)
    recorded = to_json(step, rota)
    assert from_json(recorded) == (step, rota)
    for part in (recorded["step"], recorded["rota"]["table"]):
        if part is not None:
            part["a_new_member"] = 1  # which a newer version added
    assert from_json(recorded) == (step, rota)
