from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from lark_emulator.im.card_reading import UPGRADE, UPGRADE_PICTURE
from tests.emulator.conftest import Api

if TYPE_CHECKING:
    from lark_emulator import Emulator

GROUP = "oc_emulator_data_team"


def send(api: Api, msg_type: str, content: Any) -> Any:
    raw = content if isinstance(content, str) else json.dumps(content)
    body = {"receive_id": GROUP, "msg_type": msg_type, "content": raw}
    return api("POST", "/im/v1/messages", body, receive_id_type="chat_id")


def card(*elements: Any, **root: Any) -> dict[str, Any]:
    return {"schema": "2.0", "body": {"elements": list(elements)}, **root}


MARKDOWN = {"tag": "markdown", "content": "x"}


@pytest.mark.parametrize(
    ("msg_type", "content"),
    [
        ("text", {"text": "x"}),
        ("post", {"zh_cn": {"title": "t", "content": [[{"tag": "text", "text": "x"}]]}}),
        ("share_chat", {"chat_id": GROUP}),
        ("share_user", {"user_id": "ou_emulator0001_alice"}),
        ("interactive", card(MARKDOWN)),
        ("interactive", {"elements": [{"tag": "action", "actions": []}]}),
    ],
)
def test_content_that_fits(api: Api, msg_type: str, content: Any) -> None:
    answer = send(api, msg_type, content)
    assert answer["code"] == 0
    assert answer["data"]["create_time"].isdigit()
    assert len(answer["data"]["create_time"]) == 13


def test_a_divider_goes_from_a_bot_to_one_person(api: Api) -> None:
    divider = {
        "type": "divider",
        "params": {"divider_text": {"text": "new"}},
        "options": {"need_rollup": True},
    }
    body = {"receive_id": "ou_emulator0001_alice", "msg_type": "system", "content": json.dumps(divider)}
    sent = api("POST", "/im/v1/messages", body, receive_id_type="open_id")["data"]
    assert (sent["msg_type"], json.loads(sent["body"]["content"])) == ("system", divider)
    assert api("POST", f"/im/v1/messages/{sent['message_id']}/reply", body)["code"] == 0
    assert send(api, "system", divider)["code"] == 230054
    for wrong in ({}, {"type": "notice"}, {**divider, "params": {"divider_text": {"text": ""}}}):
        refused = {**body, "content": json.dumps(wrong)}
        assert api("POST", "/im/v1/messages", refused, receive_id_type="open_id")["code"] == 230001


@pytest.mark.parametrize(
    ("msg_type", "content", "code"),
    [
        ("text", "hello", 230001),
        ("text", "[]", 230001),
        ("text", {"txt": "x"}, 230001),
        ("text", {"text": ""}, 230001),
        ("text", {"text": 1}, 230001),
        ("post", {"post": {"zh_cn": {"content": []}}}, 230001),
        ("post", {"zh_cn": {"content": [{"tag": "text"}]}}, 230001),
        ("post", {"zh_cn": {"content": [[{"tag": "table"}]]}}, 230001),
        ("image", {"file_key": "x"}, 230001),
        ("sms", {"text": "x"}, 230001),
        ("text", {"text": "x" * 150 * 1024}, 230025),
        ("post", {"zh_cn": {"content": [[{"tag": "text", "text": "x" * 30 * 1024}]]}}, 230025),
        ("interactive", card({"tag": "markdown", "content": "x" * 30 * 1024}), 230025),
    ],
)
def test_content_that_does_not_fit(api: Api, msg_type: str, content: Any, code: int) -> None:
    answer = send(api, msg_type, content)
    assert (answer["code"], answer["http"]) == (code, 400)


def test_card_limits_and_templates_are_settings(api: Api, lark: Emulator) -> None:
    lark.settings(max_card_bytes=131 * 1024, card_templates=["AAq"])
    assert send(api, "interactive", card({"tag": "markdown", "content": "x" * 100 * 1024}))["code"] == 0
    assert send(api, "interactive", {"type": "template", "data": {"template_id": "AAq"}})["code"] == 0


