"""The gateway and the local Lark, over HTTP: two readings of the same documents, written apart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.cards import Button, Card2, Markdown
from lark_provider.callbacks import CallbackKeys, CardClick, Endpoint, Event, Gateway, card_update, toast
from lark_provider.callbacks.http.app import application
from tests.callbacks.parts import FakeSink, KnownKeys
from tests.callbacks.serving import serve

KEY, TOKEN = "the app's key", "the app's token"
CARD = Card2([Markdown("Publish?"), Button("Yes", value={"decision": "yes"}, name="yes")])
DONE = Card2([Markdown("published")])


async def publish(click: CardClick) -> bytes:
    assert click.action.value == {"decision": "yes"}
    return toast("success", "published", card=DONE)


@pytest.fixture(params=["encrypted", "plain", "old", "old, with a key"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place() -> FakeSink:
    return FakeSink()


@pytest.fixture
def callback(lark: Emulator, place: FakeSink, kind: str) -> Iterator[dict[str, Any]]:
    """Register the callback URL, whose challenge the gateway answers, and yield its entry in the console."""
    key = KEY if kind in {"encrypted", "old, with a key"} else None
    keys = KnownKeys(CallbackKeys(lark.app_id, key, TOKEN))
    old = kind.startswith("old")
    gateway = Gateway(keys, [place], handler=publish, endpoint=Endpoint(accept_old_cards=old))
    with serve(application(gateway)) as url:
        yield lark.set_callback(
            f"{url}/lark/callbacks/{lark.app_id}", encrypt_key=key, verification_token=TOKEN, old_cards=old
        )


def ask(lark: Emulator) -> str:
    with LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url) as client:
        sent = client.messaging.send_card("oc_emulator_data_team", CARD)
    return str(sent.data["message_id"])


def test_a_click_arrives_and_its_answer_is_shown(
    lark: Emulator, callback: dict[str, Any], place: FakeSink, kind: str
) -> None:
    message_id = ask(lark)
    result = lark.click(message_id, "alice", "yes")
    assert (result["status"], result["code"]) == (200, 0), result["error"]
    (click,) = place.stored
    assert isinstance(click, CardClick)
    assert (click.app_id, click.message_id) == (lark.app_id, message_id)
    assert (click.operator.user_id, click.token) == ("alice", result["token"])
    assert (click.action.tag, click.action.value) == ("button", {"decision": "yes"})
    assert abs(click.created_at.timestamp() - time.time()) < 60
    if kind.startswith("old"):
        assert click.is_old
    else:
        assert click.event_id == result["event_id"]
        assert result["toast"] == {"type": "success", "content": "published"}
    assert result["card_updated"]


def test_a_click_that_is_delivered_three_times_is_kept_once_if_it_has_an_id(
    lark: Emulator, callback: dict[str, Any], place: FakeSink, kind: str
) -> None:
    result = lark.click(ask(lark), "alice", "yes", copies=3)
    assert [delivery["status"] for delivery in (result, *result["repeats"])] == [200] * (
        1 + len(result["repeats"])
    )
    assert len(place.stored) == (3 if kind.startswith("old") else 1)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_an_event_arrives(
    lark: Emulator, callback: dict[str, Any], place: FakeSink, kind: str, version: str
) -> None:
    pushed = lark.push_event("im.message.receive_v1", {"message": {"message_id": "om_1"}}, version=version)
    assert pushed["state"] == "delivered"
    (event,) = place.stored
    assert isinstance(event, Event)
    assert (event.event_id, event.type) == (pushed["event_id"], "im.message.receive_v1")
    assert event.event["message"] == {"message_id": "om_1"}


def test_an_event_that_is_not_kept_is_repeated(lark: Emulator) -> None:
    place = FakeSink("queue", *[ConnectionError("lost")] * 2, 0)
    keys = KnownKeys(CallbackKeys(lark.app_id, KEY, TOKEN))
    with serve(application(Gateway(keys, [place], deadline=0.4))) as url:
        lark.set_callback(f"{url}/lark/callbacks/{lark.app_id}", encrypt_key=KEY, verification_token=TOKEN)
        pushed = lark.push_event("im.message.receive_v1", {})
        assert (pushed["state"], pushed["attempts"][0]["status"]) == ("pending", 503)
        assert place.stored == []


def test_a_wrong_key_at_either_side_is_not_taken(lark: Emulator) -> None:
    keys = KnownKeys(CallbackKeys(lark.app_id, "another key", TOKEN))
    with (
        serve(application(Gateway(keys, [FakeSink()]))) as url,
        pytest.raises(ValueError, match="did not return the challenge"),
    ):
        lark.set_callback(f"{url}/lark/callbacks/{lark.app_id}", encrypt_key=KEY, verification_token=TOKEN)


def test_a_template_is_shown(lark: Emulator) -> None:
    async def template(_: CardClick) -> bytes:
        return card_update({"type": "template", "data": {"template_id": "ctp_1"}})

    lark.settings(card_templates=["ctp_1"])
    keys = KnownKeys(CallbackKeys(lark.app_id, KEY, TOKEN))
    with serve(application(Gateway(keys, [FakeSink()], handler=template))) as url:
        lark.set_callback(f"{url}/lark/callbacks/{lark.app_id}", encrypt_key=KEY, verification_token=TOKEN)
        assert lark.click(ask(lark), "alice", "yes")["card_updated"] is True
