"""The long connection once it is open: pings, events and clicks over it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from lark_emulator.websocket.frames import decode
from tests.emulator.app_server import PATIENT, AppServer
from tests.emulator.wire_client import SECONDS, Wire

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

HOUR = 3600
CARD = {
    "schema": "2.0",
    "body": {
        "elements": [
            {
                "tag": "button",
                "text": {"tag": "plain_text", "content": "Yes"},
                "behaviors": [{"type": "callback", "value": {"run": 7}}],
            }
        ]
    },
}
DONE = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "done"}]}}
SHORT = 0.05
"""Seconds to acknowledge, in tests that do not."""


@pytest.fixture(autouse=True)
def patient(lark: Emulator) -> None:
    lark.settings(**PATIENT)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as executor:
        yield executor


class Caller:
    """Lets things happen in Lark while the test is the app."""

    def __init__(self, lark: Emulator, api: Api, pool: ThreadPoolExecutor) -> None:
        self._lark, self._api, self._pool = lark, api, pool

    def push(self, event: Any = None, **more: Any) -> Future[dict[str, Any]]:
        return self._pool.submit(self._lark.push_event, "x", event or {"a": "é"}, **more)

    def click(self) -> Future[dict[str, Any]]:
        body = {"receive_id": "alice", "msg_type": "interactive", "content": json.dumps(CARD)}
        sent = self._api.data("POST", "/im/v1/messages", body, receive_id_type="user_id")
        return self._pool.submit(self._lark.click, sent["message_id"], "alice")


@pytest.fixture
def calls(lark: Emulator, api: Api, pool: ThreadPoolExecutor) -> Caller:
    return Caller(lark, api, pool)


# pings ------------------------------------------------------------------------------------------------------


def test_a_ping_is_answered_with_the_configuration(lark: Emulator) -> None:
    with Wire(lark) as wire:
        lark.settings(ping_interval=7)
        pong = wire.ping()
        assert (pong.method, pong.headers) == (0, (("type", "pong"),))
        assert json.loads(pong.payload or b"")["PingInterval"] == 7
        lark.settings(pong_payload="empty")
        assert wire.ping().payload is None
        assert lark.connections()[0]["pings"] == 2


# events -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_url", [False, True])
def test_an_event_goes_over_the_long_connection(lark: Emulator, calls: Caller, has_url: bool) -> None:
    with AppServer() as server, Wire(lark) as wire:
        if has_url:
            lark.set_callback(server.url, encrypt_key="ekey", verification_token="vt", verify=False)
            server.received.clear()
        pushed = calls.push()
        frame = wire.take()
        wire.ack(frame)
        event = pushed.result(SECONDS)
        assert server.received == []
    content = json.loads(frame.payload or b"")
    assert (content["event"], content["header"]["event_id"]) == ({"a": "é"}, event["event_id"])
    assert content["header"]["token"] == ""
    assert [frame.get_header(key) for key in ("type", "sum", "seq")] == ["event", "1", "0"]
    assert (frame.method, str(frame.service)) == (1, wire.ids["service_id"])
    (attempt,) = event["attempts"]
    assert {**attempt, "at": 0} == {
        "at": 0,
        "status": 200,
        "error": None,
        "way": "connection",
        "connection_id": wire.connection_id,
        "problems": [],
    }
    assert event["state"] == "delivered"


def test_an_event_of_version_1(lark: Emulator, calls: Caller) -> None:
    with Wire(lark) as wire:
        pushed = calls.push(version="1.0")
        frame = wire.take()
        wire.ack(frame)
        content = json.loads(frame.payload or b"")
        assert (content["uuid"], content["token"]) == (pushed.result(SECONDS)["event_id"], "")


def test_duplicates_on_demand(lark: Emulator, calls: Caller) -> None:
    with Wire(lark) as wire:
        pushed = calls.push(copies=2)
        payloads = []
        for _ in range(2):
            frame = wire.take()
            payloads.append(frame.payload)
            wire.ack(frame)
        assert pushed.result(SECONDS)["state"] == "delivered"
    assert payloads[0] == payloads[1]


@pytest.mark.parametrize("mode", ["http", "auto", "long_connection"])
def test_the_mode_says_how_events_come(lark: Emulator, calls: Caller, mode: str) -> None:
    lark.change_app(event_mode=mode)
    with AppServer() as server:
        lark.set_callback("", event_url=server.url)
        server.received.clear()
        with Wire(lark) as wire:
            pushed = calls.push()
            if mode != "http":
                wire.ack(wire.take())
            assert pushed.result(SECONDS)["attempts"][0]["way"] == (
                "http" if mode == "http" else "connection"
            )
        lark.drop_connections()
        event = calls.push().result(SECONDS)
        assert event["state"] == ("pending" if mode == "long_connection" else "delivered")
        assert len(server.received) == {"http": 2, "auto": 1, "long_connection": 0}[mode]


def test_an_app_with_neither_address_nor_connection(lark: Emulator) -> None:
    with pytest.raises(ValueError, match="no address for events and no long connection"):
        lark.push_event("x", {})
    lark.change_app(event_mode="long_connection")
    event = lark.push_event("x", {})
    assert (event["state"], "no open long connection" in event["attempts"][0]["error"]) == ("pending", True)


def test_an_unacknowledged_event_comes_again_after_5_min_1_h_and_6_h(lark: Emulator) -> None:
    lark.settings(callback_timeout=SHORT)
    with Wire(lark) as wire:
        event = lark.push_event("x", {})
        counts = []
        for seconds in (299, 1, HOUR - 1, 1, 6 * HOUR - 1, 1, 24 * HOUR):
            lark.advance(seconds)
            counts.append(lark.connections()[0]["messages"])
        assert counts == [1, 2, 2, 3, 3, 4, 4]
        ids = {json.loads(wire.take().payload or b"")["header"]["event_id"] for _ in range(4)}
    assert ids == {event["event_id"]}
    (shown,) = lark.state()["events"]
    assert shown["state"] == "failed"
    assert ["no acknowledgement within" in attempt["error"] for attempt in shown["attempts"]] == [True] * 4


def test_an_event_that_is_acknowledged_with_an_error_comes_again_at_once(
    lark: Emulator, calls: Caller, pool: ThreadPoolExecutor
) -> None:
    with Wire(lark) as wire:
        pushed = calls.push()
        wire.ack(wire.take(), 500)
        assert pushed.result(SECONDS)["state"] == "pending"
        passing = pool.submit(lark.advance, 10)
        for code in (500, 500, 500):
            wire.ack(wire.take(), code)
        passing.result(SECONDS)
    (shown,) = lark.state()["events"]
    assert (shown["state"], [attempt["status"] for attempt in shown["attempts"]]) == ("failed", [500] * 4)


def test_a_late_acknowledgement_is_none(lark: Emulator, calls: Caller, pool: ThreadPoolExecutor) -> None:
    lark.settings(callback_timeout=SHORT)
    with Wire(lark) as wire:
        lark.push_event("x", {})
        wire.ack(wire.take())
        wire.ping()  # so that it was seen
        lark.settings(callback_timeout=SECONDS)
        assert lark.state()["events"][0]["state"] == "pending"
        assert lark.state()["long_connections"]["late_acks"] == 1
        passing = pool.submit(lark.advance, 300)
        wire.ack(wire.take())
        passing.result(SECONDS)
    assert lark.state()["events"][0]["state"] == "delivered"


@pytest.mark.parametrize("gap_events", ["scheduled", "on_connect"])
def test_an_event_whose_connection_is_lost(
    lark: Emulator, calls: Caller, pool: ThreadPoolExecutor, gap_events: str
) -> None:
    lark.settings(gap_events=gap_events)
    with Wire(lark) as wire:
        pushed = calls.push()
        wire.take()
        assert lark.drop_connections() == 1
        event = pushed.result(SECONDS)
        assert (event["state"], "was closed" in event["attempts"][0]["error"]) == ("pending", True)
    with Wire(lark) as again:
        assert again.ping().get_header("type") == "pong"
        passing = pool.submit(lark.advance, 300 if gap_events == "scheduled" else 0)
        again.ack(again.take())
        passing.result(SECONDS)
        lark.advance(24 * HOUR)
        assert lark.connections()[0]["messages"] == 1  # and not once more when its time has come
    (shown,) = lark.state()["events"]
    assert (shown["state"], len(shown["attempts"])) == ("delivered", 2)


def test_each_event_goes_to_one_of_the_connections(lark: Emulator, calls: Caller) -> None:
    """64 events never go to one of two connections alone, but once in 2**63 runs."""
    with Wire(lark) as first, Wire(lark) as other:
        wires = {wire.connection_id: wire for wire in (first, other)}
        for _ in range(64):
            pushed = calls.push()
            while not pushed.done():
                for wire in wires.values():
                    try:
                        frame = wire.socket.recv(timeout=0.001)
                    except TimeoutError:
                        continue
                    assert isinstance(frame, bytes)
                    wire.ack(decode(frame))
            assert pushed.result()["attempts"][0]["connection_id"] in wires
        counts = [connection["messages"] for connection in lark.connections()]
    assert (len(counts), sum(counts), min(counts) > 0) == (2, 64, True)


def test_apps_do_not_get_each_others_events(lark: Emulator, calls: Caller) -> None:
    lark.add_app("cli_other", "s")
    with Wire(lark) as mine, Wire(lark, app_id="cli_other", secret="s") as other:
        pushed = calls.push(app_id="cli_other")
        other.ack(other.take())
        assert pushed.result(SECONDS)["state"] == "delivered"
        assert mine.ping().get_header("type") == "pong"  # and nothing before it


def test_a_large_event_comes_in_fragments(lark: Emulator, calls: Caller) -> None:
    lark.settings(fragment_bytes=1000)
    event = {"text": "数据" * 1000}
    with Wire(lark) as wire:
        pushed = calls.push(event)
        first = wire.take()
        rest = [wire.take() for _ in range(int(first.get_header("sum") or 0) - 1)]
        assert len(rest) >= 6
        wire.ack(rest[-1])  # the one that completes it
        assert pushed.result(SECONDS)["attempts"][0]["problems"] == []
        joined = b"".join(frame.payload or b"" for frame in (first, *rest))
        assert json.loads(joined)["event"] == event


# clicks -----------------------------------------------------------------------------------------------------


def test_a_click_is_answered_with_a_toast_and_a_card(lark: Emulator, calls: Caller) -> None:
    with Wire(lark) as wire:
        clicked = calls.click()
        frame = wire.take()
        toast = {"type": "success", "content": "谢谢"}
        wire.ack(frame, said={"toast": toast, "card": {"type": "raw", "data": DONE}})
        result = clicked.result(SECONDS)
    content = json.loads(frame.payload or b"")
    assert (content["header"]["event_type"], content["header"]["token"]) == ("card.action.trigger", "")
    assert content["event"]["action"]["value"] == {"run": 7}
    assert frame.get_header("type") == "event"
    assert (result["status"], result["code"], result["toast"], result["card_updated"]) == (
        200,
        0,
        toast,
        True,
    )
    assert (result["connection_id"], result["problems"]) == (wire.connection_id, [])


def test_a_click_that_is_acknowledged_without_an_answer(lark: Emulator, calls: Caller) -> None:
    with Wire(lark) as wire:
        clicked = calls.click()
        wire.ack(wire.take())
        result = clicked.result(SECONDS)
    assert (result["code"], result["toast"], result["card_updated"]) == (0, None, False)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b'{"code":500}', 200671),
        (b'{"code":200,"data":"!"}', 200672),
        (b'{"code":200,"data":{"toast":1}}', 200672),
        (b'{"code":200,"data":"e30x"}', 200672),
        (b'{"code":200,"data":"eyJjYXJkIjp7fX0="}', 200673),
    ],
)
def test_answers_that_the_client_cannot_show(
    lark: Emulator, calls: Caller, payload: bytes, code: int
) -> None:
    with Wire(lark) as wire:
        clicked = calls.click()
        wire.ack(wire.take(), payload=payload)
        assert clicked.result(SECONDS)["code"] == code


def test_a_click_that_is_not_acknowledged_is_lost(lark: Emulator, calls: Caller) -> None:
    lark.settings(callback_timeout=SHORT)
    with Wire(lark) as wire:
        assert calls.click().result(SECONDS)["code"] == 200340
        lark.advance(24 * HOUR)
        assert lark.connections()[0]["messages"] == 1
        assert wire.take().get_header("type") == "event"


def test_a_click_whose_connection_is_lost(lark: Emulator, calls: Caller) -> None:
    with Wire(lark) as wire:
        clicked = calls.click()
        wire.take()
        lark.drop_connections()
        assert clicked.result(SECONDS)["code"] == 200340


@pytest.mark.parametrize("mode", ["http", "auto", "long_connection"])
def test_the_mode_says_how_clicks_come(lark: Emulator, calls: Caller, mode: str) -> None:
    lark.change_app(callback_mode=mode)
    with AppServer() as server, Wire(lark) as wire:
        lark.set_callback(server.url)
        server.received.clear()
        clicked = calls.click()
        if mode != "http":
            wire.ack(wire.take())
        assert clicked.result(SECONDS)["code"] == 0
        lark.drop_connections()
        assert calls.click().result(SECONDS)["code"] == (200340 if mode == "long_connection" else 0)
        assert len(server.received) == {"http": 2, "auto": 1, "long_connection": 0}[mode]


@pytest.mark.parametrize(("setting", "code"), [("ignored", 200340), ("taken", 0)])
def test_a_click_for_an_app_whose_callbacks_are_not_set_to_the_long_connection(
    lark: Emulator, calls: Caller, setting: str, code: int
) -> None:
    lark.change_app(callback_mode="http")
    lark.settings(card_frame_ack=setting, **({"callback_timeout": 1.0} if code else {}))
    with Wire(lark) as wire:
        clicked = calls.click()
        frame = wire.take()
        assert frame.get_header("type") == "card"
        wire.ack(frame, said={"toast": {"content": "x"}})
        assert clicked.result(SECONDS)["code"] == code


def test_old_card_callbacks_go_by_http_only(lark: Emulator, calls: Caller) -> None:
    with AppServer() as server, Wire(lark) as wire:
        lark.set_callback(server.url, old_cards=True)
        server.received.clear()
        assert calls.click().result(SECONDS)["code"] == 0
        assert "open_message_id" in server.received[0].json
        lark.change_app(callback_mode="long_connection")
        clicked = calls.click()
        frame = wire.take()
        wire.ack(frame, said={"card": {"type": "raw", "data": DONE}})
        assert json.loads(frame.payload or b"")["schema"] == "2.0"
        assert clicked.result(SECONDS)["card_updated"] is True


# acknowledgements -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"headers": (("message_id", ""),)}, "headers"),
        ({"seq_id": 0}, "SeqID"),
        ({"log_id": 1}, "LogID"),
        ({"service": 3}, "service"),
        ({"headers": None}, "biz_rt"),
        ({"payload": b'{"code":200,"data":"!"}'}, "Base64"),
    ],
)
def test_what_breaks_the_rules_is_shown(lark: Emulator, calls: Caller, changes: Any, problem: str) -> None:
    with Wire(lark) as wire:
        pushed = calls.push()
        frame = wire.take()
        if "headers" in changes:
            kept = (("message_id", frame.get_header("message_id") or ""), ("biz_rt", "1"))
            changes = {"headers": frame.headers if changes["headers"] is None else kept}
        wire.ack(frame, **changes)
        event = pushed.result(SECONDS)
    assert event["state"] == "delivered"
    (said,) = event["attempts"][0]["problems"]
    assert problem in said
