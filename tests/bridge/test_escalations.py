"""Steps of escalations, taken against a real database and a local Lark; processes are killed in between."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider import LarkServiceClient
from lark_provider.api.calendar import Attendee, CalendarEvent
from lark_provider.bridge.escalating import Escalator
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.lark import Apps
from lark_provider.bridge.rotas import OnDuty, of_events, of_records, on_duty
from lark_provider.client import AsyncLarkServiceClient
from lark_provider.outbox import outgoing
from lark_provider.outbox.apps import Apps as Senders
from lark_provider.outbox.delivering import Deliverer
from lark_provider.protocol.incidents.changes import after
from lark_provider.protocol.incidents.escalation import (
    Escalation,
    Rota,
    RotaCalendar,
    RotaTable,
    Step,
)
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import Claim, Mute
from lark_provider.protocol.incidents.shown import Place, Shown
from lark_provider.protocol.quiet_hours import QuietHours
from lark_provider.protocol.tokens import App
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import escalation_steps
from lark_provider.storage.engine import transaction
from lark_provider.storage.escalations import Escalations, WaitingEscalations
from lark_provider.storage.incidents import Incidents
from lark_provider.storage.outbox import Outbox
from tests.bridge.making import execute
from tests.failures.waiting import wait_until

CHAT = "oc_emulator_data_team"
PEOPLE = ("alice@example.com", "bob@example.com")
STEPS = (Step(10, "app"), Step(20, "sms"), Step(30, "phone"))


class Scene:
    """An incident with a card and an escalation, and the bridge's work on it."""

    def __init__(self, url: URL, lark: Emulator) -> None:
        self.url, self.lark = url, lark
        self.text = url.render_as_string(hide_password=False)
        self.app = App(lark.base_url, lark.app_id, lark.app_secret)
        self.incidents = Incidents(url, self.app)
        self.steps = Escalations(url, self.app, outgoing.card)
        self.key = ""

    def fail(
        self,
        steps: tuple[Step, ...] = STEPS,
        rota: Rota | None = None,
        quiet: QuietHours | None = None,
        not_before: str = "",
    ) -> str:
        event = RunEvent("failure", "d", "r", "t", try_number=1, ti_id="r-t")

        def change(before: Shown) -> Shown | None:
            incident = after(before.incident, event, {})
            if incident is None:
                return None
            return replace(before, incident=replace(incident, not_before=not_before))

        place = Place("d", "r", CHAT, "chat_id", "en")
        shown = self.incidents.record(place, event, change, outgoing.card).shown
        assert shown is not None
        self.key = shown.key
        assert self.steps.plan(self.key, Escalation(steps, rota or Rota(PEOPLE)), quiet)
        assert not self.steps.plan(self.key, Escalation(steps, Rota(("ou_x",))), None)  # once
        self.deliver()
        return self.key

    def change(self, **changes: Any) -> None:
        self.incidents.change(
            self.key, lambda one: replace(one, incident=replace(one.incident, **changes)), outgoing.card
        )

    def deliver(self) -> None:
        deliverer = Deliverer(Outbox(self.url), Senders(self.text))

        async def all_() -> None:
            while await deliverer.once():
                pass

        asyncio.run(all_())

    def pass_minutes(self, minutes: float) -> None:
        """Let time pass for everything that is recorded."""
        for column in ("due_at", "next_at", "started_at"):
            rows = escalation_steps.c
            with transaction(migrate.opened(self.url)) as connection:
                query = sa.select(rows.number, rows[column]).where(rows[column].is_not(None))
                for number, moment in connection.execute(query).all():
                    earlier = {column: moment - timedelta(minutes=minutes)}
                    of_step = escalation_steps.update().where(rows.number == number)
                    connection.execute(of_step.values(earlier))

    def work(self) -> None:
        """What a bridge does, until there is nothing to do."""

        async def once() -> None:
            clients = Apps(self.text)
            apps = IncidentApps(self.url, clients, self.app.app_id)
            await Escalator(self.url, apps, clients).work()

        asyncio.run(once())
        self.deliver()

    @property
    def urgents(self) -> list[tuple[str, list[str]]]:
        return [(one["kind"], one["users"]) for one in self.lark.state()["urgents"]]

    @property
    def states(self) -> list[str]:
        return [row.state for row in execute(self.url, "SELECT state FROM escalation_steps ORDER BY number")]

    @property
    def card(self) -> str:
        chats = {one["chat_id"]: one for one in self.lark.state()["chats"]}
        (message,) = chats[CHAT]["messages"]
        return str(message["content"])


