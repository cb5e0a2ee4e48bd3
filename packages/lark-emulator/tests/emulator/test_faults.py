from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

SEND = "/open-apis/im/v1/messages"


def count_messages(lark: Emulator) -> int:
    return len(lark.state()["chats"][0]["messages"])


def test_dropped_before_nothing_was_done(api: Api, lark: Emulator) -> None:
    lark.fault("POST", SEND, drop="before")
    with pytest.raises(httpx.TransportError):
        api.send()
    assert count_messages(lark) == 0
    assert (lark.requests()[-1]["performed"], lark.requests()[-1]["status"]) == (False, None)
    assert api.send()["code"] == 0


def test_dropped_after_the_message_is_there(api: Api, lark: Emulator) -> None:
    lark.fault("POST", SEND, drop="after")
    with pytest.raises(httpx.TransportError):
        api.send(uuid="once")
    assert count_messages(lark) == 1
    assert (lark.requests()[-1]["performed"], lark.requests()[-1]["dropped"]) == (True, "after")
    assert api.send(uuid="once")["code"] == 0
    assert count_messages(lark) == 1


def test_times_and_skip(api: Api, lark: Emulator) -> None:
    lark.fault(path=SEND, skip=1, times=2, code=230049, msg="The message is being sent.", status=400)
    assert [api.send()["code"] for _ in range(4)] == [0, 230049, 230049, 0]
    assert count_messages(lark) == 2
    assert api.http.get("/_emulator/faults").json() == {"faults": []}


def test_an_html_502(api: Api, lark: Emulator) -> None:
    lark.fault(path="*", status=502, body="<html>Bad Gateway</html>", headers={"Retry-After": "1"})
    answer = api.http.get("/open-apis/bot/v3/info")
    assert (answer.status_code, answer.text) == (502, "<html>Bad Gateway</html>")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["retry-after"] == "1"


def test_a_slow_answer_is_performed(api: Api, lark: Emulator) -> None:
    lark.fault(path=SEND, delay_ms=50)
    started = time.monotonic()
    assert api.send()["code"] == 0
    assert time.monotonic() - started >= 0.05


@pytest.mark.parametrize(
    ("path", "hit"),
    [
        ("/open-apis/bitable/v1/apps/:app_token", True),
        ("/open-apis/bitable/v1/apps/:x", True),
        ("/open-apis/bitable/*", True),
        ("/open-apis/bitable/v1/apps/abc", True),
        ("/open-apis/bitable/v1/apps/:app_token/tables", False),
        ("/open-apis/bitable/v1/apps", False),
    ],
)
def test_paths_match_exactly_as_template_or_as_pattern(
    api: Api, lark: Emulator, path: str, hit: bool
) -> None:
    lark.fault("GET", path, status=503)
    assert (api("GET", "/bitable/v1/apps/abc")["http"] == 503) is hit


def test_faults_can_be_cleared(api: Api, lark: Emulator) -> None:
    assert api.http.post("/_emulator/faults", json={"status": 500}).json()["faults"][0]["status"] == 500
    lark.clear_faults()
    assert api.send()["code"] == 0
    lark.fault(status=500)
    api.http.delete("/_emulator/faults")
    assert api.send()["code"] == 0


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        ({}, "needs one of"),
        ({"times": "2", "status": 500}, "times"),
        ({"drop": "between"}, "drop"),
        ({"stat": 500}, "stat"),
        ({"status": 500, "headers": {"x": 1}}, "headers"),
        ({"delay_ms": -1}, "delay_ms"),
    ],
)
def test_bad_plans_are_named(api: Api, plan: dict[str, Any], named: str) -> None:
    answer = api.http.post("/_emulator/faults", json=plan)
    assert answer.status_code == 400
    assert named in answer.json()["error"]
