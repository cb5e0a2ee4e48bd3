"""Discovery and refusals: what Lark answers, and what follows."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from lark_provider.protocol import answers
from lark_provider.protocol.calls import LarkResponse
from lark_provider.protocol.effects import Response
from lark_provider.protocol.errors import ConfigurationError, LarkAPIError, LarkError, TransportError
from lark_provider.protocol.longconn import discovery
from lark_provider.protocol.longconn.refusals import ConnectVerdict, of_discovery, of_handshake
from lark_provider.protocol.tokens import App

SECRET = "the-secret-of-the-app"
APP = App("https://open.feishu.cn", "cli_a", SECRET)
URL = "wss://msg-frontier.feishu.cn/ws/v2?fpid=493&device_id=7&access_key=ak&service_id=33554678&ticket=t-1"


def read(content: Any, status: int = 200) -> discovery.Address | LarkError:
    """Read an answer as the engine does."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    response = answers.read(discovery.call(APP), Response(status, {}, body), None, SECRET)
    if not isinstance(response, LarkResponse):
        return response.error
    try:
        return discovery.read(response.data, is_encrypted=True)
    except LarkAPIError as error:
        return error


def test_the_request_holds_the_credentials_and_shows_neither_secret() -> None:
    call = discovery.call(APP)
    assert (call.method, call.path, call.auth) == ("POST", "/callback/ws/endpoint", False)
    assert call.headers == {"locale": "zh"}
    assert orjson.loads(call.body or b"") == {"AppID": "cli_a", "AppSecret": SECRET}
    assert SECRET not in repr(call)


def test_the_answer_says_where_and_how() -> None:
    config = {"PingInterval": 90}
    address = read({"code": 0, "msg": "ok", "data": {"URL": URL, "ClientConfig": config}})
    assert address == discovery.Address(URL, 33554678, config)
    assert isinstance(address, discovery.Address)
    assert address.host == "msg-frontier.feishu.cn"
    assert "t-1" not in repr(address)


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        [],
        {"URL": None},
        {"URL": ""},
        {"URL": "https://x.cn/"},
        {"URL": "ws://x.cn/"},
        {"URL": "wss://x:y/"},
        {"URL": "wss:///"},
    ],
)
def test_an_answer_without_a_usable_url_is_tried_again(data: Any) -> None:
    error = read({"code": 0, "data": data})
    assert isinstance(error, LarkAPIError)
    assert "; a wss URL with a host is required" in str(error)
    assert of_discovery("cli_a", error).verdict is ConnectVerdict.RETRY


def test_a_local_lark_may_go_without_encryption_and_without_configuration() -> None:
    address = discovery.read({"URL": "ws://127.0.0.1:9/?ticket=1", "ClientConfig": None}, is_encrypted=False)
    assert (address.service, address.config) == (0, {})


@pytest.mark.parametrize(
    ("content", "status", "verdict", "step"),
    [
        ({"code": 1, "msg": "system busy"}, 200, ConnectVerdict.RETRY, ""),
        ({"code": 1000040343, "msg": "internal"}, 200, ConnectVerdict.RETRY, ""),
        ({"code": 403, "msg": "forbidden"}, 200, ConnectVerdict.REFUSED, "choose the long connection"),
        ({"code": 514, "msg": "auth"}, 200, ConnectVerdict.REFUSED, "check the app's id and secret"),
        ({"code": 1000040344, "msg": "no"}, 200, ConnectVerdict.REFUSED, "check the app's id and secret"),
        (
            {"code": 1000040345, "msg": SECRET},
            200,
            ConnectVerdict.REFUSED,
            "not published or has not switched on",
        ),
        ({"code": 1000040350, "msg": "too many"}, 200, ConnectVerdict.CROWDED, "Lark allows 50 connections"),
        ({"code": 99, "msg": "novel"}, 200, ConnectVerdict.RETRY, ""),
        ({"code": 403, "msg": "forbidden"}, 403, ConnectVerdict.RETRY, ""),
        ({"code": 1000040345, "msg": "wrong"}, 502, ConnectVerdict.RETRY, ""),
        (b"<html>", 200, ConnectVerdict.RETRY, "something else"),
        (b"<html>", 404, ConnectVerdict.RETRY, ""),
        (b"", 503, ConnectVerdict.RETRY, ""),
    ],
)
def test_each_refusal_has_its_consequence(
    content: Any, status: int, verdict: ConnectVerdict, step: str
) -> None:
    error = read(content, status)
    assert isinstance(error, LarkAPIError)
    refusal = of_discovery("cli_a", error)
    assert refusal.verdict is verdict
    assert step in refusal.reason
    assert SECRET not in refusal.reason
    assert "Next: " in refusal.reason


def test_what_is_no_answer_is_tried_again_and_a_wrong_setting_is_not() -> None:
    assert of_discovery("cli_a", TransportError("no route")).verdict is ConnectVerdict.RETRY
    assert of_discovery("cli_a", ConfigurationError("no proxy")).verdict is ConnectVerdict.REFUSED


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        ({}, ConnectVerdict.RETRY),
        ({"Handshake-Status": "514", "Handshake-Autherrcode": "1000040350"}, ConnectVerdict.CROWDED),
        ({"Handshake-Status": "514", "Handshake-Autherrcode": "1000040351"}, ConnectVerdict.RETRY),
        ({"Handshake-Status": "514"}, ConnectVerdict.RETRY),
        ({"Handshake-Status": "403", "Handshake-Msg": f"no {SECRET}"}, ConnectVerdict.REFUSED),
        ({"Handshake-Status": "500", "Handshake-Msg": "no"}, ConnectVerdict.RETRY),
        ({"Handshake-Status": "many", "Handshake-Autherrcode": "½"}, ConnectVerdict.RETRY),
    ],
)
def test_a_refused_handshake_has_its_consequence(headers: dict[str, str], verdict: ConnectVerdict) -> None:
    refusal = of_handshake("cli_a", 400, headers, SECRET)
    assert refusal.verdict is verdict
    assert SECRET not in refusal.reason
