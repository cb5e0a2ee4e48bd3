"""Who is on duty, as a table or a calendar says it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider import LarkServiceClient
from lark_provider.api.calendar import Attendee, CalendarEvent
from lark_provider.bridge.rotas import OnDuty, list_on_duty, select_from_events, select_from_records
from lark_provider.client import AsyncLarkServiceClient
from lark_provider.protocol.incidents.escalation import (
    EscalationStep,
    Rota,
    RotaCalendar,
    RotaTable,
)
from tests.bridge.escalations.scene import Scene, add_calendar

HOUR_MS = 3_600_000


def add_rota_table(
    client: LarkServiceClient, now: datetime, duties: Sequence[tuple[str, int, int]]
) -> RotaTable:
    """Add a Bitable with duties: of whom, and from and until how many hours after `now`."""
    base = client.clouddoc.bitable.create_app("Duty").data["app"]["app_token"]
    fields = [
        {"field_name": "Who", "type": 1},
        *({"field_name": name, "type": 5} for name in ("From", "Until")),
    ]
    path = f"/bitable/v1/apps/{base}/tables"
    body = {"table": {"name": "Duty", "default_view_name": "All", "fields": fields}}
    table = client.call("POST", path, json=body).data["table_id"]
    at = int(now.timestamp() * 1000)
    rows = [
        {"Who": who, "From": at + begin * HOUR_MS, "Until": at + end * HOUR_MS} for who, begin, end in duties
    ]
    client.clouddoc.bitable.bulk_insert(base, table, rows)
    return RotaTable(base, table, "Who", "From", "Until")


def read_on_duty(table: RotaTable, now: datetime) -> list[OnDuty]:
    async def read() -> list[OnDuty]:
        async with AsyncLarkServiceClient() as client:
            return await list_on_duty(client, Rota(table=table), now)

    return asyncio.run(read())


def test_who_is_on_duty_is_read_from_a_bitable(sqlite: URL, lark: Emulator) -> None:
    lark.settings(rate_limits=False)
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    with LarkServiceClient() as client:
        table = add_rota_table(
            client,
            now,
            [
                ("late@example.com", -1, 1),
                ("early@example.com", -2, 1),
                ("over@example.com", -3, -1),
                ("next@example.com", 1, 2),
            ],
        )
    assert [duty.id for duty in read_on_duty(table, now)] == ["early@example.com", "late@example.com"]


def test_the_duty_of_today_is_read_after_more_past_duties_than_a_page_has(
    sqlite: URL, lark: Emulator
) -> None:
    lark.settings(rate_limits=False)
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    with LarkServiceClient() as client:
        duties = [("over@example.com", -3, -1)] * 1_001 + [("today@example.com", -1, 1)]
        table = add_rota_table(client, now, duties)
    assert [duty.id for duty in read_on_duty(table, now)] == ["today@example.com"]


def test_people_of_a_cell() -> None:
    table = RotaTable("b", "t", "Who")
    person = {"id": "ou_1", "name": "Ann", "email": "ann@example.com"}
    records: list[dict[str, Any]] = [
        {"Who": [person]},
        {"Who": [{"text": "+8613800000001 ou_2", "type": "text"}]},
        {"Who": None},
        {},
        {"Who": [person]},
    ]
    duties = select_from_records(records, table, datetime(2026, 11, 26, tzinfo=UTC))
    assert [duty.id for duty in duties] == ["ou_1", "+8613800000001", "ou_2"]


def test_who_is_invited_to_the_events_of_a_calendar_is_on_duty(scene: Scene) -> None:
    calendar = RotaCalendar(add_calendar(scene.lark, ("second", "alice"), ("first", "bob")))
    scene.fail((EscalationStep(10, "app"), EscalationStep(20, "sms")), Rota(calendar=calendar))
    for _ in range(2):
        scene.pass_minutes(10)
        scene.work()
    assert scene.urgents == [("app", ["bob"]), ("sms", ["alice"])]
    assert "urgent message in the app to 韩梅梅" in scene.card


def test_titles_name_who_is_on_duty_also_where_guests_are_hidden(scene: Scene) -> None:
    calendar = add_calendar(scene.lark, ("On call: alice@example.com", "bob"))
    scene.fail((EscalationStep(10, "app"),), Rota(calendar=RotaCalendar(calendar, "title")))
    scene.lark.fault(path="*/attendees", status=403, body='{"code": 193002, "msg": "no permission"}')
    scene.pass_minutes(10)
    scene.work()
    assert scene.urgents == [("app", ["alice"])]


@pytest.mark.parametrize("otherwise", [(), ("bob@example.com",)])
def test_a_calendar_without_anybody_on_duty(scene: Scene, otherwise: tuple[str, ...]) -> None:
    rota = Rota(otherwise, calendar=RotaCalendar(add_calendar(scene.lark), "title"))
    scene.fail((EscalationStep(10, "app"), EscalationStep(20, "sms")), rota)
    scene.pass_minutes(10)
    scene.work()
    if otherwise:
        assert scene.states == ["done", "due"]
        assert scene.urgents == [("app", ["bob"])]
    else:
        assert scene.states == ["failed", "due"]
        assert "nobody is on duty" in scene.card


@pytest.mark.parametrize("otherwise", [(), ("bob@example.com",)])
def test_a_calendar_that_is_refused(
    scene: Scene, otherwise: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    rota = Rota(otherwise, calendar=RotaCalendar("feishu.cn_gone@group.calendar.feishu.cn"))
    scene.fail((EscalationStep(10, "app"), EscalationStep(20, "sms")), rota)
    scene.pass_minutes(10)
    scene.work()
    assert scene.states == ["done" if otherwise else "failed", "due"]
    assert scene.urgents == ([("app", ["bob"])] if otherwise else [])
    assert ("On-call schedule unavailable; using the rota's fallback people" in caplog.text) is bool(
        otherwise
    )
    if not otherwise:
        assert "calendar not found" in scene.card


def test_a_calendar_that_does_not_answer_is_read_again(scene: Scene) -> None:
    calendar = RotaCalendar(add_calendar(scene.lark, ("on call", "alice")))
    scene.fail((EscalationStep(10, "app"),), Rota(("bob@example.com",), calendar=calendar))
    scene.lark.fault(path="*/instance_view", status=502, body="", times=100)
    scene.pass_minutes(10)
    scene.work()
    assert (scene.states, scene.urgents) == (["due"], [])
    scene.lark.clear_faults()
    scene.pass_minutes(1)
    scene.work()
    assert scene.urgents == [("app", ["alice"])]


def test_people_of_events() -> None:
    def make_event(title: str, *guests: Attendee) -> CalendarEvent:
        at = datetime(2026, 11, 26, tzinfo=UTC)
        return CalendarEvent("e", title, at, at, guests)

    guests = [
        Attendee("chat", "oc_1", "Team", "accept"),
        Attendee("user", "ou_no", "Eve", "decline"),
        Attendee("user", "ou_gone", "Gil", "removed"),
        Attendee("user", "ou_1", "Ann", "accept"),
        Attendee("resource", "omm_1", "Hall", "accept"),
        Attendee("third_party", "x@example.org", "X", "accept"),
        Attendee("user", "ou_2", "Bob", "needs_action"),
    ]
    events = [make_event("", *guests), make_event("", guests[3])]
    assert select_from_events(events, RotaCalendar("c")) == [OnDuty("ou_1", "Ann"), OnDuty("ou_2", "Bob")]
    titles = [
        make_event("值班：ann@example.com（主），ou_2 (backup)"),
        make_event("On call <+8613800000001>; ann@example.com."),
        make_event("Holiday on 2026-11-26 + 1"),
    ]
    assert [duty.id for duty in select_from_events(titles, RotaCalendar("c", "title"))] == [
        "ann@example.com", "ou_2", "+8613800000001",
    ]  # fmt: skip
