"""What happens to a card while it waits: chats that are dissolved, people who leave, days that pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from lark_emulator import Emulator
from tests.emulator.app_server import PATIENT, AppServer
from tests.emulator.clicks.card_buttons import DONE, send_card
from tests.emulator.conftest import Api

GROUP = "oc_emulator_data_team"
DAY = 24 * 3600


@pytest.fixture
def app(lark: Emulator) -> Iterator[AppServer]:
    lark.settings(**PATIENT)
    with AppServer() as server:
        lark.set_callback(server.url)
        yield server


def update(api: Api, message_id: str) -> Any:
    return api("PATCH", f"/im/v1/messages/{message_id}", {"content": json.dumps(DONE)})["code"]


def test_a_click_of_another_tenants_person_says_so(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.add_user("mallory", tenant_key="tenant_b")
    message_id = send_card(api)
    with pytest.raises(ValueError, match="no member 'mallory'"):
        lark.click(message_id, "mallory")
    lark.change_chat(GROUP, add_users=["mallory"])
    assert lark.click(message_id, "mallory")["status"] == 200
    called = app.received[-1].json
    assert called["event"]["operator"] == {
        "tenant_key": "tenant_b",
        "union_id": "on_emulator_mallory",
        "open_id": "ou_emulator0001_mallory",
    }
    assert called["header"]["tenant_key"] == "emulator0tenant0"
    lark.click(message_id, "alice")
    assert app.received[-1].json["event"]["operator"]["tenant_key"] == "emulator0tenant0"


def test_people_of_another_tenant_are_in_groups_and_nowhere_else(lark: Emulator, api: Api) -> None:
    open_id = lark.add_user("mallory", tenant_key="tenant_b")["open_ids"][lark.app_id]
    lark.change_chat(GROUP, add_users=["mallory"])
    members = api.data("GET", f"/im/v1/chats/{GROUP}/members")["items"]
    assert [member["tenant_key"] for member in members] == ["emulator0tenant0"] * 3 + ["tenant_b"]
    assert api.data("GET", f"/im/v1/chats/{GROUP}")["external"] is True
    assert api("GET", f"/contact/v3/users/{open_id}")["code"] == 41050
    body = {"emails": ["mallory@example.com"]}
    assert api.data("POST", "/contact/v3/users/batch_get_id", body)["user_list"] == [
        {"email": "mallory@example.com"}
    ]
    assert api.send("mallory")["code"] == 230038
    added = api.data("POST", f"/im/v1/chats/{GROUP}/members", {"id_list": [open_id]})
    assert added["invalid_id_list"] == [open_id]


@pytest.mark.parametrize("status", ["activated", "frozen", "resigned", "exited", "unjoin"])
def test_the_status_of_a_person(lark: Emulator, api: Api, status: str) -> None:
    lark.change_user("bob", status=status, enterprise_email="bob@corp.example.com")
    user = api.data("GET", "/contact/v3/users/bob", user_id_type="user_id")["user"]
    assert [name for name, is_so in user["status"].items() if is_so] == [f"is_{status}"]
    assert user["enterprise_email"] == "bob@corp.example.com"
    assert api.send("bob")["code"] == (230029 if status in {"resigned", "exited"} else 0)


def test_the_companys_mail_is_seen_with_the_scope_of_employees_only(lark: Emulator, api: Api) -> None:
    lark.change_user("bob", enterprise_email="bob@corp.example.com")
    lark.change_app(scopes=["contact:contact.base:readonly", "contact:user.base:readonly"])
    user = api.data("GET", "/contact/v3/users/bob", user_id_type="user_id")["user"]
    assert "enterprise_email" not in user
    assert "status" not in user


def test_a_dissolved_chat(lark: Emulator, api: Api) -> None:
    message_id = send_card(api)
    assert lark.change_chat(GROUP, dissolved=True)["dissolved"] is True
    assert api.send()["code"] == 232009
    assert update(api, message_id) == 232009
    assert api("DELETE", f"/im/v1/messages/{message_id}")["code"] == 232009
    assert api("GET", f"/im/v1/chats/{GROUP}/members")["code"] == 232009
    assert api.data("GET", f"/im/v1/chats/{GROUP}/members/is_in_chat")["is_in_chat"] is False
    assert api.data("GET", f"/im/v1/chats/{GROUP}")["chat_status"] == "dissolved"
    assert api.data("GET", "/im/v1/chats")["items"] == []
    with pytest.raises(ValueError, match="dissolved"):
        lark.click(message_id, "alice")


def test_a_bot_that_was_removed(lark: Emulator, api: Api) -> None:
    message_id = send_card(api)
    lark.change_chat(GROUP, remove_bots=[lark.app_id])
    assert api.send()["code"] == 230002
    assert update(api, message_id) == 230002
    assert api.data("GET", f"/im/v1/chats/{GROUP}/members/is_in_chat")["is_in_chat"] is False
    assert api("GET", f"/im/v1/chats/{GROUP}/members")["code"] == 232011
    lark.change_chat(GROUP, add_bots=[lark.app_id])
    assert update(api, message_id) == 0


def test_a_message_that_others_recall(lark: Emulator, api: Api) -> None:
    message_id = send_card(api)
    assert lark.change_message(message_id, recalled=True)["deleted"] is True
    assert update(api, message_id) == 230011
    with pytest.raises(ValueError, match="was recalled"):
        lark.click(message_id, "alice")


def test_a_card_of_fourteen_days_and_one_that_is_younger(lark: Emulator, api: Api, app: AppServer) -> None:
    old, young = send_card(api), send_card(api)
    now = lark.state(summary=True)["now"]
    lark.change_message(old, age_s=14 * DAY + 60)
    lark.change_message(young, age_s=14 * DAY - 60)
    assert lark.state(summary=True)["now"] - now < DAY  # only the messages are older
    assert (update(api, old), update(api, young)) == (230031, 0)
    with pytest.raises(ValueError, match="14 days only"):
        lark.click(old, "alice")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"chat_id": "oc_none"}, "no chat 'oc_none'"),
        ({"chat_id": GROUP, "add_users": ["alice"], "remove_bots": ["cli_none"]}, "no bot 'cli_none'"),
        ({"chat_id": GROUP, "remove_users": ["mallory"]}, "no member 'mallory'"),
        ({"chat_id": GROUP, "dissolved": "yes"}, "must be true or false"),
        ({"chat_id": GROUP, "name": "x"}, "unknown member 'name'"),
    ],
)
def test_a_bad_change_of_a_chat_changes_nothing(
    lark: Emulator, api: Api, change: dict[str, Any], why: str
) -> None:
    before = lark.state()["chats"]
    answer = api.http.post("/_emulator/chats/change", json=change)
    assert answer.status_code == 400
    assert why in answer.json()["error"]
    assert lark.state()["chats"] == before


@pytest.mark.parametrize("age", [-1, "old", True])
def test_a_bad_age(lark: Emulator, api: Api, age: Any) -> None:
    message_id = send_card(api)
    answer = api.http.post("/_emulator/messages/change", json={"message_id": message_id, "age_s": age})
    assert (answer.status_code, "'age_s' must be" in answer.text) == (400, True)