@pytest.fixture
def scene(url: URL, lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> Scene:
    lark.settings(rate_limits=False)
    monkeypatch.setenv("LARK_PACING", "0")
    return Scene(url, lark)


def test_each_step_rings_for_the_next_of_the_rota(scene: Scene) -> None:
    scene.fail()
    scene.work()
    assert scene.urgents == []
    told = []
    for kind, person in (("app", "alice"), ("sms", "bob"), ("phone", "alice")):
        scene.pass_minutes(10)
        scene.work()
        scene.work()
        told.append((kind, [person]))
        assert scene.urgents == told
    assert scene.states == ["done"] * 3
    assert "phone call to alice@example.com" in scene.card
    with_who = execute(scene.url, "SELECT content FROM escalation_steps")
    assert "alice" not in "".join(row.content for row in with_who)


@pytest.mark.parametrize(
    "changes",
    [
        {"claim": Claim("ou_1", "ann", "2026-11-26T10:00:00+00:00")},
        {"over": True},
        {"mutes": (Mute("t", "ann", "2026-11-26T10:00:00+00:00"),)},
    ],
    ids=["claim", "recovery", "mute"],
)
def test_who_acts_ends_it(scene: Scene, changes: dict[str, Any]) -> None:
    scene.fail()
    scene.pass_minutes(10)
    scene.work()
    scene.change(**changes)
    scene.pass_minutes(20)
    scene.work()
    assert len(scene.urgents) == 1
    assert scene.states == ["done", "ended", "ended"]


def test_a_claim_just_before_the_call_still_counts(scene: Scene) -> None:
    scene.fail()
    scene.pass_minutes(10)
    taken, _ = scene.steps.look(scene.key, timedelta(seconds=90))
    assert taken is not None
    scene.change(claim=Claim("ou_1", "ann", "2026-11-26T10:00:00+00:00"))
    assert scene.steps.begin(taken, "alice") is None
    scene.work()
    assert scene.urgents == []


def test_two_bridges_take_a_step_once(scene: Scene) -> None:
    scene.fail()
    scene.pass_minutes(10)
    taken, _ = scene.steps.look(scene.key, timedelta(seconds=90))
    assert taken is not None
    assert scene.steps.begin(taken, "alice") is not None
    assert scene.steps.begin(taken, "alice") is None


BRIDGE = """
import asyncio, sys
from lark_provider.bridge.escalating import Escalator
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.lark import Apps
from lark_provider.storage import urls
from lark_provider.storage import escalations

url = urls.parse(sys.argv[1], "test")
if sys.argv[3] == "before":
    begin = escalations.Escalations.begin
    def hang(*given):
        found = begin(*given)
        print("committed", flush=True)
        import time; time.sleep(600)
    escalations.Escalations.begin = hang

async def work():
    clients = Apps(sys.argv[1])
    await Escalator(url, IncidentApps(url, clients, sys.argv[2]), clients).work()

asyncio.run(work())
"""


@pytest.mark.parametrize("at", ["before", "during"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_bridge_that_is_killed_at_a_step_repeats_none_and_the_next_is_on_time(
    scene: Scene, postgres: URL, at: str, number: int
) -> None:
    if scene.url != postgres:
        pytest.skip("a process that is killed tells the same on one database")
    scene.fail()
    for _ in range(number - 1):
        scene.pass_minutes(10)
        scene.work()
    scene.pass_minutes(10)
    if at == "during":
        scene.lark.fault(path="*/urgent_*", delay_ms=300_000)
    command = [sys.executable, "-c", BRIDGE, scene.text, scene.app.app_id, at]
    with subprocess.Popen(command, env=dict(os.environ)) as process:  # noqa: S603 - ours
        wait_until(lambda: scene.states[number - 1] == "started", seconds=120)
        if at == "during":
            wait_until(lambda: len(scene.urgents) >= number, seconds=120)
        process.send_signal(signal.SIGKILL)
    scene.work()
    assert scene.states[number - 1] == "started"  # Its process could still be alive.
    before = scene.urgents
    scene.pass_minutes(2)
    scene.work()
    assert scene.states[number - 1] == "unknown"
    assert scene.urgents == before
    assert "outcome unknown, and not repeated" in scene.card
    if number < 3:
        assert scene.states[number:] == ["due"] * (3 - number)
        scene.pass_minutes(8)
        scene.work()
        assert scene.states[number] == "done"
    kinds = [kind for kind, _ in scene.urgents]
    assert len(kinds) == len(set(kinds))


def test_a_lost_answer_is_shown_and_not_repeated(scene: Scene) -> None:
    scene.fail()
    scene.lark.fault(path="*/urgent_app", drop="after")
    scene.pass_minutes(10)
    scene.work()
    assert scene.states == ["unknown", "due", "due"]
    assert len(scene.urgents) == 1
    assert "outcome unknown" in scene.card
    scene.pass_minutes(10)
    scene.work()
    assert scene.states == ["unknown", "done", "due"]


def test_what_lark_has_not_performed_is_tried_again_until_the_next_step(scene: Scene) -> None:
    scene.fail()
    scene.lark.fault(path="*/batch_get_id", status=500, body="{}", times=100)
    scene.pass_minutes(10)
    scene.work()
    assert scene.states[0] == "due"
    scene.pass_minutes(1)
    scene.work()
    assert scene.states[0] == "due"
    scene.lark.clear_faults()
    scene.pass_minutes(1)
    scene.work()
    assert scene.states == ["done", "due", "due"]
    assert scene.urgents == [("app", ["alice"])]


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda lark: lark.settings(urgent_unread_limit=0), "too many unread"),
        (lambda lark: lark.change_app(scopes=["im:message", "contact:user.id:readonly"]), "lacks the scope"),
    ],
    ids=["unread", "scope"],
)
def test_a_refusal_is_shown_and_the_next_step_is_on_time(
    scene: Scene, prepare: Callable[[Emulator], object], says: str
) -> None:
    scene.fail()
    prepare(scene.lark)
    scene.pass_minutes(10)
    scene.work()
    assert scene.states == ["failed", "due", "due"]
    assert says in scene.card


