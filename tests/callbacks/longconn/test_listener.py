"""Clicks over a long connection, through everything that can go wrong.

One process listens for most of it; what has become of it shows in the next test.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lark_provider.callbacks.http.endpoint import FAILED, RECEIVED
from tests.callbacks.longconn import answering
from tests.callbacks.longconn.frames import CONTROL, DATA, Frame
from tests.callbacks.longconn.garbage import GARBAGE, GOOD
from tests.callbacks.longconn.larkside import SECONDS, TICKET, LarkSide, Reply, lark_side
from tests.callbacks.longconn.listening import SECRET, Listening, click, event_id, until
from tests.protocol.callbacks import sender


class Stage:
    """Lark's side, who listens, and the connection between them."""

    def __init__(self, lark: LarkSide, listening: Listening) -> None:
        self.lark, self.listening = lark, listening
        self.link = listening.link()
        self.accepted: list[str] = []

    def ask(self, **value: Any) -> Reply:
        """Click, and see that it is accepted."""
        content = click(**value)
        reply = self.link.ask(content)
        assert reply.code == 200
        self.accepted.append(event_id(content))
        return reply

    def again(self) -> None:
        """Wait for the next connection, and see that it works."""
        self.link = self.listening.link()
        assert self.ask().said == json.loads(RECEIVED)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Start one listener for all tests, and check at the end that each accepted click is stored once."""
    with lark_side() as lark:
        listening = Listening(lark, tmp_path_factory.mktemp("listening"))
        try:
            stage = Stage(lark, listening)
            yield stage
            assert listening.stop() == 0
            stored = listening.count_stored()
            assert stored == dict.fromkeys(stage.accepted, 1)
            print(f"accepted {len(stage.accepted)}, stored {stored.total()}, each once")  # noqa: T201 - for the report
            for secret in (SECRET, TICKET, sender.TOKEN):
                assert secret not in listening.log
        finally:
            listening.close()


# --- what comes is kept and answered ---


@pytest.mark.parametrize("kind", ["event", "card"])
def test_a_click_is_stored_and_answered(stage: Stage, kind: str) -> None:
    content = click()
    reply = stage.link.ask(content, kind=kind)
    stage.accepted.append(event_id(content))
    assert (reply.code, reply.said) == (200, json.loads(RECEIVED))
    assert reply.headers["type"] == kind
    assert int(reply.headers["biz_rt"]) >= 0
    payload = stage.listening.payload(event_id(content))
    assert payload["event"]["context"] == content["event"]["context"]
    assert "token" not in payload["header"] | payload["event"]


def test_a_click_that_comes_twice_is_stored_once(stage: Stage) -> None:
    content = click()
    stage.accepted.append(event_id(content))
    assert [stage.link.ask(content).code for _ in range(2)] == [200, 200]


def test_the_handler_shows_a_toast_or_a_card(stage: Stage) -> None:
    card = {"type": "raw", "data": answering.CARD}
    assert stage.ask(do="update").said == {"card": card}
    toast = {"type": "info", "content": "Here it is."}
    assert stage.ask(do="card").said == {"toast": toast, "card": card}


def test_a_handler_that_fails_takes_nothing_away(stage: Stage) -> None:
    assert stage.ask(do="fail").said == json.loads(RECEIVED)


def test_clicks_are_answered_side_by_side(stage: Stage) -> None:
    clicks = [click(do="meet") for _ in range(answering.TOGETHER)]
    names = [stage.link.send(content) for content in clicks]
    stage.accepted += map(event_id, clicks)
    assert {stage.link.answer(name).said["toast"]["content"] for name in names} == {"We met."}


def test_a_handler_that_hangs_delays_nobody_and_is_answered_for(stage: Stage, tmp_path: Path) -> None:
    never = tmp_path / "never"
    content = click(do="hold", until=str(never))
    name = stage.link.send(content)
    until(never.with_suffix(".held").exists, "the handler was not called")
    assert stage.ask().said == json.loads(RECEIVED)
    assert stage.link.is_unanswered(name)
    assert stage.link.answer(name).said == json.loads(RECEIVED)
    stage.accepted.append(event_id(content))


def test_without_rabbitmq_lark_is_left_to_repeat_events(stage: Stage) -> None:
    assert stage.link.ask(sender.make_event()).code == 500


@pytest.mark.parametrize("kind", ["event", "card"])
def test_parts_are_joined_in_whatever_order_they_come(stage: Stage, kind: str) -> None:
    content = click(text="分成几个部分" * 50)
    name = stage.link.send(content, kind=kind, parts=7, order=reversed)
    stage.accepted.append(event_id(content))
    assert stage.link.answer(name).code == 200
    assert stage.listening.payload(event_id(content))["event"]["action"] == content["event"]["action"]


def test_parts_that_are_missing_are_not_made_up(stage: Stage) -> None:
    lost = stage.link.send(click(), parts=3, order=lambda frames: frames[:2])
    assert stage.ask().said == json.loads(RECEIVED)
    assert stage.link.is_unanswered(lost)


DEEP = b'{"schema":"2.0","header":' + b'{"a":' * 300 + b"1" + b"}" * 301


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff\xfe", b"no JSON", b"[1]", b"{}", b"null", DEEP],
    ids=["empty", "no-text", "no-json", "a-list", "no-event", "null", "deep"],
)
def test_what_is_neither_a_click_nor_an_event_is_refused(stage: Stage, payload: bytes) -> None:
    assert stage.link.ask(payload).code == 500


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_does_no_harm(stage: Stage, what: str) -> None:
    stage.link.connection.send(GARBAGE[what])
    assert stage.ask().said == json.loads(RECEIVED)
    assert stage.link.closed.is_set() is False


def test_no_room_is_made_for_more_parts_than_there_can_be(stage: Stage) -> None:
    stage.link.connection.send(Frame(DATA, GOOD | {"sum": "1000000000"}, b"{}").encode())
    assert stage.ask().said == json.loads(RECEIVED)


# --- the connection is lost ---


def test_a_connection_that_breaks_is_opened_again(stage: Stage) -> None:
    stage.link.cut()
    stage.again()
    stage.link.connection.close()
    stage.again()
    stage.link.connection.close(1001, "on purpose")
    stage.again()
    assert "Lark closed it with 1001 on purpose" in stage.listening.log


def test_no_other_process_is_needed(stage: Stage) -> None:
    assert stage.ask().code == 200
    assert stage.listening.children == []


def test_a_click_whose_connection_breaks_is_stored_all_the_same(stage: Stage, tmp_path: Path) -> None:
    release = tmp_path / "release"
    content = click(do="hold", until=str(release))
    stage.link.send(content)
    until(release.with_suffix(".held").exists, "the handler was not called")
    stage.link.cut()
    release.touch()
    stage.again()
    assert stage.listening.count_stored()[event_id(content)] == 1
    stage.accepted.append(event_id(content))


def test_a_lark_that_fails_is_asked_again_until_it_recovers(stage: Stage) -> None:
    over = threading.Event()

    def hang() -> None:
        over.wait(SECONDS)

    stage.lark.endpoint += [{"code": 1, "msg": "busy"}, 502, {"code": 1000040343, "msg": "internal"}, hang]
    stage.lark.handshakes += [
        {"Handshake-Status": "514", "Handshake-Msg": "auth", "Handshake-Autherrcode": "1000040351"},
        {"Handshake-Status": "500", "Handshake-Msg": "no"},
        {},
    ]
    stage.link.cut()
    stage.again()
    over.set()
    assert not stage.lark.endpoint
    assert not stage.lark.handshakes


def refuse_secret(stage: Stage) -> None:
    """Cut the connection, and refuse new ones for a while, as if the app's secret had been replaced."""
    stage.lark.endpoint += [{"code": 1000040345, "msg": "wrong"}, {"code": 403, "msg": "forbidden"}]
    stage.lark.handshakes.append({"Handshake-Status": "403", "Handshake-Msg": "forbidden"})
    stage.link.cut()


