"""Thirty tasks of a run fail at the same moment: nothing is lost, and one card says so."""

from __future__ import annotations

import json
from statistics import median
from typing import Any

from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.storage.outbox import Outbox
from tests.failures.crowd import Crowd, values
from tests.outbox import work

COUNT = 30


def cards(lark: Emulator) -> list[dict[str, Any]]:
    messages = [one for chat in lark.state()["chats"] for one in chat["messages"]]
    return [one["content"] for one in messages]


def test_what_thirty_processes_record_at_once_is_all_in_the_card(app: Emulator, url: URL) -> None:
    with Crowd(COUNT) as crowd:
        values(crowd.all(work.warm))
        for number, pid in enumerate(crowd.pids):
            crowd.begin(work.fail, number, who=pid)
        found = values(crowd.outcomes())
    assert sorted(one["version"] for one in found) == list(range(1, COUNT + 1))
    incident = work.recorder().open(work.place())
    assert incident is not None
    assert incident.incident.count == COUNT
    assert {one.label for one in incident.incident.failures} == {f"mapped_{n}" for n in range(COUNT)}
    assert {one.ti_id for one in incident.incident.failures} == {f"ti-{n}" for n in range(COUNT)}
    assert Outbox(url).depth()[0] == 1  # the last version makes the others obsolete

    assert work.deliver() == 1
    (card,) = cards(app)
    shown = json.dumps(card)
    assert f"{COUNT} failures" in shown
    assert f"({COUNT})" in shown


def test_recording_takes_less_than_a_tenth_of_a_second(app: Emulator, url: URL) -> None:
    work.warm()
    took = [work.fail(number)["seconds"] for number in range(COUNT)]
    assert median(took) < 0.1, took


def test_thirty_processes_deliver_their_own_failures_by_few_requests(app: Emulator, url: URL) -> None:
    with Crowd(COUNT) as crowd:
        values(crowd.all(work.warm))
        for number, pid in enumerate(crowd.pids):
            crowd.begin(work.fail_and_deliver, number, who=pid)
        values(crowd.outcomes())
    (card,) = cards(app)
    assert f"{COUNT} failures" in json.dumps(card)
    assert Outbox(url).depth()[0] == 0
    calls = app.state()["by_endpoint"]
    assert calls["POST /open-apis/im/v1/messages"] == 1
    assert calls.get("PATCH /open-apis/im/v1/messages/:message_id", 0) < COUNT
