from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.emulator.app_server import PATIENT, AppServer, Reply, accept_everything

if TYPE_CHECKING:
    from lark_emulator import Emulator

HOUR = 3600
EVENT = {"message": {"message_id": "om_1"}}


@pytest.fixture
def app(lark: Emulator) -> Iterator[AppServer]:
    lark.settings(**PATIENT)
    with AppServer() as server:
        lark.set_callback("", event_url=server.url, verification_token="vt")
        server.received.clear()
        yield server


def push(lark: Emulator, **more: Any) -> dict[str, Any]:
    return lark.push_event("im.message.receive_v1", EVENT, **more)


def test_an_event_of_version_2(lark: Emulator, app: AppServer) -> None:
    pushed = push(lark)
    (came,) = app.received
    header = came.json["header"]
    assert {**header, "create_time": ""} == {
        "event_id": pushed["event_id"],
        "token": "vt",
        "create_time": "",
        "event_type": "im.message.receive_v1",
        "tenant_key": "emulator0tenant0",
        "app_id": lark.app_id,
    }
    assert len(header["create_time"]) == 13  # milliseconds
    assert (came.json["schema"], came.json["event"]) == ("2.0", EVENT)
    assert (pushed["state"], pushed["next_attempt"]) == ("delivered", None)
    assert [attempt["status"] for attempt in pushed["attempts"]] == [200]


def test_an_event_of_version_1(lark: Emulator, app: AppServer) -> None:
    pushed = lark.push_event("message", {"text": "hi"}, version="1.0", tenant_key="t")
    came = app.received[-1].json
    assert came == {
        "ts": came["ts"],
        "uuid": pushed["event_id"],
        "token": "vt",
        "type": "event_callback",
        "event": {"app_id": lark.app_id, "tenant_key": "t", "text": "hi", "type": "message"},
    }


def test_an_event_is_tried_again_after_15_s_5_min_1_h_and_6_h(lark: Emulator, app: AppServer) -> None:
    app.answer_with({}, status=500)
    event = push(lark)
    assert event["state"] == "pending"
    counts = []
    for seconds in (14, 1, 299, 1, HOUR - 1, 1, 6 * HOUR - 1, 1, 24 * HOUR):
        lark.advance(seconds)
        counts.append(len(app.received))
    assert counts == [1, 2, 2, 3, 3, 4, 4, 5, 5]
    (shown,) = lark.state()["events"]
    assert (shown["state"], shown["next_attempt"]) == ("failed", None)
    assert {came.json["header"]["event_id"] for came in app.received} == {event["event_id"]}


def test_a_long_jump_is_like_all_the_time_in_it(lark: Emulator, app: AppServer) -> None:
    app.answer_with({}, status=500)
    push(lark)
    lark.advance(8 * HOUR)
    assert len(app.received) == 5
    assert lark.state(summary=True)["event_states"] == {"failed": 1}


def test_the_first_success_ends_it(lark: Emulator, app: AppServer) -> None:
    answers = [Reply(503), Reply(502), Reply()]
    app.answer = lambda _: answers.pop(0)
    push(lark)
    lark.advance(8 * HOUR)
    (shown,) = lark.state()["events"]
    assert [attempt["status"] for attempt in shown["attempts"]] == [503, 502, 200]
    assert shown["state"] == "delivered"


def test_an_event_that_nobody_takes_in_time_comes_again(lark: Emulator, app: AppServer) -> None:
    release = threading.Event()
    app.answer = lambda _: Reply() if release.wait(10) else Reply(500)
    lark.settings(callback_timeout=0.05)
    assert "no answer within" in push(lark)["attempts"][0]["error"]
    release.set()
    lark.settings(callback_timeout=3)
    lark.advance(15)
    assert lark.state()["events"][0]["state"] == "delivered"


def test_duplicates_on_demand(lark: Emulator, app: AppServer) -> None:
    pushed = push(lark, copies=3)
    assert {came.json["header"]["event_id"] for came in app.received} == {pushed["event_id"]}
    assert (len(app.received), pushed["state"]) == (3, "delivered")


def test_an_app_that_moves_gets_the_next_try_where_it_is(lark: Emulator, app: AppServer) -> None:
    app.answer_with({}, status=500)
    push(lark)
    with AppServer() as other:
        lark.set_callback("", event_url=other.url, verify=False)
        lark.advance(15)
        assert len(other.received) == 1
    lark.set_callback("", verify=False)
    assert len(app.received) == 1


