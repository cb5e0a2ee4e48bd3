"""What a listener is told, and what it refuses to begin with: each with processes of its own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from lark_provider.callbacks.endpoint import RECEIVED
from lark_provider.callbacks.topology import CARDS, EVENTS
from lark_provider.core.storage.applications import ApplicationManager
from lark_provider.core.storage.crypto import KEY_VARIABLE, generate_key
from tests.callbacks import mq
from tests.callbacks.longconn.larkside import SECONDS, LarkSide
from tests.callbacks.longconn.listening import IMPATIENT, SECRET, Listening, click, event_id, until
from tests.callbacks.longconn.proxying import PASSWORD, proxy
from tests.protocol.callbacks import sender
from tests.services.processes import tree


class Listen(Protocol):
    """Starts a listener."""

    def __call__(self, environment: Mapping[str, str] | None = None, through: str = "") -> Listening:
        """Without a handler."""


@pytest.fixture
def listen(lark: LarkSide, tmp_path: Path) -> Iterator[Listen]:
    """Listeners that are gone after the test."""
    started: list[Listening] = []

    def listen(environment: Mapping[str, str] | None = None, through: str = "") -> Listening:
        started.append(Listening(lark, tmp_path, (*IMPATIENT, "", through), environment))
        return started[-1]

    yield listen
    for one in started:
        one.close()


def test_it_goes_through_a_proxy_and_ends_with_its_watchdog(lark: LarkSide, listen: Listen) -> None:
    with proxy() as between:
        listening = listen(through=between.url)
        link = listening.link()
        assert link.ask(click()).said == json.loads(RECEIVED)
        assert between.requests == [
            ("POST", f"{lark.base_url}/callback/ws/endpoint"),
            ("CONNECT", lark.ws_url.removeprefix("ws://")),
        ]
        watched = listening.watched
        shown = [Path(f"/proc/{pid}/cmdline").read_text() for pid in tree(listening.process.pid)[1:]]
        assert shown
        assert not any(PASSWORD in line for line in shown)
        os.kill(listening.process.pid, signal.SIGKILL)
        assert listening.gone(watched) == -signal.SIGKILL
        assert link.closed.wait(SECONDS)
    assert PASSWORD not in listening.log


def test_an_app_that_is_disabled_is_not_listened_for(
    listen: Listen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(tmp_path / "applications.db"))
    apps = ApplicationManager()
    apps.create_application(sender.APP, SECRET, "An app", "")
    registry = {name: os.environ[name] for name in (KEY_VARIABLE, "LARK_REGISTRY_PATH")}
    listening = listen({"LARK_APP_ID": "", "LARK_APP_SECRET": "", **registry})
    link = listening.link()
    assert link.ask(click()).code == 200
    apps.disable_application(sender.APP)
    assert link.closed.wait(SECONDS)
    until(lambda: listening.log.count("is disabled in the registry") > 1, "it was not tried again")
    assert listening.stop() == 0


def test_with_rabbitmq_clicks_and_events_go_there(listen: Listen, rabbitmq: str) -> None:
    listening = listen({"RABBITMQ_URL": rabbitmq, "LARK_DATABASE_URL": ""})
    link = listening.link()
    made = [click() for _ in range(50)]
    names = [link.send(one) for one in made]
    assert [link.answer(name).said for name in names] == [json.loads(RECEIVED)] * len(made)
    assert link.ask(sender.event()).code == 200
    assert listening.stop() == 0
    assert sorted(mq.ids(mq.drain(rabbitmq, CARDS))) == sorted(map(event_id, made))
    events = mq.drain(rabbitmq, EVENTS)
    assert mq.ids(events) == [sender.event()["header"]["event_id"]]
    assert "token" not in events[0][1]["header"]


def test_who_lark_refuses_from_the_start_is_told_why_and_what_to_do(lark: LarkSide, listen: Listen) -> None:
    lark.endpoint.append({"code": 1000040345, "msg": "app_id or app_secret is wrong"})
    listening = listen()
    assert listening.process.wait(SECONDS) == 1
    assert (
        f"Lark refuses the long connection of app {sender.APP}: 1000040345: app_id or app_secret is wrong. "
        "Next: check the app's id and secret." in listening.log
    )
    assert SECRET not in listening.log
    assert "not closed in time" not in listening.log  # there was nothing to close
    assert len(lark.asked) == 1