def test_a_card_reads_as_text_or_as_it_was_sent(api: Api) -> None:
    sent = card(MARKDOWN, header={"title": {"tag": "plain_text", "content": "T"}})
    message_id = send(api, "interactive", sent)["data"]["message_id"]
    path = f"/im/v1/messages/{message_id}"

    def read_content(path: str, **query: str) -> Any:
        (read,) = api.data("GET", path, **query)["items"]
        return json.loads(read["body"]["content"])

    assert read_content(path) == {
        "title": "T",
        "elements": [[{"tag": "img", "image_key": UPGRADE_PICTURE}, {"tag": "text", "text": UPGRADE}]],
    }
    assert read_content(path, card_msg_content_type="user_card_content") == sent
    raw = read_content(path, card_msg_content_type="raw_card_content")
    assert (json.loads(raw["json_card"]), raw["card_schema"]) == (sent, 2)
    old = {
        "elements": [
            {"tag": "div", "text": {"tag": "lark_md", "content": "**a** ~~b~~ [c](http://c.example) 2 * 3"}},
            {"tag": "hr"},
            {"tag": "div", "fields": [{"text": {"tag": "plain_text", "content": word}} for word in "de"]},
        ]
    }
    message_id = send(api, "interactive", old)["data"]["message_id"]
    assert read_content(f"/im/v1/messages/{message_id}") == {
        "title": None,
        "elements": [
            [{"tag": "text", "text": "a b c 2 * 3"}],
            [{"tag": "hr"}],
            [{"tag": "text", "text": "d"}, {"tag": "text", "text": "e"}],
        ],
    }


@pytest.mark.parametrize(
    ("missing", "body"),
    [
        ("receive_id_type", {"receive_id": "alice", "msg_type": "text", "content": "{}"}),
        ("receive_id", {"msg_type": "text", "content": "{}"}),
        ("msg_type", {"receive_id": "alice", "content": "{}"}),
        ("content", {"receive_id": "alice", "msg_type": "text", "content": {"text": "an object"}}),
        ("uuid", {"receive_id": "alice", "msg_type": "text", "content": '{"text":"x"}', "uuid": "u" * 51}),
    ],
)
def test_violated_fields_are_named(api: Api, missing: str, body: Any) -> None:
    query = {} if missing == "receive_id_type" else {"receive_id_type": "user_id"}
    answer = api("POST", "/im/v1/messages", body, **query)
    assert (answer["code"], answer["http"]) == (99992402, 400)
    assert answer["error"]["field_violations"][0]["field"] == missing


def test_a_uuid_is_good_for_one_message_per_app_and_hour(api: Api, lark: Emulator) -> None:
    first = api.send(uuid="u")["data"]["message_id"]
    assert api.send(uuid="u", text="other")["data"]["message_id"] == first
    lark.settings(uuid_replay="error")
    assert api.send(uuid="u")["code"] == 230001
    lark.advance(3600)
    assert api.send(uuid="u")["data"]["message_id"] != first
    app = lark.add_app()
    other = Api(lark, app["app_id"], app["app_secret"])
    assert other.send("alice", uuid="u")["code"] == 0
    other.http.close()


def test_a_user_outside_the_availability_of_the_app(lark: Emulator) -> None:
    app = lark.add_app(available_to=["alice"])
    api = Api(lark, app["app_id"], app["app_secret"])
    assert [api.send(name)["code"] for name in ("alice", "bob")] == [0, 230013]
    assert api.send()["code"] == 230002
    api.http.close()


def test_messages_to_a_user_share_one_p2p_chat(api: Api, lark: Emulator) -> None:
    chats = {api.send("alice")["data"]["chat_id"] for _ in range(2)}
    assert len(chats) == 1
    assert [c["chat_mode"] for c in lark.state()["chats"]] == ["group", "p2p"]
    assert [c["name"] for c in api.data("GET", "/im/v1/chats")["items"]] == ["Data team"]