def test_an_app_that_wants_no_more_events(lark: Emulator, app: AppServer) -> None:
    app.answer_with({}, status=500)
    push(lark)
    lark.set_callback("", verify=False)
    lark.advance(15)
    assert "no address" in lark.state()["events"][0]["attempts"][1]["error"]
    with pytest.raises(ValueError, match="no address for events"):
        push(lark)


def test_retries_come_by_themselves(lark: Emulator, app: AppServer) -> None:
    """The wall clock is enough; nobody has to ask."""
    delivered = threading.Event()
    app.answer_with({}, status=500)
    push(lark)
    lark.advance(14.9)

    def answer(_: Any) -> Reply:
        delivered.set()
        return Reply()

    app.answer = answer
    assert delivered.wait(10)


def test_what_falls_due_while_stopped_is_sent_on_start(lark: Emulator, app: AppServer) -> None:
    app.answer_with({}, status=500)
    push(lark)
    lark.stop()
    lark.advance(15)
    assert len(app.received) == 1
    delivered = threading.Event()

    def answer(_: Any) -> Reply:
        delivered.set()
        return Reply()

    app.answer = answer
    lark.start()
    assert delivered.wait(10)


@pytest.mark.parametrize(("how", "comes_again"), [("stop", True), ("reset", False)])
def test_an_event_under_way_when_the_emulator_stops_comes_again(
    lark: Emulator, app: AppServer, how: str, comes_again: bool
) -> None:
    arrived, release = threading.Event(), threading.Event()

    def slow(_: Any) -> Reply:
        arrived.set()
        release.wait(10)
        return Reply()

    app.answer = slow
    lark.settings(callback_timeout=60)
    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(push, lark)
        arrived.wait(10)
        getattr(lark, how)()
        release.set()
        pushing.exception(10)
    again = threading.Event()

    def quick(_: Any) -> Reply:
        again.set()
        return Reply()

    app.answer = quick
    if comes_again:
        lark.start()
        assert again.wait(10)
    else:
        lark.advance(8 * HOUR)
        assert not again.is_set()
        assert lark.state()["events"] == []


def test_tickets_are_pushed_when_asked_for_and_every_hour(lark: Emulator) -> None:
    store_app = lark.add_app("cli_store", store=True)
    lark.settings(**PATIENT)
    with AppServer() as app:
        lark.set_callback("", event_url=app.url, app_id="cli_store", verification_token="vt")
        app.received.clear()
        secrets = {"app_id": "cli_store", "app_secret": store_app["app_secret"]}
        httpx.post(f"{lark.base_url}/open-apis/auth/v3/app_ticket/resend", json=secrets)
        lark.advance(2 * HOUR)
        tickets = [came.json["event"]["app_ticket"] for came in app.received]
        assert len(set(tickets)) == 3
        times = [float(came.json["ts"]) for came in app.received]
        assert 3599 < times[2] - times[1] < 3601
        came = app.received[-1].json
        assert came == {
            "ts": came["ts"],
            "uuid": came["uuid"],
            "token": "vt",
            "type": "event_callback",
            "event": {"app_id": "cli_store", "app_ticket": tickets[-1], "type": "app_ticket"},
        }
    assert lark.state(summary=True)["apps"][-1]["app_ticket"] == tickets[-1]


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({}, "type"),
        ({"type": "x", "event": []}, "object"),
        ({"type": "x", "version": "3.0"}, "3.0"),
        ({"type": "x", "copies": 0}, "copies"),
        ({"type": "x", "colour": "red"}, "colour"),
        ({"type": "x", "app_id": "cli_none"}, "cli_none"),
    ],
)
def test_events_that_make_no_sense(lark: Emulator, app: AppServer, spec: Any, named: str) -> None:
    answer = httpx.post(f"{lark.base_url}/_emulator/events", json=spec)
    assert (answer.status_code, named in answer.json()["error"]) == (400, True)
    assert app.received == []


def test_events_over_http(lark: Emulator, app: AppServer) -> None:
    app.answer = accept_everything
    event = httpx.post(f"{lark.base_url}/_emulator/events", json={"type": "x", "event": {}}).json()
    assert event["state"] == "delivered"
    app.answer_with({}, status=500)
    httpx.post(f"{lark.base_url}/_emulator/events", json={"type": "x", "event": {}})
    httpx.post(f"{lark.base_url}/_emulator/clock", json={"advance": 15})
    assert len(app.received) == 3
