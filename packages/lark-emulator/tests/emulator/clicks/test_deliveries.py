"""Which clicks arrive at an app's address, and in what form."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from lark_emulator import Emulator
from tests.emulator.app_server import AppServer, Received, Reply
from tests.emulator.clicks.card_buttons import BUTTON, OLD, read_content, send_card
from tests.emulator.conftest import Api


def test_a_click_arrives_as_documented(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, verification_token="vt", verify=False)
    message_id = send_card(api)
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
    message_id = send_card(api)
    lark.change_app(scopes=["im:message"])
    lark.click(message_id, "alice")
    assert "user_id" not in app.received[-1].json["event"]["operator"]


def test_every_delivery_is_encrypted_and_signed_again(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, encrypt_key="key", verify=False)
    message_id, before = send_card(api), int(time.time())
    lark.advance(24 * 3600)
    lark.click(message_id, "alice", copies=2)
    first, second = app.received
    assert list(first.json) == ["encrypt"]
    for name in ("X-Lark-Request-Nonce", "X-Lark-Signature"):
        assert first.headers[name] != second.headers[name]
    # The clock of the receiver has not been moved.
    assert before <= int(first.headers["X-Lark-Request-Timestamp"]) <= time.time()


def test_a_form_with_a_field_without_a_name_fails_at_the_click(
    lark: Emulator, api: Api, app: AppServer
) -> None:
    lark.set_callback(app.url)
    send = {**BUTTON, "form_action_type": "submit"}
    form = {"tag": "form", "name": "f", "elements": [{"tag": "input"}, send]}
    shown = lark.click(send_card(api, {"schema": "2.0", "body": {"elements": [form]}}), "alice")
    assert (shown["code"], shown["status"]) == (200530, None)
    assert len(app.received) == 1  # the challenge


def test_whether_a_submit_button_brings_its_value_is_a_setting(
    lark: Emulator, api: Api, app: AppServer
) -> None:
    lark.set_callback(app.url)
    form = {"tag": "form", "name": "f", "elements": [{**BUTTON, "form_action_type": "submit"}]}
    message = send_card(api, {"schema": "2.0", "body": {"elements": [form]}})
    assert lark.click(message, "alice")["action"]["value"] == {"run": 7}
    lark.settings(submit_value="left_out")
    assert "value" not in lark.click(message, "alice")["action"]


def test_copies_are_the_same_callback_again(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, verify=False)
    app.answer_with({"toast": {"content": "first"}}, {"toast": {"content": "again"}})
    result = lark.click(send_card(api), "alice", copies=3)
    assert len({came.json["header"]["event_id"] for came in app.received}) == 1
    assert result["toast"]["content"] == "first"
    assert [repeat["toast"]["content"] for repeat in result["repeats"]] == ["again"] * 2


def test_many_users_click_at_once(lark: Emulator, api: Api, app: AppServer) -> None:
    together = threading.Barrier(8, timeout=10)

    def answer(_: Received) -> Reply:
        together.wait()
        return Reply()

    app.answer = answer
    lark.set_callback(app.url, verify=False)
    message_id = send_card(api)
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
    message_id = send_card(api, {"type": "template", "data": {"template_id": "ctp_1"}})
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
    message_id = send_card(api)
    with pytest.raises(ValueError, match=text):
        lark.click(**{"message_id": message_id, "user": "alice", **click})
    path = f"/_emulator/cards/{click.pop('message_id', message_id)}/click"
    answer = api.http.post(path, json={"user": "alice", **click})
    assert (answer.status_code, text in answer.json()["error"]) == (400, True)


def test_cards_that_cannot_be_used_any_more(lark: Emulator, api: Api) -> None:
    text = api.send()["data"]["message_id"]
    recalled = send_card(api)
    api("DELETE", f"/im/v1/messages/{recalled}")
    new, old = send_card(api), send_card(api, OLD)
    lark.advance(14 * 24 * 3600 + 1)
    for message_id, reason in ((text, "must be a card"), (recalled, "recalled"), (new, "14 days")):
        with pytest.raises(ValueError, match=reason):
            lark.click(message_id, "alice")
    assert lark.click(old, "alice")["code"] == 200340


def test_clicks_over_http(lark: Emulator, api: Api, app: AppServer) -> None:
    set_to = api.http.post("/_emulator/callbacks", json={"url": app.url}).json()
    assert set_to["url"] == app.url
    result = api.http.post(f"/_emulator/cards/{send_card(api)}/click", json={"user": "bob"}).json()
    assert (result["code"], result["user"]) == (0, "bob")
    refused = api.http.post("/_emulator/callbacks", json={"url": f"{lark.base_url}/nothing"})
    assert (refused.status_code, "404" in refused.json()["error"]) == (400, True)


def test_old_callbacks_are_flat_and_answered_with_the_card(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, old_cards=True, encrypt_key="key", verify=False)
    shown = {"config": {"update_multi": True}, "elements": [{"tag": "div"}]}
    app.answer_with(shown)
    message_id = send_card(api, OLD)
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
    assert (result["card_updated"], read_content(lark)) == (True, shown)
    app.answer_with({"toast": {"content": "hello"}})
    lark.click(send_card(api, OLD), "alice")
    assert read_content(lark) == OLD


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
    lark.click(send_card(api, card), "alice")
    assert app.received[0].json["event"]["action"]["form_value"] == empty
