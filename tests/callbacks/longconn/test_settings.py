"""What a listener is told, and what it refuses to begin with: each with processes of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from lark_provider.callbacks.broker.topology import CARDS, EVENTS
from lark_provider.callbacks.http.endpoint import RECEIVED
from tests.callbacks import mq
from tests.callbacks.longconn.larkside import SECONDS, LarkSide
from tests.callbacks.longconn.listening import IMPATIENT, SECRET, Listening, click, event_id
from tests.callbacks.longconn.proxying import PASSWORD, proxy
from tests.protocol.callbacks import sender


class Listen(Protocol):
    """Starts a listener."""

    def __call__(self, environment: Mapping[str, str] | None = None, through: str = "") -> Listening:
        """Start a listener without a handler."""


@pytest.fixture
def listen(lark: LarkSide, tmp_path: Path) -> Iterator[Listen]:
    """Yield a function that starts listeners, and end them after the test."""
    started: list[Listening] = []

    def listen(environment: Mapping[str, str] | None = None, through: str = "") -> Listening:
        started.append(Listening(lark, tmp_path, (*IMPATIENT, "", through, ""), environment))
        return started[-1]

    yield listen
    for listener in started:
        listener.close()


def test_it_goes_through_a_proxy(lark: LarkSide, listen: Listen) -> None:
    with proxy() as between:
        listening = listen(through=between.url)
        link = listening.link()
        assert link.ask(click()).said == json.loads(RECEIVED)
        assert between.requests == [
            ("POST", f"{lark.base_url}/callback/ws/endpoint"),
            ("CONNECT", lark.ws_url.removeprefix("ws://")),
        ]
        assert listening.stop() == 0
        assert link.closed.wait(SECONDS)
    assert PASSWORD not in listening.log


def test_the_proxy_of_the_environment_serves_both(lark: LarkSide, listen: Listen) -> None:
    with proxy() as between:
        listening = listen({"HTTP_PROXY": between.url, "NO_PROXY": ""})
        assert listening.link().ask(click()).said == json.loads(RECEIVED)
        assert [method for method, _ in between.requests] == ["POST", "CONNECT"]
        assert listening.stop() == 0
    assert PASSWORD not in listening.log


def test_what_was_accepted_is_stored_though_the_process_is_killed(listen: Listen) -> None:
    listening = listen()
    link = listening.link()
    clicks = [click() for _ in range(400)]
    names = {link.send(content): event_id(content) for content in clicks}
    first = next(iter(names))
    assert link.answer(first).code == 200
    listening.process.kill()
    assert link.closed.wait(SECONDS)
    accepted = {event for name, event in names.items() if name == first or link.wait_until_accepted(name)}
    stored = listening.count_stored()
    assert accepted <= stored.keys()
    assert set(stored.values()) == {1}
    print(f"accepted {len(accepted)} of {len(clicks)}, stored {len(stored)}")  # noqa: T201 - for the report


def test_with_rabbitmq_clicks_and_events_go_there(listen: Listen, rabbitmq: str) -> None:
    listening = listen({"RABBITMQ_URL": rabbitmq, "LARK_DATABASE_URL": ""})
    link = listening.link()
    clicks = [click() for _ in range(50)]
    names = [link.send(content) for content in clicks]
    assert [link.answer(name).said for name in names] == [json.loads(RECEIVED)] * len(clicks)
    assert link.ask(sender.make_event()).code == 200
    assert listening.stop() == 0
    assert sorted(mq.list_ids(mq.drain(rabbitmq, CARDS))) == sorted(map(event_id, clicks))
    events = mq.drain(rabbitmq, EVENTS)
    assert mq.list_ids(events) == [sender.make_event()["header"]["event_id"]]
    assert "token" not in events[0][1]["header"]


def test_who_lark_refuses_from_the_start_is_told_why_and_what_to_do(lark: LarkSide, listen: Listen) -> None:
    lark.endpoint.append({"code": 1000040345, "msg": "app_id or app_secret is wrong"})
    listening = listen()
    assert listening.process.wait(SECONDS) == 1
    assert (
        f"Lark refused the long connection of app {sender.APP} with 1000040345: app_id or app_secret is "
        "wrong. Next: check the app's id and secret; Lark says the same of an app that is not published"
        in listening.log
    )
    assert SECRET not in listening.log
    assert len(lark.requests) == 1
