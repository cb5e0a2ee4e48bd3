"""What becomes of a message after it was sent: edits, updates of cards, recalls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.app_server import PATIENT, AppServer
from tests.emulator.conftest import Api
from tests.emulator.test_messages import GROUP, MARKDOWN, card, send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator import Emulator

OLD_CARD = {"elements": [MARKDOWN]}
SHARED = {"config": {"update_multi": True}, **OLD_CARD}


@pytest.fixture
def other(api: Api, lark: Emulator) -> Iterator[Api]:
    """Yield a client of another app, whose bot is in the group as well."""
    app = lark.add_app("cli_two", "s")
    members = f"/im/v1/chats/{GROUP}/members"
    api.data("POST", members, {"id_list": [app["app_id"]]}, member_id_type="app_id")
    api_client = Api(lark, "cli_two", "s")
    yield api_client
    api_client.http.close()


def make_path(answer: Any) -> str:
    return f"/im/v1/messages/{answer['data']['message_id']}"


def update(api: Api, path: str, content: Any) -> Any:
    return api("PATCH", path, {"content": content if isinstance(content, str) else json.dumps(content)})


def test_an_updated_card_is_what_everybody_sees(api: Api, lark: Emulator) -> None:
    path = make_path(send(api, "interactive", card(MARKDOWN)))
    after = card({"tag": "markdown", "content": "after"})
    assert update(api, path, after)["data"] == {}
    (read,) = api.data("GET", path, card_msg_content_type="user_card_content")["items"]
    assert (json.loads(read["body"]["content"]), read["updated"]) == (after, True)
    (held,) = lark.state()["chats"][0]["messages"]
    assert (held["content"], held["edits"], held["deleted"]) == (after, 1, False)


def test_cards_can_be_updated_for_two_weeks(api: Api, lark: Emulator) -> None:
    path = make_path(send(api, "interactive", card(MARKDOWN)))
    lark.advance(14 * 86400 - 60)
    api.login()
    assert update(api, path, card(MARKDOWN))["code"] == 0
    lark.advance(61)
    assert update(api, path, card(MARKDOWN))["code"] == 230031


@pytest.mark.parametrize(
    ("content", "code"),
    [("{", 230099), (card({"tag": "markdown", "content": "x" * 30 * 1024}), 230025), ("", 99992402)],
)
def test_a_refused_update_leaves_the_card(api: Api, lark: Emulator, content: Any, code: int) -> None:
    path = make_path(send(api, "interactive", card(MARKDOWN)))
    answer = update(api, path, content)
    assert (answer["code"], answer["http"]) == (code, 400)
    (held,) = lark.state()["chats"][0]["messages"]
    assert (held["content"], held["edits"]) == (card(MARKDOWN), 0)


def test_only_cards_of_ones_own_can_be_updated(api: Api, other: Api) -> None:
    text = update(api, make_path(api.send()), card(MARKDOWN))
    assert (text["code"], "This message is NOT a card" in text["msg"]) == (230001, True)
    assert (
        update(other, make_path(send(api, "interactive", card(MARKDOWN))), card(MARKDOWN))["code"] == 230012
    )
    assert update(api, "/im/v1/messages/om_none", card(MARKDOWN))["code"] == 230001


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (OLD_CARD, SHARED, 230001),
        (SHARED, OLD_CARD, 230001),
        (SHARED, SHARED, 0),
        (SHARED, card(MARKDOWN), 0),
        (card(MARKDOWN), SHARED, 230099),
    ],
)
def test_old_cards_say_that_they_are_shared(
    api: Api, lark: Emulator, before: Any, after: Any, code: int
) -> None:
    path = make_path(send(api, "interactive", before))
    answer = update(api, path, after)
    assert answer["code"] == code
    assert ("ErrCode: 200830;" in answer["msg"]) == (code == 230099)
    lark.settings(update_multi=False)
    assert update(api, path, after)["code"] == (0 if code == 230001 else code)


def test_one_card_takes_five_updates_a_second(api: Api, lark: Emulator) -> None:
    paths = [make_path(send(api, "interactive", card(MARKDOWN))) for _ in range(2)]
    assert [update(api, paths[0], card(MARKDOWN))["code"] for _ in range(6)] == [0] * 5 + [230020]
    assert update(api, paths[1], card(MARKDOWN))["code"] == 0
    lark.advance(1)
    assert update(api, paths[0], card(MARKDOWN))["code"] == 0
    lark.settings(update_qps=0)
    assert {update(api, paths[0], card(MARKDOWN))["code"] for _ in range(9)} == {0}


def test_edits_have_a_limit_and_an_owner(api: Api, other: Api) -> None:
    path = make_path(api.send())
    body = {"msg_type": "text", "content": '{"text":"new"}'}
    assert other("PUT", path, body)["code"] == 230071
    assert [api("PUT", path, body)["code"] for _ in range(21)] == [0] * 20 + [230072]


def test_texts_and_posts_can_be_edited(api: Api) -> None:
    path = make_path(api.send())
    post = {"zh_cn": {"title": "t", "content": [[{"tag": "text", "text": "x"}]]}}
    edited = api.data("PUT", path, {"msg_type": "post", "content": json.dumps(post)})
    assert (edited["msg_type"], edited["updated"]) == ("post", True)
    refused = api("PUT", path, {"msg_type": "interactive", "content": json.dumps(card(MARKDOWN))})
    assert (refused["code"], "invalid msg_type" in refused["msg"]) == (230001, True)
    shown = make_path(send(api, "interactive", card(MARKDOWN)))
    assert api("PUT", shown, {"msg_type": "text", "content": '{"text":"x"}'})["code"] == 230054


def test_recalled_messages_say_so_and_are_left_alone(api: Api, lark: Emulator) -> None:
    paths = [make_path(api.send()), make_path(send(api, "interactive", card(MARKDOWN)))]
    for path in paths:
        assert api("DELETE", path)["code"] == 0
        (read,) = api.data("GET", path)["items"]
        assert (read["deleted"], read["body"]["content"]) == (True, "This message was recalled")
        assert api("DELETE", path)["code"] == 230011
    body = {"msg_type": "text", "content": '{"text":"x"}'}
    assert api("PUT", paths[0], body)["code"] == 230011
    assert api("POST", f"{paths[0]}/reply", body)["code"] == 230011
    assert update(api, paths[1], card(MARKDOWN))["code"] == 230011
    listed = api.data("GET", "/im/v1/messages", container_id_type="chat", container_id=GROUP)["items"]
    assert [message["deleted"] for message in listed] == [True, True]
    assert [held["deleted"] for held in lark.state()["chats"][0]["messages"]] == [True, True]


def test_a_recall_needs_the_sender_and_comes_in_time(api: Api, other: Api, lark: Emulator) -> None:
    path = make_path(api.send())
    assert other("DELETE", path)["code"] == 230026
    lark.advance(86401)
    api.login()
    assert api("DELETE", path)["code"] == 230009
    lark.settings(recall_window=2 * 86400)
    assert api("DELETE", path)["code"] == 0


def test_a_recall_is_announced_to_the_apps_in_the_chat(api: Api, lark: Emulator) -> None:
    first, second = (api.send()["data"]["message_id"] for _ in range(2))
    lark.settings(**PATIENT)
    with AppServer() as app:
        lark.set_callback("", event_url=app.url)
        api.data("DELETE", f"/im/v1/messages/{first}")
        lark.change_message(second, recalled=True)
        lark.change_message(second, recalled=True)
        lark.change_app(event_types=["im.chat.updated_v1"])
        api.data("DELETE", make_path(api.send()))
        lark.advance(0)
    payloads = [request.json for request in app.received if "header" in request.json]
    assert {payload["header"]["event_type"] for payload in payloads} == {"im.message.recalled_v1"}
    assert all(payload["event"].pop("recall_time").isdigit() for payload in payloads)
    assert sorted((payload["event"] for payload in payloads), key=lambda event: event["recall_type"]) == [
        {"message_id": second, "chat_id": GROUP, "recall_type": "group_owner"},
        {"message_id": first, "chat_id": GROUP, "recall_type": "message_owner"},
    ]
