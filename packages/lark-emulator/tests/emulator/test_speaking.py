"""People write messages: which bots hear them, and what stands in the event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.app_server import PATIENT, AppServer
from tests.emulator.conftest import Api
from tests.emulator.long_connection_failures.waiting import wait
from tests.emulator.test_message_changes import other
from tests.emulator.test_messages import GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator import Emulator

__all__ = ["other"]


@pytest.fixture
def heard(lark: Emulator) -> Iterator[AppServer]:
    lark.settings(**PATIENT)
    with AppServer() as app:
        lark.set_callback("", event_url=app.url)
        yield app


def list_events(heard: AppServer) -> list[dict[str, Any]]:
    payloads = [json.loads(request.body) for request in heard.received]
    return [
        payload
        for payload in payloads
        if payload.get("header", {}).get("event_type") == "im.message.receive_v1"
    ]


def test_a_message_that_mentions_the_bot_is_heard_as_lark_sends_it(lark: Emulator, heard: AppServer) -> None:
    said = lark.say("alice", "/run etl", chat_id=GROUP, mentions=[lark.app_id, "bob", "all"])
    assert [delivery["state"] for delivery in said["events"]] == ["delivered"]
    (event,) = list_events(heard)
    message, sender = event["event"]["message"], event["event"]["sender"]
    assert json.loads(message["content"]) == {"text": "@_user_1 @_user_2 @_all /run etl"}
    assert (message["message_id"], message["chat_id"], message["chat_type"]) == (
        said["message_id"], GROUP, "group",
    )  # fmt: skip
    assert message["create_time"] == message["update_time"] == str(said["create_time"])
    assert {"root_id", "parent_id", "thread_id"}.isdisjoint(message)
    assert [(mention["key"], mention["mentioned_type"]) for mention in message["mentions"]] == [
        ("@_user_1", "bot"), ("@_user_2", "user"),
    ]  # fmt: skip
    assert message["mentions"][0]["id"]["open_id"].endswith("_bot")
    assert (sender["sender_type"], sender["tenant_key"]) == ("user", event["header"]["tenant_key"])


def test_who_is_mentioned_is_read_by_each_app_with_its_own_ids(api: Api, other: Api, lark: Emulator) -> None:
    said = lark.say("alice", "/run etl", chat_id=GROUP, mentions=["all", lark.app_id, "bob"])
    sent = api.send(text='<at user_id="ou_emulator0001_carol"></at> hi')["data"]["message_id"]

    def read(reader: Api, message_id: str) -> list[dict[str, str]]:
        (message,) = reader.data("GET", f"/im/v1/messages/{message_id}")["items"]
        mentions: list[dict[str, str]] = message["mentions"]
        return mentions

    bot, person = read(api, said["message_id"])
    assert (bot["key"], bot["id"], bot["id_type"]) == ("@_user_2", "ou_emulator0001_bot", "open_id")
    assert (person["key"], person["id"]) == ("@_user_3", "ou_emulator0001_bob")
    assert [mention["id"] for mention in read(other, said["message_id"])] == [bot["id"], "ou_two_bob"]
    assert [read(reader, sent)[0]["id"] for reader in (api, other)] == [
        "ou_emulator0001_carol",
        "ou_two_carol",
    ]
    listed = other.data("GET", "/im/v1/messages", container_id_type="chat", container_id=GROUP)["items"]
    assert [len(message["mentions"]) for message in listed] == [2, 1]
    held = lark.state()["chats"][0]["messages"]
    assert [mention["id"] for mention in held[1]["mentions"]] == ["ou_emulator0001_carol"]
    assert [mention["id"] for mention in held[0]["mentions"]] == ["ou_emulator0001_bot", "bob"]


def test_scopes_say_what_a_bot_hears(lark: Emulator, heard: AppServer) -> None:
    def hears(*scopes: str) -> list[int]:
        lark.change_app(scopes=list(scopes))
        said = (
            lark.say("alice", "a", chat_id=GROUP),
            lark.say("alice", "b", chat_id=GROUP, mentions=[lark.app_id]),
            lark.say("alice", "c", app_id=lark.app_id),
        )
        return [len(message["events"]) for message in said]

    assert hears() == [0, 0, 0]
    assert hears("im:message.group_at_msg:readonly") == [0, 1, 0]
    assert hears("im:message.p2p_msg:readonly") == [0, 0, 1]
    assert hears("im:message.group_msg") == [1, 1, 0]
    lark.change_app(event_types=[])
    assert hears("im:message.group_msg") == [0, 0, 0]


def say_to_bot(sender: Api, text: str = '<at user_id="ou_emulator0001_bot">Emulator bot</at> go') -> str:
    return str(sender.send(text=text)["data"]["message_id"])


def test_a_bot_hears_another_bot_that_mentions_it(lark: Emulator, heard: AppServer, other: Api) -> None:
    said = say_to_bot(other)
    say_to_bot(other, "nobody in particular")
    parent = {"msg_type": "text", "content": json.dumps({"text": '<at user_id="ou_emulator0001_bot"></at>'})}
    other.data("POST", f"/im/v1/messages/{said}/reply", parent)
    forwarded = other.data(
        "POST", f"/im/v1/messages/{said}/forward", {"receive_id": GROUP}, receive_id_type="chat_id"
    )
    wait(lambda: len(list_events(heard)) == 3)
    events = {event["event"]["message"]["message_id"]: event["event"] for event in list_events(heard)}
    first = events.pop(said)
    assert first["sender"]["sender_type"] == "bot"
    assert first["sender"]["sender_id"] == {"open_id": "ou_two_bot"}
    assert json.loads(first["message"]["content"]) == {"text": "@_user_1 go"}
    (mention,) = first["message"]["mentions"]
    assert (mention["mentioned_type"], mention["id"]) == ("bot", {"open_id": "ou_emulator0001_bot"})
    assert {event["message"].get("parent_id") for event in events.values()} == {said, None}
    assert forwarded["message_id"] in events
    (read,) = other.data("GET", f"/im/v1/messages/{said}")["items"]
    assert [(mention["id"], mention["name"]) for mention in read["mentions"]] == [
        ("ou_emulator0001_bot", "Emulator bot")
    ]


def test_which_bots_hear_what_apps_send(lark: Emulator, heard: AppServer, api: Api, other: Api) -> None:
    def hears(sender: Api, *scopes: str, text: str = '<at user_id="ou_emulator0001_bot"></at>') -> int:
        lark.change_app(scopes=None if not scopes else [*scopes, "im:message"])
        before = len(lark.state()["events"])
        say_to_bot(sender, text)
        return len(lark.state()["events"]) - before

    lark.settings(rate_limits=False)
    assert hears(other, "im:message.group_at_msg.include_bot:readonly") == 1
    assert hears(other, "im:message.group_at_msg:readonly") == hears(other, "im:message.group_msg") == 0
    assert hears(api) == 0, "its own message"
    user = lark.user_token("alice")["user_access_token"]
    other.http.headers["Authorization"] = f"Bearer {user}"
    assert hears(other, "im:message.group_msg", text="from a person") == 1
    assert hears(other, "im:message.group_at_msg:readonly", text="from a person") == 0


def test_answers_stay_in_their_thread(api: Api, lark: Emulator, heard: AppServer) -> None:
    said = lark.say("alice", "x", chat_id=GROUP, mentions=[lark.app_id], copies=2)
    content = {"msg_type": "text", "content": json.dumps({"text": "y"}), "reply_in_thread": True}
    answer = api.data("POST", f"/im/v1/messages/{said['message_id']}/reply", content)
    assert answer["root_id"] == said["message_id"]
    again = lark.say("alice", "z", chat_id=GROUP, mentions=[lark.app_id], reply_to=answer["message_id"])
    assert (again["thread_id"], again["root_id"]) == (answer["thread_id"], said["message_id"])
    received = list_events(heard)
    assert [event["event"]["message"].get("thread_id") for event in received] == [
        None,
        None,
        answer["thread_id"],
    ]
    assert received[0]["header"]["event_id"] == received[1]["header"]["event_id"]
    (read,) = api.data("GET", f"/im/v1/messages/{said['message_id']}")["items"]
    assert (read["sender"]["sender_type"], json.loads(read["body"]["content"])) == (
        "user",
        {"text": "@_user_1 x"},
    )
    lark.read_message(said["message_id"], "bob")


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"user": "nobody"}, "nobody"),
        ({"user": "alice", "chat_id": "oc_none"}, "oc_none"),
        ({"user": "alice", "chat_id": GROUP, "mentions": ["nobody"]}, "nobody"),
        ({"user": "alice", "chat_id": GROUP, "reply_to": "om_none"}, "om_none"),
        ({"user": "alice", "chat_id": GROUP, "copies": 0}, "'copies'"),
    ],
)
def test_what_nobody_can_say(lark: Emulator, heard: AppServer, spec: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        lark.say(**spec)
    assert list_events(heard) == []
