"""A second opinion: Lark's official SDK takes what we take."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from lark_oapi import EventDispatcherHandler
from lark_oapi.card.action_handler import CardActionHandler
from lark_oapi.core.model import RawRequest
from lark_oapi.event.callback.model.p2_card_action_trigger import (
    P2CardActionTrigger,
    P2CardActionTriggerResponse,
)

from lark_provider.protocol.callbacks import CallbackKeys, CallbackRefusedError, CardClick, Incoming, receive
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.sender import APP, KEY, NOW, TOKEN


class Sdk:
    """The SDK's handler, and what it handed on."""

    def __init__(self, encrypt_key: str) -> None:
        self.seen: list[Any] = []

        def on_card(click: P2CardActionTrigger) -> P2CardActionTriggerResponse:
            self.seen.append(click)
            return P2CardActionTriggerResponse({})

        self.handler = (
            EventDispatcherHandler.builder(encrypt_key, TOKEN)
            .register_p2_card_action_trigger(on_card)
            .register_p2_customized_event("im.message.receive_v1", self.seen.append)
            .register_p1_customized_event("p2p_chat_create", self.seen.append)
            .build()
        )

    def status(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        request = RawRequest()
        request.uri, request.headers, request.body = "/", headers, body
        response = self.handler.do(request)
        return response.status_code, response.content


def ours(headers: dict[str, str], body: bytes, encrypt_key: str) -> Any:
    return receive(Incoming(headers, body), CallbackKeys(APP, encrypt_key, TOKEN), NOW)


@pytest.fixture(params=[KEY, ""], ids=["encrypted", "plain"])
def key(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("make", [sender.card, sender.make_event, sender.make_event_1])
def test_both_take_the_same_request(make: Callable[[], dict[str, Any]], key: str) -> None:
    body = sender.seal_body(make()) if key else sender.dump(make())
    headers = sender.make_headers(body)
    sdk = Sdk(key)
    status, content = sdk.status(headers, body)
    assert (status, len(sdk.seen)) == (200, 1), content
    assert ours(headers, body, key)


def test_both_read_the_same_click(key: str) -> None:
    content = sender.card(
        {"tag": "button", "name": "n", "value": {"k": "v"}, "options": ["a"], "checked": True}
    )
    body = sender.seal_body(content) if key else sender.dump(content)
    headers = sender.make_headers(body)
    sdk = Sdk(key)
    assert sdk.status(headers, body)[0] == 200
    theirs, click = sdk.seen[0], ours(headers, body, key)
    assert isinstance(click, CardClick)
    assert (click.event_id, click.app_id) == (theirs.header.event_id, theirs.header.app_id)
    assert click.operator.open_id == theirs.event.operator.open_id
    assert click.operator.union_id == theirs.event.operator.union_id
    assert (click.message_id, click.chat_id) == (
        theirs.event.context.open_message_id,
        theirs.event.context.open_chat_id,
    )
    assert click.token == theirs.event.token
    for name in ("tag", "name", "value", "checked", "option", "input_value", "timezone", "form_value"):
        assert getattr(click.action, name) == getattr(theirs.event.action, name)
    assert list(click.action.options) == theirs.event.action.options


def test_both_answer_a_challenge_alike(key: str) -> None:
    body = sender.seal_body(sender.challenge()) if key else sender.dump(sender.challenge())
    status, content = Sdk(key).status({}, body)
    assert status == 200
    assert json.loads(content) == json.loads(ours({}, body, key).answer)


def test_both_refuse_a_wrong_signature_and_a_wrong_token() -> None:
    good, other = sender.seal_body(sender.card()), sender.seal_body(sender.card(token="other"))
    for headers, body in [
        (sender.make_headers(good, key="other"), good),
        (sender.make_headers(good + b" "), good),
        (sender.make_headers(other), other),
        ({}, sender.seal_body(sender.challenge("other"))),
    ]:
        sdk = Sdk(KEY)
        assert (sdk.status(headers, body)[0], sdk.seen) == (500, [])
        with pytest.raises(CallbackRefusedError):
            ours(headers, body, KEY)


def test_both_take_an_old_card() -> None:
    seen: list[Any] = []
    handler = CardActionHandler.builder("", TOKEN).register(seen.append).build()
    body = sender.dump(sender.old_card())
    request = RawRequest()
    request.uri, request.body = "/", body
    request.headers = sender.make_headers(body, key=TOKEN, algorithm="sha1")
    assert handler.do(request).status_code == 200
    click = receive(
        Incoming(request.headers, body), CallbackKeys(APP, KEY, TOKEN), NOW, accept_old_cards=True
    )
    assert isinstance(click, CardClick)
    assert click.operator.open_id == seen[0].open_id
    assert click.action.value == seen[0].action.value
