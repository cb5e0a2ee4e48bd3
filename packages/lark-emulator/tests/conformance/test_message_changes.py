"""What the official SDK sees when messages are answered, edited, updated and recalled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk

GROUP = "oc_emulator_data_team"
TEXT = {"msg_type": "text", "content": '{"text":"x"}'}


class Messages:
    """Message calls of the SDK as one app."""

    def __init__(self, sdk: Sdk, client: Any) -> None:
        self._sdk = sdk
        self._calls = client.im.v1.message

    def send(self, msg_type: str = "text", content: Any = None, receive_id: str = GROUP) -> str:
        body = {
            "receive_id": receive_id,
            "msg_type": msg_type,
            "content": json.dumps(content or {"text": "x"}),
        }
        answer = self._calls.create(
            self._sdk.request(self._sdk.im, "CreateMessage", body, receive_id_type="chat_id")
        )
        assert answer.success(), answer.msg
        return str(answer.data.message_id)

    def do(self, name: str, message_id: str, body: Any = None, **parts: Any) -> Any:
        model = f"{name.capitalize()}Message"
        request = self._sdk.request(self._sdk.im, model, body, message_id=message_id, **parts)
        return getattr(self._calls, name)(request)

    def list(self, kind: str, container: str) -> Any:
        parts = {"container_id_type": kind, "container_id": container}
        return self._calls.list(self._sdk.request(self._sdk.im, "ListMessage", **parts))

    def update(self, message_id: str, card: Any) -> Any:
        return self.do("patch", message_id, {"content": json.dumps(card)})


@pytest.fixture
def messages(lark: Emulator, sdk: Sdk) -> Messages:
    return Messages(sdk, sdk.client(lark))


@pytest.fixture
def other(lark: Emulator, sdk: Sdk) -> tuple[Messages, str]:
    """Return another app's `Messages`, and the id of a group that it shares with the first."""
    app = lark.add_app("cli_other", "s")
    chat = lark.add_chat("Shared", users=["alice"], bots=[lark.app_id, app["app_id"]])
    return Messages(sdk, sdk.client(lark, "cli_other", "s")), chat["chat_id"]


