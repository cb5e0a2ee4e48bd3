"""The deprecated endpoints that many published clients still use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

SEND = "/message/v4/send/"
GROUP = "oc_emulator_data_team"
TEXT = {"msg_type": "text", "content": {"text": "hi"}}
CARD = {"elements": [{"tag": "hr"}]}
PATH = "/user/v1/batch_get_id"


def read_message(api: Api, message_id: str) -> Any:
    return api.data("GET", f"/im/v1/messages/{message_id}")["items"][0]


@pytest.mark.parametrize("path", [SEND, SEND.rstrip("/")])
def test_a_text_to_a_group_and_a_reply_to_it(api: Api, path: str) -> None:
    first = api.data("POST", path, {"chat_id": GROUP, "email": None, **TEXT})
    assert list(first) == ["message_id"]
    second = api.data("POST", path, {"chat_id": GROUP, "root_id": first["message_id"], **TEXT})
    shown = read_message(api, second["message_id"])
    assert (shown["chat_id"], shown["root_id"], shown["parent_id"]) == (GROUP, *[first["message_id"]] * 2)
    assert shown["body"]["content"] == '{"text":"hi"}'


def test_the_first_receiver_of_the_documented_order_counts(api: Api, lark: Emulator) -> None:
    everyone = {"email": "bob@example.com", "user_id": "bob", "open_id": "ou_emulator0001_alice"}
    private = read_message(api, api.data("POST", SEND, {**everyone, **TEXT})["message_id"])["chat_id"]
    (chat,) = [candidate for candidate in lark.state()["chats"] if candidate["chat_id"] == private]
    assert chat["users"] == ["alice"]
    group = api.data("POST", SEND, {**everyone, "chat_id": GROUP, **TEXT})["message_id"]
    assert read_message(api, group)["chat_id"] == GROUP


def test_contents_that_have_a_form_of_their_own(api: Api) -> None:
    post = {"post": {"zh_cn": {"title": "T", "content": [[{"tag": "text", "text": "x"}]]}}}
    group = {"share_chat_id": GROUP}
    for kind, content in (("post", post), ("share_chat", group)):
        sent = api.data("POST", SEND, {"chat_id": GROUP, "msg_type": kind, "content": content})
        assert read_message(api, sent["message_id"])["msg_type"] == kind


@pytest.mark.parametrize(("shared", "code"), [(True, 0), (False, 230001)])
def test_a_card_that_is_shared_can_be_updated(api: Api, shared: bool, code: int) -> None:
    body = {"chat_id": GROUP, "msg_type": "interactive", "card": CARD, "update_multi": shared}
    sent = api.data("POST", SEND, body)["message_id"]
    new = '{"config": {"update_multi": true}, "elements": [{"tag": "hr"}]}'
    assert api("PATCH", f"/im/v1/messages/{sent}", {"content": new})["code"] == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (TEXT, 10003),
        ({"chat_id": GROUP, "msg_type": "text", "content": '{"text": "hi"}'}, 10003),
        ({"chat_id": GROUP, "msg_type": "text", "content": {}}, 10002),
        ({"chat_id": GROUP, "msg_type": "interactive", "card": {"elements": [{"tag": "no"}]}}, 11246),
        ({"chat_id": GROUP, "root_id": "om_none", **TEXT}, 230001),
        ({"open_id": "ou_none", **TEXT}, 230034),
    ],
)
def test_what_is_refused_is_not_sent(api: Api, lark: Emulator, body: Any, code: int) -> None:
    assert api("POST", SEND, body)["code"] == code
    assert [chat["messages"] for chat in lark.state()["chats"]] == [[]]


def test_both_ids_by_address_and_who_does_not_exist(api: Api, lark: Emulator) -> None:
    lark.change_user("bob", status="resigned")
    query = {"emails": ["alice@example.com", "bob@example.com"], "mobiles": ["13800000001", "+12126668888"]}
    alice = [{"open_id": "ou_emulator0001_alice", "user_id": "alice"}]
    assert api.data("GET", PATH, **query) == {
        "email_users": {"alice@example.com": alice},
        "emails_not_exist": ["bob@example.com"],
        "mobile_users": {"13800000001": alice},
        "mobiles_not_exist": ["+12126668888"],
    }


def test_the_user_id_needs_its_scope_and_others_are_out_of_range(api: Api, lark: Emulator) -> None:
    lark.change_app(scopes=["contact:user.id:readonly"], available_to=["alice"])
    data = api.data("GET", PATH, emails=["alice@example.com", "bob@example.com"])
    assert data["email_users"] == {"alice@example.com": [{"open_id": "ou_emulator0001_alice"}]}
    assert data["emails_not_exist"] == ["bob@example.com"]
    assert api("GET", PATH, emails=["a@example.com"] * 51)["code"] == 99992402


def test_a_group_is_shared_with_many_by_the_name_that_the_page_gives_it(api: Api) -> None:
    body = {"user_ids": ["bob"], "msg_type": "share_chat", "content": {"share_chat_id": GROUP}}
    assert api.data("POST", "/message/v4/batch_send/", body)["invalid_user_ids"] == []
