"""An incident with a card and an escalation, on a real database and a local Lark; rotas in calendars."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider import LarkServiceClient
from lark_provider.bridge.escalating import Escalator
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.lark import BridgeClients
from lark_provider.outbox import outgoing
from lark_provider.outbox.apps import OutboxApps as Senders
from lark_provider.outbox.delivering import Deliverer
from lark_provider.protocol.incidents.changes import apply_event
from lark_provider.protocol.incidents.escalation import (
    Escalation,
    EscalationStep,
    Rota,
)
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.shown import IncidentPlace, ShownIncident
from lark_provider.protocol.quiet_hours import QuietHours
from lark_provider.protocol.tokens import App
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import escalation_steps
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.escalations import Escalations
from lark_provider.storage.incidents import Incidents
from lark_provider.storage.outbox import Outbox
from tests.bridge.builders import execute

CHAT = "oc_emulator_data_team"
PEOPLE = ("alice@example.com", "bob@example.com")
STEPS = (EscalationStep(10, "app"), EscalationStep(20, "sms"), EscalationStep(30, "phone"))


class Scene:
    """An incident with a card and an escalation, and the bridge's work on it."""

    def __init__(self, url: URL, lark: Emulator) -> None:
        self.url, self.lark = url, lark
        self.text = url.render_as_string(hide_password=False)
        self.app = App(lark.base_url, lark.app_id, lark.app_secret)
        self.incidents = Incidents(url, self.app)
        self.steps = Escalations(url, self.app, outgoing.render_card_payload)
        self.key = ""

    def fail(
        self,
        steps: tuple[EscalationStep, ...] = STEPS,
        rota: Rota | None = None,
        quiet: QuietHours | None = None,
        not_before: str = "",
    ) -> str:
        event = RunEvent("failure", "d", "r", "t", try_number=1, ti_id="r-t")

        def change(before: ShownIncident) -> ShownIncident | None:
            incident = apply_event(before.incident, event, {})
            if incident is None:
                return None
            return replace(before, incident=replace(incident, not_before=not_before))

        place = IncidentPlace("d", "r", CHAT, "chat_id", "en")
        shown = self.incidents.record(place, event, change, outgoing.render_card_payload).shown
        assert shown is not None
        self.key = shown.key
        assert self.steps.plan(self.key, Escalation(steps, rota or Rota(PEOPLE)), quiet)
        assert not self.steps.plan(self.key, Escalation(steps, Rota(("ou_x",))), None)  # once
        self.deliver()
        return self.key

    def change(self, **changes: Any) -> None:
        self.incidents.change(
            self.key,
            lambda shown: replace(shown, incident=replace(shown.incident, **changes)),
            outgoing.render_card_payload,
        )

    def deliver(self) -> None:
        deliverer = Deliverer(Outbox(self.url), Senders(self.text))

        async def all_() -> None:
            while await deliverer.deliver_due():
                pass

        asyncio.run(all_())

    def pass_minutes(self, minutes: float) -> None:
        """Move all recorded times of the escalation steps into the past by some minutes."""
        for column in ("due_at", "next_at", "started_at"):
            rows = escalation_steps.c
            with hold_transaction(migrate.prepare_engine(self.url)) as connection:
                query = sa.select(rows.number, rows[column]).where(rows[column].is_not(None))
                for number, moment in connection.execute(query).all():
                    earlier = {column: moment - timedelta(minutes=minutes)}
                    of_step = escalation_steps.update().where(rows.number == number)
                    connection.execute(of_step.values(earlier))

    def work(self) -> None:
        """Take the due escalation steps as a bridge does, and deliver the messages that result."""

        async def once() -> None:
            clients = BridgeClients(self.text)
            apps = IncidentApps(self.url, clients, self.app.app_id)
            await Escalator(self.url, apps, clients).work()

        asyncio.run(once())
        self.deliver()

    @property
    def urgents(self) -> list[tuple[str, list[str]]]:
        return [(urgent["kind"], urgent["users"]) for urgent in self.lark.state()["urgents"]]

    @property
    def states(self) -> list[str]:
        return [row.state for row in execute(self.url, "SELECT state FROM escalation_steps ORDER BY number")]

    @property
    def card(self) -> str:
        chats = {chat["chat_id"]: chat for chat in self.lark.state()["chats"]}
        (message,) = chats[CHAT]["messages"]
        return str(message["content"])


def add_calendar(lark: Emulator, *events: tuple[str, str], hours: int = 1) -> str:
    """Add a calendar with ongoing events, each a title and an invited person; return the calendar's id."""
    now = int(datetime.now(UTC).timestamp())
    with LarkServiceClient() as client:
        response = client.call("POST", "/calendar/v4/calendars", json={"summary": "On call"})
        calendar = str(response.data["calendar"]["calendar_id"])
        where = f"/calendar/v4/calendars/{calendar}/events"
        for number, (title, person) in enumerate(events):
            times = {"start_time": now - 3600 * (number + 1), "end_time": now + 3600 * hours}
            body = {name: {"timestamp": str(at)} for name, at in times.items()} | {"summary": title}
            event = client.call("POST", where, json=body).data["event"]["event_id"]
            guest = {"attendees": [{"type": "user", "user_id": person}]}
            params = {"user_id_type": "user_id"}
            client.call("POST", f"{where}/{event}/attendees", params=params, json=guest)
    return calendar