def test_listing_by_time_order_and_page(api: Api, lark: Emulator) -> None:
    start = int(lark.state()["now"])
    ids = []
    for n in range(3):
        ids.append(api.send(text=str(n))["data"]["message_id"])
        lark.advance(10)

    def list_messages(**query: Any) -> Any:
        return api.data("GET", "/im/v1/messages", container_id_type="chat", container_id=GROUP, **query)

    first = list_messages(page_size=2, sort_type="ByCreateTimeDesc")
    second = list_messages(page_size=2, sort_type="ByCreateTimeDesc", page_token=first["page_token"])
    assert [m["message_id"] for m in first["items"] + second["items"]] == ids[::-1]
    assert (first["has_more"], second["has_more"], second["page_token"]) == (True, False, "")
    window = list_messages(start_time=str(start + 5), end_time=str(start + 15))
    assert [m["message_id"] for m in window["items"]] == [ids[1]]


@pytest.mark.parametrize("query", [{"page_size": 51}, {"page_size": 0}, {"page_size": "x"}])
def test_page_sizes_have_bounds(api: Api, query: Any) -> None:
    answer = api("GET", "/im/v1/messages", container_id_type="chat", container_id=GROUP, **query)
    assert answer["code"] == 99992402


def test_a_page_token_of_another_query_is_refused(api: Api) -> None:
    def list_messages(**query: Any) -> Any:
        return api("GET", "/im/v1/messages", container_id_type="chat", container_id=GROUP, **query)

    assert list_messages(page_token="junk")["code"] == 230001
    for text in ("a", "b", "c"):
        api.send(text=text)
    token = list_messages(page_size=2)["data"]["page_token"]
    assert list_messages(page_size=1, page_token=token)["code"] == 0
    assert list_messages(page_size=2, page_token=token, sort_type="ByCreateTimeDesc")["code"] == 230001
    assert api("GET", "/im/v1/chats", page_token=token)["code"] == 232001


def test_replies_and_threads(api: Api) -> None:
    root = api.send()["data"]["message_id"]
    body = {"msg_type": "text", "content": '{"text":"re"}', "reply_in_thread": True, "uuid": "r"}
    reply = api.data("POST", f"/im/v1/messages/{root}/reply", body)
    assert reply["root_id"] == root
    assert api.data("POST", f"/im/v1/messages/{root}/reply", body)["message_id"] == reply["message_id"]
    thread = api.data("GET", "/im/v1/messages", container_id_type="thread", container_id=reply["thread_id"])
    assert [m["message_id"] for m in thread["items"]] == [root, reply["message_id"]]


def test_a_thread_hangs_on_the_message_that_opened_it(api: Api) -> None:
    def reply(to: str, **more: Any) -> Any:
        body = {"msg_type": "text", "content": '{"text":"re"}', **more}
        return api.data("POST", f"/im/v1/messages/{to}/reply", body)

    def list_messages(kind: str, container: str) -> list[str]:
        answer = api.data("GET", "/im/v1/messages", container_id_type=kind, container_id=container)
        return [message["message_id"] for message in answer["items"]]

    root = api.send()["data"]["message_id"]
    plain = reply(root)["message_id"]
    first = reply(plain, reply_in_thread=True)
    second = reply(first["message_id"])
    assert (first["parent_id"], second["parent_id"]) == (plain, plain)
    assert second["thread_id"] == first["thread_id"]
    assert list_messages("chat", GROUP) == [root, plain]
    assert list_messages("thread", first["thread_id"]) == [plain, first["message_id"], second["message_id"]]
    in_thread = {"content": '{"text":"t"}', "msg_type": "text"}
    refused = api("POST", f"/im/v1/messages/{first['thread_id']}/reply", in_thread)
    assert (refused["code"], refused["http"]) == (99992354, 400)
    assert api("DELETE", f"/im/v1/messages/{second['message_id']}")["code"] == 0
    assert list_messages("thread", first["thread_id"])[2] == second["message_id"]


