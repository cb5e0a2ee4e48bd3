"""What becomes of an app's answer to a click, and of a click without one."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from lark_emulator import Emulator
from tests.emulator.app_server import AppServer, Received, Reply
from tests.emulator.clicks.card_buttons import CARD, DONE, OLD, read_content, send_card
from tests.emulator.conftest import Api


def test_an_answer_shows_a_toast_and_another_card(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, verify=False)
    toast = {"type": "success", "content": "thanks", "i18n": {"zh_cn": "谢谢"}}
    app.answer_with({"toast": toast, "card": {"type": "raw", "data": DONE}})
    result = lark.click(send_card(api), "alice")
    assert (result["code"], result["toast"], result["card_updated"]) == (0, toast, True)
    assert read_content(lark) == DONE


def test_an_answer_may_name_a_template(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.settings(card_templates=["ctp_1"])
    lark.set_callback(app.url, verify=False)
    data = {"template_id": "ctp_1", "template_variable": {"a": 1}}
    app.answer_with({"card": {"type": "template", "data": data}})
    assert lark.click(send_card(api), "alice")["card_updated"] is True
    assert read_content(lark) == {"type": "template", "data": data}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"msg": "success"}, 0),
        ({"toast": {"content": "x"}}, 0),
        ([], 200672),
        (b"", 200672),
        (b"<html>", 200672),
        ({"toast": {"type": "loud", "content": "x"}}, 200672),
        ({"toast": {"type": "info"}}, 200672),
        ({"toast": "x"}, 200672),
        ({"card": {"type": "raw", "data": json.dumps(DONE)}}, 200673),
        ({"card": DONE}, 200673),
        ({"card": {"type": "raw", "data": {"schema": "2.0", "elements": []}}}, 200673),
        ({"card": {"type": "template", "data": {"template_id": "none"}}}, 200673),
        ({"card": {"type": "raw", "data": OLD}}, 200830),
    ],
)
def test_what_the_client_makes_of_an_answer(
    lark: Emulator, api: Api, app: AppServer, answer: Any, code: int
) -> None:
    lark.set_callback(app.url, verify=False)
    app.answer_with(answer)
    result = lark.click(send_card(api), "alice")
    assert (result["code"], result["status"]) == (code, 200)
    assert bool(result["error"]) is bool(code)
    assert read_content(lark) == CARD
    assert len(app.received) == 1


@pytest.mark.parametrize("is_entity", [False, True])
def test_a_card_that_streams_takes_no_card(
    lark: Emulator, api: Api, app: AppServer, *, is_entity: bool
) -> None:
    message_id = send_card(api, {**CARD, "config": {"streaming_mode": True}})
    if is_entity:
        api.data("POST", "/cardkit/v1/cards/id_convert", {"message_id": message_id})
    lark.set_callback(app.url, verify=False)
    app.answer_with({"toast": {"content": "x"}, "card": {"type": "raw", "data": DONE}})
    refused = lark.click(message_id, "alice")
    assert (refused["code"], refused["toast"], refused["card_updated"]) == (200810, None, False)
    app.answer_with({"toast": {"content": "x"}})
    assert lark.click(message_id, "alice")["code"] == 0
    lark.advance(601)  # the streaming mode ends after ten minutes
    app.answer_with({"card": {"type": "raw", "data": DONE}})
    assert lark.click(message_id, "alice")["card_updated"] is True


@pytest.mark.parametrize("status", [201, 204, 302, 500])
def test_only_200_counts(lark: Emulator, api: Api, app: AppServer, status: int) -> None:
    lark.set_callback(app.url, verify=False)
    app.answer_with({"toast": {"content": "x"}}, status=status)
    result = lark.click(send_card(api), "alice")
    assert (result["code"], result["status"], result["toast"]) == (200671, status, None)


def test_an_app_that_is_too_slow_is_not_asked_again(lark: Emulator, api: Api, app: AppServer) -> None:
    release = threading.Event()
    app.answer = lambda _: Reply() if release.wait(10) else Reply(500)
    lark.set_callback(app.url, verify=False)
    lark.settings(callback_timeout=0.05)
    result = lark.click(send_card(api), "alice")
    assert (result["code"], result["status"]) == (200341, None)
    assert lark.settings()["callback_timeout"] == 0.05
    assert Emulator().settings()["callback_timeout"] == 3
    release.set()
    lark.advance(24 * 3600)
    assert len(app.received) == 1


def test_an_app_that_cannot_be_reached(lark: Emulator, api: Api) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    message_id = send_card(api)
    assert lark.click(message_id, "alice")["code"] == 200340
    for url, code in (
        (f"http://127.0.0.1:{port}/", 200342),
        ("http://nowhere.invalid/", 200343),
        (lark.base_url.replace("http:", "https:"), 200342),
    ):
        lark.set_callback(url, verify=False)
        assert lark.click(message_id, "alice")["code"] == code


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
def test_a_connection_that_breaks(lark: Emulator, api: Api, answer: bytes) -> None:
    def serve(listener: socket.socket) -> None:
        wire, _ = listener.accept()
        with wire:
            wire.recv(65536)
            wire.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        lark.set_callback(f"http://127.0.0.1:{listener.getsockname()[1]}/", verify=False)
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        assert lark.click(send_card(api), "alice")["code"] == 200342
        server.join()


def test_an_answer_that_ends_with_the_connection(lark: Emulator, api: Api) -> None:
    def serve(listener: socket.socket) -> None:
        wire, _ = listener.accept()
        with wire:
            wire.recv(65536)
            wire.sendall(b'HTTP/1.0 200 OK\r\n\r\n{"toast": {"content": "bye"}}')

    with socket.create_server(("127.0.0.1", 0)) as listener:
        lark.set_callback(f"http://127.0.0.1:{listener.getsockname()[1]}/", verify=False)
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        assert lark.click(send_card(api), "alice")["toast"] == {"content": "bye"}
        server.join()


def test_requests_behind_a_click_wait_for_it(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, verify=False)
    body = b'{"user": "alice"}'
    click = (
        b"POST /_emulator/cards/%s/click HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    )
    with socket.create_connection(("127.0.0.1", lark.port), timeout=60) as wire:
        wire.sendall(click % (send_card(api).encode(), len(body), body))
        wire.sendall(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wire.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := wire.recv(65536):
            answer += piece
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404"]


@pytest.mark.parametrize("how", ["stop", "reset"])
def test_what_is_under_way_is_given_up(lark: Emulator, api: Api, app: AppServer, how: str) -> None:
    arrived, release = threading.Event(), threading.Event()

    def answer(_: Received) -> Reply:
        arrived.set()
        release.wait(10)
        return Reply()

    app.answer = answer
    lark.set_callback(app.url, verify=False)
    message_id = send_card(api)
    lark.settings(callback_timeout=60)
    with ThreadPoolExecutor(2) as pool:
        direct = pool.submit(lark.click, message_id, "alice")
        path = f"/_emulator/cards/{message_id}/click"
        over_http = pool.submit(api.http.post, path, json={"user": "bob"}, timeout=10)
        arrived.wait()
        while len(app.received) < 2:
            time.sleep(0.001)
        getattr(lark, how)()
        release.set()
        with pytest.raises(RuntimeError, match="stopped or reset"):
            direct.result(10)
        with pytest.raises(httpx.TransportError):
            over_http.result(10)
    assert lark.state(summary=True)["crashes"] == 0


def test_a_stopped_emulator_sends_nothing(api: Api, app: AppServer, lark: Emulator) -> None:
    lark.set_callback(app.url, verify=False)
    message_id = send_card(api)
    lark.stop()
    with pytest.raises(RuntimeError, match="stopped"):
        lark.click(message_id, "alice")


def test_a_card_is_locked_while_a_click_waits(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, verify=False)
    message_id = send_card(api)
    codes: list[Any] = []

    def patch() -> Any:
        return api("PATCH", f"/im/v1/messages/{message_id}", {"content": json.dumps(DONE)})

    def answer(_: Received) -> Reply:
        codes.append(patch())
        return Reply(body=b"{}")

    app.answer = answer
    assert lark.click(message_id, "alice")["code"] == 0
    assert (codes[0]["code"], codes[0]["msg"]) == (
        230099,
        "Failed to create card content, ext=ErrCode: 11310; ErrMsg: card action is lock; ",
    )
    assert patch()["code"] == 0
    lark.settings(card_rules=[])
    assert lark.click(send_card(api), "alice")["code"] == 0
    assert codes[1]["code"] == 0