def refuse_as_crowded(stage: Stage) -> None:
    stage.lark.endpoint += [{"code": 1000040350, "msg": "too many connections"}]
    stage.lark.handshakes.append({"Handshake-Status": "514", "Handshake-Autherrcode": "1000040350"})
    stage.link.cut()


def without_data(stage: Stage) -> None:
    """Cut the connection, and let discovery answer with nothing usable."""
    stage.lark.endpoint += [
        {"code": 0, "msg": "ok"},
        {"code": 0, "data": None},
        {"code": 0, "data": {"URL": "https://elsewhere", "ClientConfig": {}}},
        {"code": 0, "data": {"URL": 7, "ClientConfig": []}},
        [1, 2],
    ]
    stage.link.cut()


def deaf(stage: Stage) -> None:
    """Send nothing any more, not even answers to pings, while the connection stays open."""
    stage.link.is_mute = True


def freeze(stage: Stage) -> None:
    """Suspend the process and mute the connection, as if it slept longer than a connection may be silent."""
    stage.listening.process.send_signal(signal.SIGSTOP)
    stage.link.is_mute = True
    stage.listening.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("what", [refuse_secret, refuse_as_crowded, without_data, deaf, freeze])
def test_the_same_process_connects_again(stage: Stage, what: Callable[[Stage], None]) -> None:
    what(stage)
    stage.again()
    assert not stage.lark.endpoint
    assert not stage.lark.handshakes


def test_the_pace_of_pings_is_what_the_last_pong_said(stage: Stage) -> None:
    stage.link.pong = {"PingInterval": 0.1}
    for _ in range(20):
        assert stage.link.pings.acquire(timeout=SECONDS)
    stage.link.pong = {"PingInterval": 3600, "ReconnectInterval": "soon", "ReconnectNonce": -1}
    until(lambda: not stage.link.pings.acquire(timeout=1.0), "pings come as often as before")
    assert stage.ask().said == json.loads(RECEIVED)
    stage.link.connection.send(Frame(CONTROL, {"type": "pong"}, b'{"PingInterval":0.3}').encode())
    assert stage.link.pings.acquire(timeout=SECONDS)
    stage.link.pong = None


# --- it ends ---


def test_what_is_in_hand_is_done_before_it_ends(stage: Stage, tmp_path: Path) -> None:
    release = tmp_path / "release"
    held = click(do="hold", until=str(release))
    name = stage.link.send(held)
    until(release.with_suffix(".held").exists, "the handler was not called")
    stage.listening.process.send_signal(signal.SIGTERM)
    last: list[Reply] = []

    def is_rejected() -> bool:
        content = click()
        last.append(stage.link.ask(content))
        if last[-1].said == json.loads(RECEIVED):
            stage.accepted.append(event_id(content))
        return bool(last[-1].said == json.loads(FAILED))

    until(is_rejected, "new clicks are still accepted")
    assert stage.link.is_unanswered(name)
    assert stage.link.ask(sender.make_event()).code == 500
    release.touch()
    assert stage.link.answer(name).said["toast"]["content"] == "Held."
    stage.accepted.append(event_id(held))
    assert stage.listening.process.wait(SECONDS) == 0
    assert stage.link.closed.wait(SECONDS)
