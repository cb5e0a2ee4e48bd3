"""Quiet hours, digests and escalations in `lark.yaml`."""

from __future__ import annotations

import json
from datetime import date, time

import pytest

from lark_provider.api.routes.reading import read_routes
from lark_provider.errors import ConfigurationError
from lark_provider.protocol.incidents.escalation import (
    Escalation,
    EscalationStep,
    Rota,
    RotaCalendar,
    RotaTable,
    from_json,
    to_json,
)
from lark_provider.protocol.quiet_hours import QuietHours

FILE = """
defaults: {timezone: Asia/Shanghai}
routes:
  - name: payments
    tag: prod
    to: oc_pay
    quiet_hours: 22:00-07:00
    digest: 09:00
    escalation:
      rota: [ou_ann, bob@example.com, "+8613800000001"]
      weekly_from: 2026-11-23
      steps:
        - {after: 10}
        - {after: 20.5, urgent: sms}
        - {after: 45, urgent: phone, always: true}
    continue: true
  - name: base
    what: failures
    to: {id: oc_all, timezone: UTC}
    timezone: Europe/Berlin
    digest: "22:30"
    escalation:
      rota: {base: bascn1, table: tbl1, person: On duty, from: Begin, until: End}
      steps: [{after: 5, urgent: phone}]
  - name: calendar
    tag: shared
    to: oc_all
    escalation:
      rota:
        calendar: feishu.cn_x-1@group.calendar.feishu.cn
        person: title
        otherwise: [ou_ann, b@example.com]
      steps: [{after: 5}]
  - to: oc_plain
"""


def test_a_route_says_what_happens_at_which_time() -> None:
    first, second, third, plain = read_routes(FILE).routes
    assert first.quiet_hours == QuietHours(time(22), time(7), "Asia/Shanghai")
    assert (first.digest, first.timezone) == (time(9), "Asia/Shanghai")
    people = ("ou_ann", "bob@example.com", "+8613800000001")
    assert first.escalation == Escalation(
        (
            EscalationStep(10.0, "app"),
            EscalationStep(20.5, "sms"),
            EscalationStep(45.0, "phone", always=True),
        ),
        Rota(people, date(2026, 11, 23), timezone="Asia/Shanghai"),
    )
    assert (second.quiet_hours, second.digest, second.timezone) == (None, time(22, 30), "Europe/Berlin")
    assert second.escalation is not None
    assert second.escalation.rota.table == RotaTable("bascn1", "tbl1", "On duty", "Begin", "End")
    assert third.escalation is not None
    assert third.escalation.rota == Rota(
        ("ou_ann", "b@example.com"),
        None,
        None,
        "Asia/Shanghai",
        RotaCalendar("feishu.cn_x-1@group.calendar.feishu.cn", "title"),
    )
    assert from_json(json.loads(json.dumps(to_json(EscalationStep(5.0, "app"), third.escalation.rota)))) == (
        EscalationStep(5.0, "app"),
        third.escalation.rota,
    )
    assert (plain.quiet_hours, plain.digest, plain.escalation) == (None, None, None)


def test_a_receiver_knows_what_its_route_does() -> None:
    routes = read_routes(FILE)
    first, second = routes.for_failure("d", ["prod"], (), "t")
    assert (first.quiet_hours, first.escalation) == (
        routes.routes[0].quiet_hours,
        routes.routes[0].escalation,
    )
    assert (second.quiet_hours, second.escalation) == (None, routes.routes[1].escalation)