def test_lists_that_are_refused(api: Api) -> None:
    def code(**query: Any) -> Any:
        return api("GET", "/im/v1/messages", **{"container_id_type": "chat", "container_id": GROUP, **query})[
            "code"
        ]

    assert code(start_time="2", end_time="1") == 230001
    assert code(start_time="soon") == 230001
    assert code(sort_type="Newest") == 99992402
    assert code(container_id="oc_none") == 230001
    assert code(container_id_type="thread", container_id="omt_none") == 230001
    assert code(container_id_type="thread", container_id="omt_none", start_time="1") == 230001


def test_mentions_are_listed_beside_the_text(api: Api) -> None:
    at = '<at user_id="ou_emulator0001_alice">A</at> <at user_id="all"></at> <at user_id="ou_x">X</at>'
    answer = api.send(text=at)["data"]
    assert json.loads(answer["body"]["content"]) == {"text": "@_user_1 @_all X"}
    assert [m["name"] for m in answer["mentions"]] == ["李雷"]


def test_chats_are_made_once_per_uuid(api: Api, lark: Emulator) -> None:
    first = api.data("POST", "/im/v1/chats", {"owner_id": "ou_emulator0001_bob"}, uuid="c")
    assert (first["name"], first["owner_id"]) == ("(no subject)", "ou_emulator0001_bob")
    again = api.data("POST", "/im/v1/chats", {"owner_id": "ou_emulator0001_bob"}, uuid="c")
    assert again["chat_id"] == first["chat_id"]
    lark.advance(10 * 3600)
    api.login()
    later = api.data("POST", "/im/v1/chats", {"owner_id": "ou_emulator0001_bob"}, uuid="c")
    assert later["chat_id"] != first["chat_id"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"chat_type": "public"}, 232042),
        ({"chat_type": "public", "name": "x"}, 232020),
        ({"user_id_list": ["ou_nobody"]}, 232030),
        ({"bot_id_list": ["cli_nobody"]}, 232021),
        ({"owner_id": "ou_nobody"}, 232035),
        ({"user_id_list": ["x"] * 51}, 99992402),
        ({"chat_type": "secret"}, 99992402),
    ],
)
def test_chats_that_cannot_be_made(api: Api, body: Any, code: int) -> None:
    assert api("POST", "/im/v1/chats", body)["code"] == code


def test_a_group_is_made_with_its_names_in_other_languages(api: Api) -> None:
    names = {"zh_cn": "数据组", "en_us": "Data"}
    chat = api.data("POST", "/im/v1/chats", {"name": "data", "i18n_names": {**names, "fr_fr": "x"}})
    assert chat["i18n_names"] == names
    assert api.data("GET", f"/im/v1/chats/{chat['chat_id']}")["i18n_names"] == names
    (listed,) = api.data("GET", "/im/v1/chats/search", query="数据组")["items"]
    assert listed["chat_id"] == chat["chat_id"]
    assert api("POST", "/im/v1/chats", {"i18n_names": ["x"]})["code"] == 232001


def test_members_and_who_may_see_them(api: Api, lark: Emulator) -> None:
    chat = lark.add_chat("Outsiders", users=["alice"])["chat_id"]
    path = f"/im/v1/chats/{chat}"
    assert api.data("GET", f"{path}/members/is_in_chat") == {"is_in_chat": False}
    assert [api("GET", p)["code"] for p in (path, f"{path}/members")] == [232011, 232011]
    assert api("GET", "/im/v1/chats/oc_none")["code"] == 232006
    own = f"/im/v1/chats/{GROUP}/members"
    assert api("POST", own, {"id_list": ["ou_none"]})["code"] == 232043
    assert api("POST", own, {"id_list": []})["code"] == 232027
    added = api.data("POST", own, {"id_list": ["ou_none"]}, succeed_type=1)
    assert added["not_existed_id_list"] == ["ou_none"]