def test_an_exhausted_quota_is_recorded_for_the_check(scene: Scene) -> None:
    scene.fail((Step(1, "sms"),))
    scene.lark.settings(urgent_sms_quota=0)
    scene.pass_minutes(1)
    scene.work()
    assert scene.states == ["failed"]
    assert "quota is used up" in scene.card
    found = WaitingEscalations(scene.url).quota_used_up(timedelta(days=31), "quota")
    assert list(found) == ["sms"]


def test_nobody_on_duty_and_people_who_are_not_in_the_chat_are_shown(scene: Scene) -> None:
    scene.lark.add_user("eve", email="eve@example.com")
    scene.fail((Step(1, "app"), Step(2, "app")), Rota(("eve@example.com",)))
    scene.pass_minutes(1)
    scene.work()
    assert scene.states == ["failed", "due"]
    assert "not in this chat" in scene.card


def test_steps_that_are_too_late_are_skipped(scene: Scene) -> None:
    scene.fail()
    scene.pass_minutes(25)
    scene.work()
    assert scene.states == ["skipped", "done", "due"]
    assert [kind for kind, _ in scene.urgents] == ["sms"]


def test_a_step_that_is_always_taken_sends_the_card_that_waits_for_the_morning(scene: Scene) -> None:
    now = datetime.now(UTC)
    begin = (now - timedelta(hours=1)).time().replace(microsecond=0)
    quiet = QuietHours(begin, (now + timedelta(hours=3)).time().replace(microsecond=0), "UTC")
    steps = (Step(1, "app"), Step(2, "phone", always=True))
    scene.fail(steps, quiet=quiet, not_before=quiet.end_after(now).isoformat())
    assert not _messages(scene)
    scene.pass_minutes(2)
    scene.work()
    assert _messages(scene)
    scene.pass_minutes(1)
    scene.work()
    assert [kind for kind, _ in scene.urgents] == ["phone"]
    assert scene.states == ["due", "done"]
    assert scene.steps.look(scene.key, timedelta(seconds=90))[0] is None


def _messages(scene: Scene) -> list[Any]:
    chats = {one["chat_id"]: one for one in scene.lark.state()["chats"]}
    found: list[Any] = chats[CHAT]["messages"]
    return found


def test_who_is_on_duty_is_read_from_a_bitable(sqlite: URL, lark: Emulator) -> None:
    lark.settings(rate_limits=False)
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    with LarkServiceClient() as client:
        base = client.clouddoc.bitable.create_app("Duty").data["app"]["app_token"]
        fields = [
            {"field_name": "Who", "type": 1},
            *({"field_name": name, "type": 5} for name in ("From", "Until")),
        ]
        path = f"/bitable/v1/apps/{base}/tables"
        body = {"table": {"name": "Duty", "default_view_name": "All", "fields": fields}}
        table = client.call("POST", path, json=body).data["table_id"]
        hour = 3_600_000
        at = int(now.timestamp() * 1000)
        rows = [
            {"Who": "late@example.com", "From": at - hour, "Until": at + hour},
            {"Who": "early@example.com", "From": at - 2 * hour, "Until": at + hour},
            {"Who": "over@example.com", "From": at - 3 * hour, "Until": at - hour},
            {"Who": "next@example.com", "From": at + hour, "Until": at + 2 * hour},
        ]
        client.clouddoc.bitable.bulk_insert(base, table, rows)

    async def read() -> list[OnDuty]:
        async with AsyncLarkServiceClient() as client:
            return await on_duty(client, Rota(table=RotaTable(base, table, "Who", "From", "Until")), now)

    assert [one.id for one in asyncio.run(read())] == ["early@example.com", "late@example.com"]


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
    found = of_records(records, table, datetime(2026, 11, 26, tzinfo=UTC))
    assert [one.id for one in found] == ["ou_1", "+8613800000001", "ou_2"]


