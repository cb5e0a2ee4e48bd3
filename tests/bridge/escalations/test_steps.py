"""Steps of escalations are taken in time and once, and end as soon as a person acts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.bridge import escalating
from lark_provider.bridge.escalating import Escalator
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.lark import BridgeClients
from lark_provider.protocol.incidents.escalation import (
    EscalationStep,
    Rota,
)
from lark_provider.protocol.incidents.model import Claim, Mute
from lark_provider.protocol.quiet_hours import QuietHours
from lark_provider.storage.waiting_escalations import WaitingEscalations
from tests.bridge.builders import execute
from tests.bridge.escalations.scene import CHAT, Scene


def test_each_step_rings_for_the_next_of_the_rota(scene: Scene) -> None:
    scene.fail()
    scene.work()
    assert scene.urgents == []
    expected = []
    for kind, person in (("app", "alice"), ("sms", "bob"), ("phone", "alice")):
        scene.pass_minutes(10)
        scene.work()
        scene.work()
        expected.append((kind, [person]))
        assert scene.urgents == expected
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
    taken, _ = scene.steps.claim(scene.key, timedelta(seconds=90))
    assert taken is not None
    scene.change(claim=Claim("ou_1", "ann", "2026-11-26T10:00:00+00:00"))
    assert scene.steps.begin(taken, "alice") is None
    scene.work()
    assert scene.urgents == []


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
    scene.fail((EscalationStep(1, "sms"),))
    scene.lark.settings(urgent_sms_quota=0)
    scene.pass_minutes(1)
    scene.work()
    assert scene.states == ["failed"]
    assert "quota is used up" in scene.card
    exhausted = WaitingEscalations(scene.url).read_last_failures(timedelta(days=31), "quota")
    assert list(exhausted) == ["sms"]


def test_nobody_on_duty_and_people_who_are_not_in_the_chat_are_shown(scene: Scene) -> None:
    scene.lark.add_user("eve", email="eve@example.com")
    scene.fail((EscalationStep(1, "app"), EscalationStep(2, "app")), Rota(("eve@example.com",)))
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
    steps = (EscalationStep(1, "app"), EscalationStep(2, "phone", always=True))
    scene.fail(steps, quiet=quiet, not_before=quiet.end_after(now).isoformat())
    assert not _messages(scene)
    scene.pass_minutes(2)
    scene.work()
    assert _messages(scene)
    scene.pass_minutes(1)
    scene.work()
    assert [kind for kind, _ in scene.urgents] == ["phone"]
    assert scene.states == ["due", "done"]
    assert scene.steps.claim(scene.key, timedelta(seconds=90))[0] is None


def _messages(scene: Scene) -> list[Any]:
    chats = {chat["chat_id"]: chat for chat in scene.lark.state()["chats"]}
    messages: list[Any] = chats[CHAT]["messages"]
    return messages


def test_incidents_that_cannot_be_read_keep_none_of_the_others_waiting(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stay due, and are the oldest ones: the look found nothing else, and was repeated at once."""
    monkeypatch.setattr(escalating, "_MAX_BATCH", 1)
    monkeypatch.delenv("LARK_REGISTRY_PATH")  # no registry, rather than one that is missing
    scene.fail()
    execute(scene.url, "UPDATE escalation_steps SET app_id = 'cli_gone', incident_key = 'gone'")
    scene.pass_minutes(1)
    scene.fail()
    scene.pass_minutes(10)

    async def work() -> list[bool]:
        clients = BridgeClients(scene.text)
        escalator = Escalator(scene.url, IncidentApps(scene.url, clients, scene.app.app_id), clients)
        return [await escalator.work() for _ in range(3)]

    assert asyncio.run(work()) == [True, True, False]
    scene.deliver()
    assert scene.urgents == [("app", ["alice"])]
