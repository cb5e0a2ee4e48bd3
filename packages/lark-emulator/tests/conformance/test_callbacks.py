"""What the emulator sends to an app, taken by the official SDK's own handlers, unchanged."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.app_server import PATIENT, AppServer, Received, Reply

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk

KEYS = [("", "vt"), ("ekey", "vt"), ("钥匙", "vt")]
CARD = {
    "schema": "2.0",
    "body": {
        "elements": [
            {
                "tag": "button",
                "name": "yes",
                "text": {"tag": "plain_text", "content": "Yes"},
                "behaviors": [{"type": "callback", "value": {"run": 7}}],
            }
        ]
    },
}
DONE = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "done"}]}}
OLD_CARD = {
    "config": {"update_multi": True},
    "elements": [{"tag": "action", "actions": [{"tag": "button", "value": {"run": 7}}]}],
}


class App:
    """A server that hands every request to a handler of the SDK, and the SDK's answer back."""

    def __init__(self, sdk: Sdk, server: AppServer) -> None:
        self.sdk = sdk
        self.server = server
        self.url = server.url
        self.events: list[Any] = []

    def handles(self, handler: Any) -> None:
        raw_request = importlib.import_module("lark_oapi.core.model").RawRequest

        def answer(received: Received) -> Reply:
            request = raw_request()
            request.uri, request.headers, request.body = received.path, received.headers, received.body
            answered = handler.do(request)
            return Reply(answered.status_code, answered.content)

        self.server.answer = answer

    def dispatches(self, encrypt_key: str, token: str, result: Any = None) -> None:
        """Take card callbacks and events of both versions with the SDK's dispatcher."""
        response = importlib.import_module(
            "lark_oapi.event.callback.model.p2_card_action_trigger"
        ).P2CardActionTriggerResponse

        def handle_click(event: Any) -> Any:
            self.events.append(event)
            return response(result or {})

        self.handles(
            self.sdk.lark.EventDispatcherHandler.builder(encrypt_key, token)
            .register_p2_card_action_trigger(handle_click)
            .register_p2_im_message_receive_v1(self.events.append)
            .register_p1_customized_event("app_ticket", self.events.append)
            .build()
        )


@pytest.fixture
def app(lark: Emulator, sdk: Sdk) -> Iterator[App]:
    lark.settings(**PATIENT)
    logger = logging.getLogger("Lark")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    with AppServer() as server:
        yield App(sdk, server)
    logger.setLevel(level)


def send(lark: Emulator, sdk: Sdk, card: Any) -> str:
    body = {"receive_id": "alice", "msg_type": "interactive", "content": json.dumps(card)}
    request = sdk.request(sdk.im, "CreateMessage", body, receive_id_type="user_id")
    return str(sdk.client(lark).im.v1.message.create(request).data.message_id)


@pytest.mark.parametrize(("encrypt_key", "token"), KEYS)
def test_a_click_with_toast_and_card(
    lark: Emulator, sdk: Sdk, app: App, encrypt_key: str, token: str
) -> None:
    app.dispatches(
        encrypt_key,
        token,
        {"toast": {"type": "success", "content": "thanks"}, "card": {"type": "raw", "data": DONE}},
    )
    lark.set_callback(app.url, encrypt_key=encrypt_key, verification_token=token)
    message_id = send(lark, sdk, CARD)
    result = lark.click(message_id, "alice")
    assert (result["code"], result["toast"], result["card_updated"]) == (
        0,
        {"type": "success", "content": "thanks"},
        True,
    )
    (event,) = app.events
    assert event.header.event_id == result["event_id"]
    assert event.event.token == result["token"]
    assert event.event.operator.open_id == "ou_emulator0001_alice"
    assert (event.event.action.tag, event.event.action.name, event.event.action.value) == (
        "button",
        "yes",
        {"run": 7},
    )
    assert event.event.context.open_message_id == message_id


@pytest.mark.parametrize(("encrypt_key", "token"), KEYS)
@pytest.mark.parametrize("wrong", ["encrypt_key", "token"])
def test_keys_that_differ_are_found_out(
    lark: Emulator, sdk: Sdk, app: App, encrypt_key: str, token: str, wrong: str
) -> None:
    keys = {"encrypt_key": encrypt_key, "token": token, wrong: "another"}
    app.dispatches(**keys)
    lark.set_callback(app.url, encrypt_key=encrypt_key, verification_token=token, verify=False)
    assert lark.click(send(lark, sdk, CARD), "alice")["code"] == 200671
    assert app.events == []


def test_a_handler_that_returns_nothing(lark: Emulator, sdk: Sdk, app: App) -> None:
    app.dispatches("ekey", "vt")
    lark.set_callback(app.url, encrypt_key="ekey", verification_token="vt")
    result = lark.click(send(lark, sdk, CARD), "alice")
    assert (result["code"], result["toast"], result["card_updated"]) == (0, None, False)


@pytest.mark.parametrize(("encrypt_key", "token"), KEYS)
def test_events_of_both_versions(lark: Emulator, sdk: Sdk, app: App, encrypt_key: str, token: str) -> None:
    app.dispatches(encrypt_key, token)
    lark.add_app("cli_store", "secret", store=True)
    for app_id in (lark.app_id, "cli_store"):
        lark.set_callback(
            "", event_url=app.url, app_id=app_id, encrypt_key=encrypt_key, verification_token=token
        )
    message = {"message_id": "om_1", "chat_type": "p2p", "message_type": "text"}
    pushed = lark.push_event("im.message.receive_v1", {"message": message})
    lark.advance(3600)
    received, ticket = app.events
    assert (received.header.event_id, received.event.message.message_id) == (pushed["event_id"], "om_1")
    assert ticket.event["app_ticket"] == lark.state()["apps"][-1]["app_ticket"]
    assert lark.state()["event_states"] == {"delivered": 2}


def test_old_cards_with_the_old_handler(lark: Emulator, sdk: Sdk, app: App) -> None:
    shown = {"config": {"update_multi": True}, "elements": []}
    cards: list[Any] = []

    def handle_click(card: Any) -> Any:
        cards.append(card)
        return shown

    app.handles(sdk.lark.CardActionHandler.builder("", "vt").register(handle_click).build())
    lark.set_callback(app.url, verification_token="vt", old_cards=True)
    message_id = send(lark, sdk, OLD_CARD)
    result = lark.click(message_id, "alice")
    assert (result["code"], result["card_updated"]) == (0, True)
    (card,) = cards
    assert (card.open_message_id, card.open_id) == (message_id, "ou_emulator0001_alice")
    assert (card.action.tag, card.action.value, card.token) == ("button", {"run": 7}, result["token"])
    app.handles(sdk.lark.CardActionHandler.builder("", "other").register(handle_click).build())
    assert lark.click(send(lark, sdk, OLD_CARD), "alice")["code"] == 200671