STEPS = "steps: [{after: 1}]"


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("quiet_hours: '22:00-07:00'", "Line 2: quiet_hours must come with a timezone, got none. Next: "),
        ("digest: '09:00'", "Line 2: digest must come with a timezone, got none. Next: "),
        ("digest: '09:00', timezone: Asia/Beijing", "Line 2: timezone must be an IANA time zone, got 'As"),
        ("timezone: UTC, quiet_hours: '22-07'", "Line 2: quiet_hours must be hours such as 22:00-07:00"),
        ("timezone: UTC, quiet_hours: '07:00-07:00'", "Line 2: quiet_hours must be two different times"),
        ("timezone: UTC, digest: 9am", "Line 2: digest must be a time such as 09:00, got '9am'"),
        (
            "timezone: UTC, digest: '23:00', quiet_hours: '22:00-07:00'",
            "Line 2: digest must be outside of quiet_hours, got '23:00'",
        ),
        ("what: questions, timezone: UTC, digest: '09:00'", "digest must be left out of such a route"),
        (f"what: questions, escalation: {{rota: ou_1, {STEPS}}}", "escalation must be left out of such"),
        (f"escalation: {{{STEPS}}}", "Line 2: an escalation must have a rota, got none. Next: "),
        ("escalation: {rota: ou_1}", "an escalation must have 1 to 20 steps, got 0. Next: "),
        (f"escalation: {{rota: [oc_1], {STEPS}}}", "rota must be a list of people, got 'oc_1'"),
        (f"escalation: {{rota: ['+12'], {STEPS}}}", "Next: "),
        (f"escalation: {{rota: [], {STEPS}}}", "rota must be a list of 1 to 200 people"),
        (f"escalation: {{rota: {{base: bascn1, table: tbl1}}, {STEPS}}}", "must have person, got none"),
        (
            f"escalation: {{rota: {{base: b, table: t, person: W, otherwise: [oc_1]}}, {STEPS}}}",
            "otherwise must be a list of people, got 'oc_1'",
        ),
        (
            f"escalation: {{rota: {{calendar: x@c.cn}}, {STEPS}}}",
            "Line 2: a rota in a calendar must come with a timezone, got none. Next: ",
        ),
        (
            f"timezone: UTC, escalation: {{rota: {{calendar: primary}}, {STEPS}}}",
            "calendar must be a calendar's id such as feishu.cn_…@group.calendar.feishu.cn, got 'primary'",
        ),
        (
            f"timezone: UTC, escalation: {{rota: {{calendar: null}}, {STEPS}}}",
            "a rota in a calendar must have its id, got none. Next: ",
        ),
        (
            f"timezone: UTC, escalation: {{rota: {{calendar: x@c.cn, person: Who}}, {STEPS}}}",
            "person must be one of attendees, title, got 'Who'",
        ),
        (
            f"timezone: UTC, escalation: {{rota: {{calendar: x@c.cn, base: b}}, {STEPS}}}",
            "'base' must be a member of a rota in a calendar",
        ),
        (f"escalation: {{rota: ou_1, weekly_from: 2026-11-30, {STEPS}}}", "must come with a timezone"),
        (f"timezone: UTC, escalation: {{rota: ou_1, weekly_from: monday, {STEPS}}}", "weekly_from must be"),
        ("escalation: {rota: ou_1, steps: [{urgent: app}]}", "after must be a number of minutes above 0"),
        ("escalation: {rota: ou_1, steps: [{after: 0}]}", "got '0'. Next: "),
        ("escalation: {rota: ou_1, steps: [{after: 5}, {after: 5}]}", "more than the 5 minutes of the step"),
        ("escalation: {rota: ou_1, steps: [{after: 5, urgent: fax}]}", "urgent must be one of app, sms"),
        ("escalation: {rota: ou_1, steps: [{after: 5, by: app}]}", "'by' must be a member of a step"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(route: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_routes(f"routes:\n  - {{to: oc_1, {route}}}\n")
    assert expected in str(raised.value)
    assert "Line 2: " in str(raised.value)


def test_a_muted_route_has_no_times_and_digests_need_names_of_their_own() -> None:
    with pytest.raises(ConfigurationError, match="quiet_hours must be left out of such a route"):
        read_routes("routes: [{mute: true, timezone: UTC, quiet_hours: '22:00-07:00'}]")
    twice = "{name: a, to: oc_1, timezone: UTC, digest: '09:00'}"
    with pytest.raises(ConfigurationError, match="Line 1: a route with a digest must have a name of its own"):
        read_routes(f"routes: [{twice}, {twice}]")