def calendar_of(lark: Emulator, *events: tuple[str, str], hours: int = 1) -> str:
    """A calendar of the app's with events that are going on: a title, and a person who is invited."""
    now = int(datetime.now(UTC).timestamp())
    with LarkServiceClient() as client:
        made = client.call("POST", "/calendar/v4/calendars", json={"summary": "On call"})
        calendar = str(made.data["calendar"]["calendar_id"])
        where = f"/calendar/v4/calendars/{calendar}/events"
        for number, (title, person) in enumerate(events):
            times = {"start_time": now - 3600 * (number + 1), "end_time": now + 3600 * hours}
            body = {name: {"timestamp": str(at)} for name, at in times.items()} | {"summary": title}
            event = client.call("POST", where, json=body).data["event"]["event_id"]
            guest = {"attendees": [{"type": "user", "user_id": person}]}
            params = {"user_id_type": "user_id"}
            client.call("POST", f"{where}/{event}/attendees", params=params, json=guest)
    return calendar


def test_who_is_invited_to_the_events_of_a_calendar_is_on_duty(scene: Scene) -> None:
    calendar = RotaCalendar(calendar_of(scene.lark, ("second", "alice"), ("first", "bob")))
    scene.fail((Step(10, "app"), Step(20, "sms")), Rota(calendar=calendar))
    for _ in range(2):
        scene.pass_minutes(10)
        scene.work()
    assert scene.urgents == [("app", ["bob"]), ("sms", ["alice"])]
    assert "urgent message in the app to 韩梅梅" in scene.card


def test_titles_name_who_is_on_duty_also_where_guests_are_hidden(scene: Scene) -> None:
    calendar = calendar_of(scene.lark, ("On call: alice@example.com", "bob"))
    scene.fail((Step(10, "app"),), Rota(calendar=RotaCalendar(calendar, "title")))
    scene.lark.fault(path="*/attendees", status=403, body='{"code": 193002, "msg": "no permission"}')
    scene.pass_minutes(10)
    scene.work()
    assert scene.urgents == [("app", ["alice"])]


@pytest.mark.parametrize("otherwise", [(), ("bob@example.com",)])
def test_a_calendar_without_anybody_on_duty(scene: Scene, otherwise: tuple[str, ...]) -> None:
    rota = Rota(otherwise, calendar=RotaCalendar(calendar_of(scene.lark), "title"))
    scene.fail((Step(10, "app"), Step(20, "sms")), rota)
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
    scene.fail((Step(10, "app"), Step(20, "sms")), rota)
    scene.pass_minutes(10)
    scene.work()
    assert scene.states == ["done" if otherwise else "failed", "due"]
    assert scene.urgents == ([("app", ["bob"])] if otherwise else [])
    assert ("Rota cannot be read; its other people are called" in caplog.text) is bool(otherwise)
    if not otherwise:
        assert "calendar not found" in scene.card


def test_a_calendar_that_does_not_answer_is_read_again(scene: Scene) -> None:
    calendar = RotaCalendar(calendar_of(scene.lark, ("on call", "alice")))
    scene.fail((Step(10, "app"),), Rota(("bob@example.com",), calendar=calendar))
    scene.lark.fault(path="*/instance_view", status=502, body="", times=100)
    scene.pass_minutes(10)
    scene.work()
    assert (scene.states, scene.urgents) == (["due"], [])
    scene.lark.clear_faults()
    scene.pass_minutes(1)
    scene.work()
    assert scene.urgents == [("app", ["alice"])]


def test_people_of_events() -> None:
    def event(title: str, *guests: Attendee) -> CalendarEvent:
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
    events = [event("", *guests), event("", guests[3])]
    assert of_events(events, RotaCalendar("c")) == [OnDuty("ou_1", "Ann"), OnDuty("ou_2", "Bob")]
    titles = [
        event("值班：ann@example.com（主），ou_2 (backup)"),
        event("On call <+8613800000001>; ann@example.com."),
        event("Holiday on 2026-11-26 + 1"),
    ]
    assert [one.id for one in of_events(titles, RotaCalendar("c", "title"))] == [
        "ann@example.com", "ou_2", "+8613800000001",
    ]  # fmt: skip
