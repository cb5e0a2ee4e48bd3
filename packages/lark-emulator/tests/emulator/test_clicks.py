"""Clicks on cards, posted to an app's address: what arrives, and what becomes of the answer."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from lark_emulator import Emulator
from tests.emulator.app_server import PATIENT, Answered, AppServer, Received, willing
from tests.emulator.conftest import Api

BUTTON = {
    "tag": "button",
    "name": "yes",
    "text": {"tag": "plain_text", "content": "Yes"},
    "behaviors": [{"type": "callback", "value": {"run": 7}}],
}
CARD: dict[str, Any] = {"schema": "2.0", "body": {"elements": [BUTTON]}}
DONE: dict[str, Any] = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "done"}]}}
OLD: dict[str, Any] = {
    "config": {"update_multi": True},
    "elements": [{"tag": "action", "actions": [{**BUTTON, "value": {"run": 7}, "behaviors": []}]}],
}
OLD["elements"][0]["actions"][0].pop("behaviors")


@pytest.fixture
def app(lark: Emulator) -> Iterator[AppServer]:
    lark.settings(**PATIENT)
    with AppServer() as server:
        yield server


def sent(api: Api, card: Any = CARD, receiver: str = "oc_emulator_data_team") -> str:
    answer = api.send(receiver, msg_type="interactive", content=json.dumps(card))
    return str(answer["data"]["message_id"])


def content(lark: Emulator) -> Any:
    return lark.state()["chats"][0]["messages"][-1]["content"]


# The address -------------------------------------------------------------------------------------------


def test_an_address_is_asked_for_the_challenge(lark: Emulator, app: AppServer) -> None:
    given = lark.set_callback(app.url, verification_token="vt")
    (asked,) = app.received
    assert asked.json == {"challenge": asked.json["challenge"], "token": "vt", "type": "url_verification"}
    assert "X-Lark-Signature" not in asked.headers
    assert asked.headers["Content-Type"] == "application/json; charset=utf-8"
    assert given == {
        "app_id": lark.app_id,
        "url": app.url,
        "event_url": app.url,
        "encrypt_key": "",
        "verification_token": "vt",
    }


def test_two_addresses_are_both_asked(lark: Emulator, app: AppServer) -> None:
    given = lark.set_callback(f"{app.url}/cards?x=1", event_url=f"{app.url}/events")
    assert {asked.path for asked in app.received} == {"/lark/cards?x=1", "/lark/events"}
    assert len(given["verification_token"]) == 32


def test_with_a_key_the_challenge_is_hidden(lark: Emulator, app: AppServer) -> None:
    with pytest.raises(ValueError, match="did not return the challenge"):
        lark.set_callback(app.url, encrypt_key="key")
    assert list(app.received[0].json) == ["encrypt"]


@pytest.mark.parametrize(
    "answer",
    [
        Answered(),
        Answered(body=b'{"challenge":"other"}'),
        Answered(body=b"ok"),
        Answered(status=404),
        Answered(status=302, headers={"Location": "http://127.0.0.1/"}),
    ],
)
def test_an_address_that_does_not_return_it_is_not_taken(
    lark: Emulator, app: AppServer, answer: Answered
) -> None:
    lark.set_callback(app.url, verification_token="first")
    app.answer = lambda _: answer
    with pytest.raises(ValueError, match="did not return the challenge"):
        lark.set_callback(f"{app.url}/new")
    assert lark.state(summary=True)["apps"][0]["callback"]["url"] == app.url


def test_an_address_that_is_too_slow(lark: Emulator, app: AppServer) -> None:
    release = threading.Event()
    app.answer = lambda request: willing(request) if release.wait(10) else Answered()
    lark.settings(challenge_timeout=0.05)
    with pytest.raises(ValueError, match=r"no answer within 0\.05 s"):
        lark.set_callback(app.url)
    release.set()


@pytest.mark.parametrize("url", ["ftp://example.com/x", "localhost:80", "http://"])
def test_what_is_no_address(lark: Emulator, url: str) -> None:
    with pytest.raises(ValueError, match="callback URL"):
        lark.set_callback(url, verify=False)


def test_the_keys_never_show(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, encrypt_key="hidden-key", verification_token="hidden-token", verify=False)
    assert app.received == []
    seen = api.http.get("/_emulator/state").text
    assert "hidden" not in seen
    assert lark.state()["apps"][0]["callback"] == {
        "url": app.url,
        "event_url": app.url,
        "encrypted": True,
        "old_cards": False,
    }


# Clicks ------------------------------------------------------------------------------------------------


def test_a_click_arrives_as_documented(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, verification_token="vt", verify=False)
    message_id = sent(api)
    result = lark.click(message_id, "alice")
    (came,) = app.received
    header, event = came.json["header"], came.json["event"]
    assert came.json["schema"] == "2.0"
    assert {**header, "create_time": ""} == {
        "event_id": result["event_id"],
        "token": "vt",
        "create_time": "",
        "event_type": "card.action.trigger",
        "tenant_key": "emulator0tenant0",
        "app_id": lark.app_id,
    }
    assert len(header["create_time"]) == 16  # microseconds
    assert event == {
        "operator": {
            "tenant_key": "emulator0tenant0",
            "user_id": "alice",
            "open_id": "ou_emulator0001_alice",
            "union_id": "on_emulator_alice",
        },
        "token": result["token"],
        "action": {"tag": "button", "value": {"run": 7}, "name": "yes"},
        "host": "im_message",
        "context": {"open_message_id": message_id, "open_chat_id": "oc_emulator_data_team"},
    }
    assert result["token"].startswith("c-")
    assert (result["code"], result["status"], result["error"], result["toast"]) == (0, 200, None, None)
    assert result["card_updated"] is False


def test_the_operator_has_a_user_id_only_with_the_scope(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, verify=False)
    message_id = sent(api)
    lark.change_app(scopes=["im:message"])
    lark.click(message_id, "alice")
    assert "user_id" not in app.received[-1].json["event"]["operator"]


def test_every_delivery_is_encrypted_and_signed_anew(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, encrypt_key="key", verify=False)
    message_id, before = sent(api), int(time.time())
    lark.advance(24 * 3600)
    lark.click(message_id, "alice", copies=2)
    first, second = app.received
    assert list(first.json) == ["encrypt"]
    for name in ("X-Lark-Request-Nonce", "X-Lark-Signature"):
        assert first.headers[name] != second.headers[name]
    # The clock of the receiver has not been moved.
    assert before <= int(first.headers["X-Lark-Request-Timestamp"]) <= time.time()


def test_an_answer_shows_a_toast_and_another_card(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, verify=False)
    toast = {"type": "success", "content": "thanks", "i18n": {"zh_cn": "谢谢"}}
    app.says({"toast": toast, "card": {"type": "raw", "data": DONE}})
    result = lark.click(sent(api), "alice")
    assert (result["code"], result["toast"], result["card_updated"]) == (0, toast, True)
    assert content(lark) == DONE


def test_an_answer_may_name_a_template(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.settings(card_templates=["ctp_1"])
    lark.set_callback(app.url, verify=False)
    data = {"template_id": "ctp_1", "template_variable": {"a": 1}}
    app.says({"card": {"type": "template", "data": data}})
    assert lark.click(sent(api), "alice")["card_updated"] is True
    assert content(lark) == {"type": "template", "data": data}


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
    app.says(answer)
    result = lark.click(sent(api), "alice")
    assert (result["code"], result["status"]) == (code, 200)
    assert bool(result["error"]) is bool(code)
    assert content(lark) == CARD
    assert len(app.received) == 1


def test_a_form_with_a_field_without_a_name_fails_at_the_click(
    lark: Emulator, api: Api, app: AppServer
) -> None:
    lark.set_callback(app.url)
    send = {**BUTTON, "form_action_type": "submit"}
    form = {"tag": "form", "name": "f", "elements": [{"tag": "input"}, send]}
    shown = lark.click(sent(api, {"schema": "2.0", "body": {"elements": [form]}}), "alice")
    assert (shown["code"], shown["status"]) == (200530, None)
    assert len(app.received) == 1  # the challenge


def test_whether_a_submit_button_brings_its_value_is_a_setting(
    lark: Emulator, api: Api, app: AppServer
) -> None:
    lark.set_callback(app.url)
    form = {"tag": "form", "name": "f", "elements": [{**BUTTON, "form_action_type": "submit"}]}
    message = sent(api, {"schema": "2.0", "body": {"elements": [form]}})
    assert lark.click(message, "alice")["action"]["value"] == {"run": 7}
    lark.settings(submit_value="left_out")
    assert "value" not in lark.click(message, "alice")["action"]


@pytest.mark.parametrize("status", [201, 204, 302, 500])
def test_only_200_counts(lark: Emulator, api: Api, app: AppServer, status: int) -> None:
    lark.set_callback(app.url, verify=False)
    app.says({"toast": {"content": "x"}}, status=status)
    result = lark.click(sent(api), "alice")
    assert (result["code"], result["status"], result["toast"]) == (200671, status, None)


def test_an_app_that_is_too_slow_is_not_asked_again(lark: Emulator, api: Api, app: AppServer) -> None:
    release = threading.Event()
    app.answer = lambda _: Answered() if release.wait(10) else Answered(500)
    lark.set_callback(app.url, verify=False)
    lark.settings(callback_timeout=0.05)
    result = lark.click(sent(api), "alice")
    assert (result["code"], result["status"]) == (200341, None)
    assert lark.settings()["callback_timeout"] == 0.05
    assert Emulator().settings()["callback_timeout"] == 3
    release.set()
    lark.advance(24 * 3600)
    assert len(app.received) == 1


def test_an_app_that_cannot_be_reached(lark: Emulator, api: Api) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    message_id = sent(api)
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
        assert lark.click(sent(api), "alice")["code"] == 200342
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
        assert lark.click(sent(api), "alice")["toast"] == {"content": "bye"}
        server.join()


def test_copies_are_the_same_callback_again(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, verify=False)
    app.says({"toast": {"content": "first"}}, {"toast": {"content": "again"}})
    result = lark.click(sent(api), "alice", copies=3)
    assert len({came.json["header"]["event_id"] for came in app.received}) == 1
    assert result["toast"]["content"] == "first"
    assert [each["toast"]["content"] for each in result["repeats"]] == ["again"] * 2


def test_many_users_click_at_once(lark: Emulator, api: Api, app: AppServer) -> None:
    together = threading.Barrier(8, timeout=10)

    def answer(_: Received) -> Answered:
        together.wait()
        return Answered()

    app.answer = answer
    lark.set_callback(app.url, verify=False)
    message_id = sent(api)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: lark.click(message_id, "alice"), range(8)))
    assert {result["code"] for result in done} == {0}
    assert len({result["event_id"] for result in done}) == 8
    state = lark.state()
    assert state["click_count"] == 8
    assert {click["message_id"] for click in state["clicks"]} == {message_id}


def test_an_action_can_be_given_as_it_is(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.settings(card_templates=["ctp_1"])
    lark.set_callback(app.url, verify=False)
    message_id = sent(api, {"type": "template", "data": {"template_id": "ctp_1"}})
    action = {"tag": "button", "value": {"from": "template"}}
    assert lark.click(message_id, "alice", action=action)["action"] == action
    assert app.received[-1].json["event"]["action"] == action


@pytest.mark.parametrize(
    ("click", "text"),
    [
        ({"message_id": "om_none"}, "no message 'om_none'"),
        ({"user": "nobody"}, "no member 'nobody'"),
        ({"component": "No"}, "'Yes'; 'No' names 0"),
        ({"copies": 0}, "copies"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_clicks_that_make_no_sense(lark: Emulator, api: Api, click: dict[str, Any], text: str) -> None:
    message_id = sent(api)
    with pytest.raises(ValueError, match=text):
        lark.click(**{"message_id": message_id, "user": "alice", **click})
    path = f"/_emulator/cards/{click.pop('message_id', message_id)}/click"
    answer = api.http.post(path, json={"user": "alice", **click})
    assert (answer.status_code, text in answer.json()["error"]) == (400, True)


def test_cards_that_cannot_be_used_any_more(lark: Emulator, api: Api) -> None:
    text = api.send()["data"]["message_id"]
    recalled = sent(api)
    api("DELETE", f"/im/v1/messages/{recalled}")
    new, old = sent(api), sent(api, OLD)
    lark.advance(14 * 24 * 3600 + 1)
    for message_id, reason in ((text, "must be a card"), (recalled, "recalled"), (new, "14 days")):
        with pytest.raises(ValueError, match=reason):
            lark.click(message_id, "alice")
    assert lark.click(old, "alice")["code"] == 200340


def test_clicks_over_http(lark: Emulator, api: Api, app: AppServer) -> None:
    set_to = api.http.post("/_emulator/callbacks", json={"url": app.url}).json()
    assert set_to["url"] == app.url
    result = api.http.post(f"/_emulator/cards/{sent(api)}/click", json={"user": "bob"}).json()
    assert (result["code"], result["user"]) == (0, "bob")
    refused = api.http.post("/_emulator/callbacks", json={"url": f"{lark.base_url}/nothing"})
    assert (refused.status_code, "404" in refused.json()["error"]) == (400, True)


def test_requests_behind_a_click_wait_for_it(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, verify=False)
    body = b'{"user": "alice"}'
    click = (
        b"POST /_emulator/cards/%s/click HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    )
    with socket.create_connection(("127.0.0.1", lark.port), timeout=5) as wire:
        wire.sendall(click % (sent(api).encode(), len(body), body))
        wire.sendall(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wire.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := wire.recv(65536):
            answer += piece
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404"]


@pytest.mark.parametrize("how", ["stop", "reset"])
def test_what_is_under_way_is_given_up(lark: Emulator, api: Api, app: AppServer, how: str) -> None:
    asked, release = threading.Event(), threading.Event()

    def answer(_: Received) -> Answered:
        asked.set()
        release.wait(10)
        return Answered()

    app.answer = answer
    lark.set_callback(app.url, verify=False)
    message_id = sent(api)
    lark.settings(callback_timeout=60)
    with ThreadPoolExecutor(2) as pool:
        direct = pool.submit(lark.click, message_id, "alice")
        path = f"/_emulator/cards/{message_id}/click"
        over_http = pool.submit(api.http.post, path, json={"user": "bob"}, timeout=10)
        asked.wait()
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
    message_id = sent(api)
    lark.stop()
    with pytest.raises(RuntimeError, match="stopped"):
        lark.click(message_id, "alice")


# Old cards ---------------------------------------------------------------------------------------------


def test_old_callbacks_are_flat_and_answered_with_the_card(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, old_cards=True, encrypt_key="key", verify=False)
    shown = {"config": {"update_multi": True}, "elements": [{"tag": "div"}]}
    app.says(shown)
    message_id = sent(api, OLD)
    result = lark.click(message_id, "alice")
    came = app.received[-1].json
    assert came == {
        "open_id": "ou_emulator0001_alice",
        "user_id": "alice",
        "open_message_id": message_id,
        "open_chat_id": "oc_emulator_data_team",
        "tenant_key": "emulator0tenant0",
        "token": result["token"],
        "action": {"tag": "button", "value": {"run": 7}, "name": "yes"},
    }
    assert (result["card_updated"], content(lark)) == (True, shown)
    app.says({"toast": {"content": "hello"}})
    lark.click(sent(api, OLD), "alice")
    assert content(lark) == OLD


def test_a_card_is_locked_while_a_click_waits(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, verify=False)
    message_id = sent(api)
    codes: list[Any] = []

    def patched() -> Any:
        return api("PATCH", f"/im/v1/messages/{message_id}", {"content": json.dumps(DONE)})

    def answer(_: Received) -> Answered:
        codes.append(patched())
        return Answered(body=b"{}")

    app.answer = answer
    assert lark.click(message_id, "alice")["code"] == 0
    assert (codes[0]["code"], codes[0]["msg"]) == (
        230099,
        "Failed to create card content, ext=ErrCode: 11310; ErrMsg: card action is lock; ",
    )
    assert patched()["code"] == 0
    lark.settings(card_rules=[])
    assert lark.click(sent(api), "alice")["code"] == 0
    assert codes[1]["code"] == 0


@pytest.mark.parametrize(
    ("which", "empty"),
    [("inputs", {"why": ""}), ("left_out", {}), ("all", {"why": "", "when": ""})],
)
def test_fields_left_empty(
    lark: Emulator, api: Api, app: AppServer, which: str, empty: dict[str, str]
) -> None:
    lark.set_callback(app.url, verify=False)
    lark.settings(empty_fields=which)
    fields = [{"tag": "input", "name": "why"}, {"tag": "date_picker", "name": "when"}]
    send = {"tag": "button", "name": "go", "form_action_type": "submit"}
    card = {
        "schema": "2.0",
        "body": {"elements": [{"tag": "form", "name": "f", "elements": [*fields, send]}]},
    }
    lark.click(sent(api, card), "alice")
    assert app.received[0].json["event"]["action"]["form_value"] == empty
