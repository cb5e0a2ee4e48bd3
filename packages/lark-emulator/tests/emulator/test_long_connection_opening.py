"""How a long connection is opened: discovery and handshake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.emulator.app_server import PATIENT
from tests.emulator.wire_client import Wire, discover, discover_url
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

if TYPE_CHECKING:
    from lark_emulator import Emulator


@pytest.fixture(autouse=True)
def patient(lark: Emulator) -> None:
    lark.settings(**PATIENT)


def test_the_discovery(lark: Emulator) -> None:
    lark.settings(reconnect_count=3, reconnect_interval=1.5, reconnect_nonce=0, ping_interval=60)
    answer = discover(lark)
    assert (answer["code"], answer["data"]["ClientConfig"]) == (
        0,
        {"ReconnectCount": 3, "ReconnectInterval": 1.5, "ReconnectNonce": 0, "PingInterval": 60},
    )
    assert answer["data"]["URL"].startswith(f"ws{lark.base_url.removeprefix('http')}/ws/v2?fpid=")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 1000040344),
        (b"[]", 1000040344),
        (b'{"AppID":"cli_1a2b3c4d5e6f0001"}', 1000040344),
        (b'{"AppID":"cli_1a2b3c4d5e6f0001","AppSecret":""}', 1000040344),
        (b'{"AppID":"cli_1a2b3c4d5e6f0001","AppSecret":1}', 1000040344),
        (b'{"AppID":"cli_1a2b3c4d5e6f0001","AppSecret":"wrong"}', 1000040345),
        (b'{"AppID":"cli_none","AppSecret":"emulator-secret"}', 1000040345),
        (b'{"AppID":"cli_store","AppSecret":"s"}', 403),
        (b'{"AppID":"cli_disabled","AppSecret":"s"}', 1000040345),
        (b'{"AppID":"cli_off","AppSecret":"s"}', 1000040345),
    ],
)
@pytest.mark.parametrize("data", ["absent", "empty"])
def test_a_refused_discovery(lark: Emulator, body: bytes, code: int, data: str) -> None:
    lark.add_app("cli_store", "s", store=True)
    lark.add_app("cli_disabled", "s", enabled=False)
    lark.add_app("cli_off", "s", event_mode="http", callback_mode="http")
    lark.settings(refusal_data=data)
    answer = httpx.post(f"{lark.base_url}/callback/ws/endpoint", content=body)
    assert (answer.status_code, answer.json()["code"]) == (200, code)
    assert answer.json().get("data") == ({} if data == "empty" else None)


def test_whether_an_app_can_connect_that_wants_everything_by_http(lark: Emulator) -> None:
    lark.change_app(event_mode="http", callback_mode="http")
    lark.settings(connect_when_off="allowed")
    assert discover(lark)["code"] == 0


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({"code": 1000040343}, (200, {"code": 1000040343, "msg": "injected by the emulator"})),
        ({"code": 514, "msg": "no"}, (200, {"code": 514, "msg": "no"})),
        ({"status": 503, "code": 1}, (503, {"code": 1, "msg": "injected by the emulator"})),
    ],
)
def test_each_code_of_the_discovery_on_demand(lark: Emulator, plan: Any, expected: Any) -> None:
    lark.fault("POST", "/callback/ws/endpoint", **plan)
    answer = httpx.post(f"{lark.base_url}/callback/ws/endpoint", json={})
    assert (answer.status_code, answer.json()) == expected


def handshake_headers(url: str) -> dict[str, str]:
    with pytest.raises(InvalidStatus) as refused:
        connect(url)
    return {
        name: value
        for name, value in refused.value.response.headers.raw_items()
        if name.startswith("Handshake")
    }


def test_a_ticket_opens_one_connection(lark: Emulator) -> None:
    url = discover_url(lark)
    wrong = url.replace("ticket=", "ticket=x")
    of_another = url.replace("device_id=", "device_id=1")
    with Wire(lark, url):
        for bad in (url, wrong, of_another, url.partition("?")[0]):
            assert handshake_headers(bad)["Handshake-Status"] == "514"
            assert handshake_headers(bad)["Handshake-Autherrcode"] == "1000040345"


def test_an_app_that_was_disabled_meanwhile(lark: Emulator) -> None:
    url = discover_url(lark)
    lark.change_app(enabled=False)
    assert handshake_headers(url) == {"Handshake-Status": "403", "Handshake-Msg": "forbidden"}


def test_handshakes_refused_on_demand(lark: Emulator) -> None:
    headers = {"Handshake-Status": "500", "Handshake-Msg": "busy"}
    lark.fault("GET", "/ws/v2", status=500, headers=headers)
    url = discover_url(lark)
    assert handshake_headers(url) == headers
    with Wire(lark, url) as wire:
        assert wire.ping().get_header("type") == "pong"


def test_a_handshake_that_takes_its_time(lark: Emulator) -> None:
    lark.fault("GET", "/ws/v2", delay_ms=50)
    with Wire(lark) as wire:
        assert wire.ping().get_header("type") == "pong"


def test_a_handshake_that_breaks(lark: Emulator) -> None:
    lark.fault("GET", "/ws/v2", drop="after")
    with pytest.raises((EOFError, ConnectionError, Exception)) as broken:
        connect(discover_url(lark))
    assert not isinstance(broken.value, InvalidStatus)
    assert lark.connections() == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"Connection": "Upgrade", "Upgrade": "h2c"}, 400),
        ({"Connection": "Upgrade", "Upgrade": "websocket"}, 400),
        ({"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x"}, 400),
        ({"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x" * 9000}, 400),
    ],
)
def test_requests_that_are_not_handshakes(lark: Emulator, headers: Any, status: int) -> None:
    url = discover_url(lark)
    answer = httpx.get(url.replace("ws://", "http://"), headers=headers)
    assert answer.status_code == status
    with Wire(lark, url) as wire:  # and the ticket is still good
        assert wire.ping().get_header("type") == "pong"


def test_the_limit_per_app(lark: Emulator) -> None:
    lark.settings(connection_limit=2)
    lark.add_app("cli_other", "s")
    with Wire(lark) as first, Wire(lark):
        refused = handshake_headers(discover_url(lark))
        assert (refused["Handshake-Status"], refused["Handshake-Autherrcode"]) == ("514", "1000040350")
        with Wire(lark, app_id="cli_other", secret="s"):
            assert len(lark.connections("cli_other")) == 1
        lark.settings(connection_limit_at="discovery")
        assert discover(lark)["code"] == 1000040350
        lark.drop_connections(connection_id=first.connection_id)
        with Wire(lark) as third:
            assert third.ping().get_header("type") == "pong"


def test_secrets_of_the_address_are_not_logged(lark: Emulator) -> None:
    with Wire(lark) as wire:
        shown = json.dumps([lark.requests(), lark.state(), lark.connections()])
    assert wire.ids["ticket"] not in shown
    assert wire.ids["access_key"] not in shown
