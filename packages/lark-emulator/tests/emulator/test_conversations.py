"""Reactions, pins, forwarding, urgent messages, readers: what Lark refuses, and what is left behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.app_server import PATIENT, AppServer
from tests.emulator.conftest import Api
from tests.emulator.test_message_changes import make_path, other
from tests.emulator.test_messages import GROUP, MARKDOWN, card, send

if TYPE_CHECKING:
    from lark_emulator import Emulator

__all__ = ["other"]
DONE = {"reaction_type": {"emoji_type": "DONE"}}


@pytest.fixture
def path(api: Api) -> str:
    return make_path(api.send())


def get_id(path: str) -> str:
    return path.rpartition("/")[2]


def test_reactions_are_checked(api: Api, other: Api, lark: Emulator, path: str) -> None:
    assert api("POST", f"{path}/reactions", {"reaction_type": {"emoji_type": "NOPE"}})["code"] == 231001
    assert api("POST", f"{path}/reactions", {})["code"] == 99992402
    assert api("POST", "/im/v1/messages/om_none/reactions", DONE)["code"] == 231003
    first = api.data("POST", f"{path}/reactions", DONE)["reaction_id"]
    assert api.data("POST", f"{path}/reactions", DONE)["reaction_id"] == first
    assert other("DELETE", f"{path}/reactions/{first}")["code"] == 231007
    assert api("DELETE", f"{path}/reactions/none")["code"] == 231011
    elsewhere = make_path(api.send())
    assert api("DELETE", f"{elsewhere}/reactions/{first}")["code"] == 231010
    assert api("GET", f"{path}/reactions", page_token="x")["code"] == 231012
    lark.react(get_id(path), "alice", "DONE")
    page = api.data("GET", f"{path}/reactions", page_size=1)
    rest = api.data("GET", f"{path}/reactions", page_size=1, page_token=page["page_token"])
    assert [part["items"][0]["operator"]["operator_type"] for part in (page, rest)] == ["app", "user"]
    assert rest["has_more"] is False
    lark.change_chat(GROUP, remove_bots=["cli_two"])
    assert other("GET", f"{path}/reactions")["code"] == 231008
    api.data("DELETE", path)
    assert api("POST", f"{path}/reactions", DONE)["code"] == 231003


def test_pins_come_newest_first_and_in_time(api: Api, lark: Emulator) -> None:
    paths = [make_path(api.send()) for _ in range(2)]
    for path in paths:
        first = api.data("POST", "/im/v1/pins", {"message_id": get_id(path)})["pin"]
        assert api.data("POST", "/im/v1/pins", {"message_id": get_id(path)})["pin"] == first
        lark.advance(60)
    listed = api.data("GET", "/im/v1/pins", chat_id=GROUP)["items"]
    assert [pin["message_id"] for pin in listed] == [get_id(path) for path in reversed(paths)]
    time = listed[0]["create_time"]
    later = api.data("GET", "/im/v1/pins", chat_id=GROUP, start_time=time)["items"]
    assert [pin["message_id"] for pin in later] == [get_id(paths[1])]
    assert api("GET", "/im/v1/pins", chat_id=GROUP, start_time=time, end_time=time)["code"] == 230001
    assert api("GET", "/im/v1/pins", chat_id="oc_none")["code"] == 230001
    api.data("DELETE", paths[1])
    assert api("POST", "/im/v1/pins", {"message_id": get_id(paths[1])})["code"] == 230011
    assert api("DELETE", f"/im/v1/pins/{get_id(paths[1])}")["code"] == 0
    assert [api("DELETE", f"/im/v1/pins/{get_id(paths[0])}")["code"] for _ in range(6)] == [0] * 5 + [230047]
    lark.settings(rate_limits=False)
    pinned = lark.pin_message(get_id(paths[0]), "alice")
    assert pinned["pinned_by"] == "alice"
    assert api.data("GET", "/im/v1/pins", chat_id=GROUP)["items"][0]["operator_id_type"] == "open_id"


def forward(api: Api, path: str, receiver: str = GROUP, kind: str = "chat_id", **query: Any) -> Any:
    return api("POST", f"{path}/forward", {"receive_id": receiver}, receive_id_type=kind, **query)


def test_forwarding_has_its_refusals(api: Api, lark: Emulator, path: str) -> None:
    assert forward(api, "/im/v1/messages/om_none")["code"] == 230064
    assert forward(api, path, "oc_none")["code"] == 230034
    assert forward(api, path, "omt_none", "thread_id")["code"] == 230019
    kept = card(MARKDOWN)
    kept["config"] = {"enable_forward": False}
    assert forward(api, make_path(send(api, "interactive", kept)))["code"] == 230061
    first = forward(api, path, "bob", "user_id", uuid="u")["data"]
    assert forward(api, path, "bob", "user_id", uuid="u")["data"]["message_id"] == first["message_id"]
    assert first["message_id"] != get_id(path)
    opened = api.data(
        "POST", f"{path}/reply", {"msg_type": "text", "content": '{"text":"a"}', "reply_in_thread": True}
    )
    into = forward(api, make_path(api.send()), opened["thread_id"], "thread_id")["data"]
    assert (into["thread_id"], into["root_id"]) == (opened["thread_id"], get_id(path))
    api.data("DELETE", path)
    assert forward(api, path)["code"] == 230065
    lark.change_chat(GROUP, dissolved=True)
    assert forward(api, make_path({"data": into}))["code"] == 232009


def merge(api: Api, *ids: str) -> Any:
    body = {"receive_id": GROUP, "message_id_list": list(ids)}
    return api("POST", "/im/v1/messages/merge_forward", body, receive_id_type="chat_id")


def test_only_messages_of_one_place_are_merged(api: Api, path: str) -> None:
    assert merge(api, "om_none")["code"] == 230064
    assert merge(api)["code"] == 99992402
    private = get_id(make_path(api.send("alice")))
    assert merge(api, get_id(path), private)["code"] == 230069
    body = {"msg_type": "text", "content": '{"text":"a"}', "reply_in_thread": True}
    inside = api.data("POST", f"{path}/reply", body)["message_id"]
    assert merge(api, inside, get_id(make_path(api.send())))["code"] == 230067
    api.data("DELETE", path)
    assert merge(api, get_id(path))["code"] == 230065


def urge(api: Api, path: str, *users: str, kind: str = "sms") -> Any:
    return api("PATCH", f"{path}/urgent_{kind}", {"user_id_list": list(users)}, user_id_type="user_id")


def test_urgent_messages_have_a_quota_and_a_limit(api: Api, other: Api, lark: Emulator, path: str) -> None:
    lark.settings(urgent_sms_quota=3, urgent_unread_limit=2)
    assert urge(api, path, "alice", "bob", "nobody")["data"] == {"invalid_user_id_list": ["nobody"]}
    assert urge(api, path, "alice", "bob")["code"] == 230024
    assert urge(api, path, "nobody")["code"] == 230001
    assert urge(api, path)["code"] == 99992402
    assert urge(api, path, *(f"u{n}" for n in range(201)))["code"] == 99992402
    assert urge(other, path, "alice")["code"] == 230012
    assert urge(api, "/im/v1/messages/om_none", "alice")["code"] == 230001
    assert urge(api, make_path(api.send()), "alice", kind="app")["code"] == 0
    third = make_path(api.send())
    assert urge(api, third, "alice", kind="app")["code"] == 230023
    lark.read_message(get_id(path), "alice")
    assert urge(api, third, "alice", kind="app")["code"] == 0
    assert [urgent["cost"] for urgent in lark.state()["urgents"]] == [2, 0, 0]
    lark.change_user("bob", status="resigned")
    assert urge(api, third, "bob", kind="app")["code"] == 230013
    api.data("DELETE", third)
    assert urge(api, third, "alice")["code"] == 230110


def test_a_group_says_who_may_make_urgent(api: Api, other: Api, lark: Emulator) -> None:
    chat = api.data("POST", "/im/v1/chats", {"name": "G", "user_id_list": ["alice"]}, user_id_type="user_id")
    where = f"/im/v1/chats/{chat['chat_id']}"
    api.data("POST", f"{where}/members", {"id_list": ["cli_two"]}, member_id_type="app_id")
    api.data("PUT", where, {"urgent_setting": "only_owner"})
    theirs = make_path(other.send(chat["chat_id"]))
    assert urge(other, theirs, "alice", kind="app")["code"] == 230052
    api.data("POST", f"{where}/managers/add_managers", {"manager_ids": ["cli_two"]}, member_id_type="app_id")
    assert urge(other, theirs, "alice", kind="app")["code"] == 0
    assert other("DELETE", where)["code"] == 232017
    assert lark.state()["chats"][1]["managers"] == ["cli_two"]


def test_readers_are_told_for_a_week(api: Api, other: Api, lark: Emulator, path: str) -> None:
    lark.read_message(get_id(path), "bob")
    lark.read_message(get_id(path), "alice")
    items = api.data("GET", f"{path}/read_users", user_id_type="user_id")["items"]
    assert [reader["user_id"] for reader in items] == ["bob", "alice"]
    assert other("GET", f"{path}/read_users")["code"] == 230012
    lark.advance(7 * 86400 + 1)
    api.login()
    assert api("GET", f"{path}/read_users")["code"] == 230033


def test_bubbles_stand_below_the_newest_private_message(api: Api, lark: Emulator, path: str) -> None:
    def push(where: str, *texts: Any) -> Any:
        body = {"follow_ups": [{"content": text} for text in texts]}
        return api("POST", f"{where}/push_follow_up", body)["code"]

    assert push(path, "a") == 230003
    first, second = (make_path(api.send("alice")) for _ in range(2))
    assert push(first, "a") == 230006
    assert push(second, "a", "b", "c", "d") == push(second, "x" * 201) == push(second, 1) == 230007
    assert [push(second, "a"), push(second, "a")] == [0, 230008]
    third = make_path(api.send("alice"))
    lark.advance(601)
    assert push(third, "a") == 230002


def test_groups_are_changed_by_whom_they_let(api: Api, other: Api, lark: Emulator) -> None:
    where = f"/im/v1/chats/{GROUP}"
    assert api("PUT", where, {"edit_permission": "only_owner"})["code"] == 232016
    assert api("PUT", where, {"name": "Renamed"})["code"] == 0
    assert api("DELETE", where)["code"] == 232017
    assert api("DELETE", f"{where}/members", {"id_list": ["ou_emulator0001_bob"]})["code"] == 232014
    left = other("DELETE", f"{where}/members", {"id_list": ["cli_two"]}, member_id_type="app_id")
    assert (left["code"], other("PUT", where, {"name": "x"})["code"]) == (0, 232011)
    assert other("PATCH", f"{where}/members/me_join")["code"] == 232008
    chat = api.data("POST", "/im/v1/chats", {"name": "Mine", "user_id_list": ["ou_emulator0001_bob"]})
    own = f"/im/v1/chats/{chat['chat_id']}"
    assert api("PUT", own, {"owner_id": "ou_emulator0001_carol"})["code"] == 232012
    assert api("PUT", own, {"owner_id": "ou_emulator0001_bob"})["code"] == 0
    assert api("DELETE", f"{own}/members", {"id_list": ["ou_emulator0001_bob"]})["code"] == 232076
    assert api("PUT", own, {"urgent_setting": "nobody"})["code"] == 99992402
    lark.change_app(scopes=["im:chat"])
    assert api("DELETE", own)["code"] == 232017
    lark.change_app(scopes=["im:chat", "im:chat:operate_as_owner"])
    assert api("DELETE", own)["code"] == 0
    assert [api(method, own)["code"] for method in ("DELETE", "PUT")] == [232009, 232009]


def test_the_search_finds_what_is_visible(api: Api, stranger: Api, lark: Emulator) -> None:
    stranger.data("POST", "/im/v1/chats", {"name": "Open flights", "chat_type": "public"})
    stranger.data("POST", "/im/v1/chats", {"name": "Secret flights"})

    def search_names(query: str) -> list[str]:
        items = api.data("GET", "/im/v1/chats/search", query=query)["items"]
        return [chat["name"] for chat in items]

    assert (search_names("FLIGHTS"), search_names("data"), search_names("")) == (
        ["Open flights"],
        ["Data team"],
        [],
    )
    assert search_names("f" * 65) == []


def test_many_are_written_to_at_once(api: Api, lark: Emulator) -> None:
    team = lark.add_department("Team", users=["alice", "bob"])
    body: dict[str, Any] = {"msg_type": "text", "department_ids": [team["department_id"], "none"]}
    assert api("POST", "/message/v4/batch_send/", body)["code"] == 10003
    sent = api.data("POST", "/message/v4/batch_send", {**body, "content": {"text": "hi"}})
    assert (sent["message_id"][:3], sent["invalid_department_ids"]) == ("bm-", ["none"])
    broken = {"msg_type": "interactive", "card": {"elements": 1}, "user_ids": ["alice"]}
    answer = api("POST", "/message/v4/batch_send/", broken)
    assert (answer["code"], answer["http"]) == (11246, 200)
    where = f"/im/v1/batch_messages/{sent['message_id']}"
    private = [chat for chat in lark.state()["chats"] if chat["chat_mode"] == "p2p"]
    message = private[0]["messages"][0]["message_id"]
    assert urge(api, f"/im/v1/messages/{message}", "alice")["code"] == 230012
    lark.read_message(message, "alice")
    assert api.data("GET", f"{where}/read_user")["read_user"] == {"read_count": "1", "total_count": "2"}
    assert api("GET", "/im/v1/batch_messages/bm-none/get_progress")["code"] == 230030
    assert api("DELETE", where)["code"] == 0
    recalled = api.data("GET", f"{where}/get_progress")["batch_message_recall_progress"]
    assert recalled == {"recall": True, "recall_count": 2}


def test_an_app_is_told_what_happens_in_its_groups(api: Api, lark: Emulator, path: str) -> None:
    lark.settings(**PATIENT)
    with AppServer() as app:
        lark.set_callback("", event_url=app.url)
        lark.react(get_id(path), "alice", "DONE")
        api.data("POST", f"/im/v1/chats/{GROUP}/members", {"id_list": ["ou_emulator0001_bob"]})
        api.data("PUT", f"/im/v1/chats/{GROUP}", {"name": "Renamed"})
        lark.change_app(event_types=["im.chat.disbanded_v1"])
        lark.react(get_id(path), "alice", "DONE", remove=True)
        lark.advance(0)
        events = lark.state()["events"]
    assert [event["event_type"] for event in events] == [
        "im.message.reaction.created_v1",
        "im.chat.updated_v1",
    ]
    assert {event["state"] for event in events} == {"delivered"}


@pytest.mark.parametrize(
    ("operation", "spec", "text"),
    [
        ("react", {"user": "alice", "emoji_type": "NOPE"}, "'emoji_type' must be one of"),
        ("react", {"user": "nobody", "emoji_type": "DONE"}, "nobody"),
        ("react", {"user": "alice", "emoji_type": "DONE", "remove": True}, "has not put"),
        ("read_message", {"user": "nobody"}, "nobody"),
    ],
)
def test_what_people_cannot_do(lark: Emulator, path: str, operation: str, spec: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        getattr(lark, operation)(get_id(path), **spec)
    assert json.dumps(lark.state()["chats"][0]["messages"][0]["reactions"]) == "[]"