def card(text: str, **root: Any) -> dict[str, Any]:
    return {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": text}]}, **root}


def check_refused(answer: Any, code: int, text: str = "") -> None:
    assert (answer.code, answer.raw.status_code) == (code, 400)
    assert text in answer.msg
    assert answer.get_log_id()


def test_a_card_is_updated(messages: Messages) -> None:
    message_id = messages.send("interactive", card("before"))
    answer = messages.update(message_id, card("after"))
    assert answer.success()
    assert json.loads(answer.raw.content)["data"] == {}
    (read,) = messages.do("get", message_id, card_msg_content_type="user_card_content").data.items
    assert (read.updated, "after" in read.body.content) == (True, True)


def test_updates_of_cards_that_are_refused(messages: Messages, other: tuple[Messages, str]) -> None:
    message_id = messages.send("interactive", card("before"), other[1])
    check_refused(messages.update(messages.send(), card("x")), 230001, "This message is NOT a card")
    check_refused(other[0].update(message_id, card("x")), 230012)
    check_refused(messages.update(message_id, card("x" * 30 * 1024)), 230025)
    check_refused(messages.update(message_id, card("x", colour="red")), 230099, "ErrCode: 200621; ErrMsg: ")
    noted = {"schema": "2.0", "body": {"elements": [{"tag": "note", "elements": []}]}}
    check_refused(
        messages.update(message_id, noted), 230099, "ErrCode: 200861; ErrPath: ROOT -> body -> elements"
    )
    check_refused(messages.update(message_id, {"elements": []}), 230099, "ErrCode: 200830; ErrMsg: ")
    assert [messages.update(message_id, card("x")).code for _ in range(6)] == [0] * 5 + [230020]
    check_refused(messages.update("om_none", card("x")), 230001, "invalid message_id")


def test_an_update_after_two_weeks(messages: Messages, lark: Emulator) -> None:
    lark.settings(token_life=30 * 86400)
    message_id = messages.send("interactive", card("before"))
    lark.advance(14 * 86400 + 1)
    check_refused(messages.update(message_id, card("after")), 230031)


def test_a_repeated_reply_is_one_reply(messages: Messages, lark: Emulator) -> None:
    root = messages.send()
    body = {**TEXT, "reply_in_thread": True, "uuid": "u"}
    first, second = (messages.do("reply", root, body).data for _ in range(2))
    assert (first.message_id, first.root_id) == (second.message_id, root)
    assert first.thread_id.startswith("omt_")
    assert lark.state()["chats"][0]["message_count"] == 2


def test_replies_that_are_refused(messages: Messages, other: tuple[Messages, str]) -> None:
    root = messages.send()
    check_refused(messages.do("reply", "om_none", TEXT), 230001, "invalid message_id")
    check_refused(other[0].do("reply", root, TEXT), 230002)
    check_refused(messages.do("reply", root, {**TEXT, "content": "x"}), 230001)
    assert messages.do("delete", root).success()
    check_refused(messages.do("reply", root, TEXT), 230011)


def test_an_edit_and_its_refusals(messages: Messages, other: tuple[Messages, str]) -> None:
    message_id = messages.send(receive_id=other[1])
    assert messages.do("update", message_id, TEXT).data.updated is True
    check_refused(other[0].do("update", message_id, TEXT), 230071)
    content = json.dumps(card("x"))
    check_refused(messages.do("update", message_id, {"msg_type": "interactive", "content": content}), 230001)
    check_refused(messages.do("update", messages.send("interactive", card("x")), TEXT), 230054)
    assert [messages.do("update", message_id, TEXT).code for _ in range(20)] == [0] * 19 + [230072]


def test_a_recall_and_its_refusals(messages: Messages, other: tuple[Messages, str], lark: Emulator) -> None:
    lark.settings(recall_window=60)
    message_id, late = messages.send(receive_id=other[1]), messages.send()
    check_refused(other[0].do("delete", message_id), 230026)
    assert messages.do("delete", message_id).success()
    check_refused(messages.do("delete", message_id), 230011)
    (read,) = messages.do("get", message_id).data.items
    assert (read.deleted, read.body.content) == (True, "This message was recalled")
    lark.advance(61)
    check_refused(messages.do("delete", late), 230009)


def test_a_thread_is_listed_apart(messages: Messages) -> None:
    root = messages.send()
    first = messages.do("reply", root, {**TEXT, "reply_in_thread": True}).data
    recalled = messages.do("reply", first.message_id, TEXT).data.message_id
    assert messages.do("delete", recalled).success()
    (in_chat,) = messages.list("chat", GROUP).data.items
    assert (in_chat.message_id, in_chat.thread_id) == (root, first.thread_id)
    in_thread = messages.list("thread", first.thread_id).data.items
    assert [item.message_id for item in in_thread] == [root, first.message_id, recalled]
    assert [item.deleted for item in in_thread] == [False, False, True]
    check_refused(messages.list("thread", "omt_none"), 230001)


def test_what_becomes_of_a_card_when_its_world_changes(lark: Emulator, sdk: Sdk, messages: Messages) -> None:
    old, recalled, kept = (messages.send("interactive", card("before")) for _ in range(3))
    lark.change_message(old, age_s=14 * 24 * 3600 + 60)
    lark.change_message(recalled, recalled=True)
    check_refused(messages.update(old, card("after")), 230031)
    check_refused(messages.update(recalled, card("after")), 230011)
    lark.change_chat(GROUP, remove_bots=[lark.app_id])
    check_refused(messages.update(kept, card("after")), 230002)
    lark.change_chat(GROUP, add_bots=[lark.app_id], dissolved=True)
    check_refused(messages.update(kept, card("after")), 232009, "dissolved")
    chats = sdk.client(lark).im.v1.chat
    assert chats.get(sdk.request(sdk.im, "GetChat", chat_id=GROUP)).data.chat_status == "dissolved"


def test_a_person_who_is_frozen_and_one_of_another_tenant(lark: Emulator, sdk: Sdk) -> None:
    lark.change_user("bob", status="frozen", enterprise_email="bob@corp.example.com")
    lark.add_user("mallory", tenant_key="tenant_b")
    lark.change_chat(GROUP, add_users=["mallory"])
    client = sdk.client(lark)
    get = sdk.request(sdk.contact, "GetUser", user_id="bob", user_id_type="user_id")
    user = client.contact.v3.user.get(get).data.user
    assert (user.status.is_frozen, user.status.is_resigned, user.status.is_activated) == (True, False, False)
    assert user.enterprise_email == "bob@corp.example.com"
    listed = client.im.v1.chat_members.get(sdk.request(sdk.im, "GetChatMembers", chat_id=GROUP)).data.items
    assert [member.tenant_key for member in listed] == ["emulator0tenant0"] * 3 + ["tenant_b"]
    body = {"receive_id": "mallory", "msg_type": "text", "content": '{"text":"x"}'}
    create = sdk.request(sdk.im, "CreateMessage", body, receive_id_type="user_id")
    check_refused(client.im.v1.message.create(create), 230038)
