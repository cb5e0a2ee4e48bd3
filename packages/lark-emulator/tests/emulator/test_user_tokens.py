"""With a user's token the user acts, not the bot: uploads, reactions, pins and groups."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.app_server import PATIENT, AppServer
from tests.emulator.conftest import Api
from tests.emulator.test_message_changes import make_path
from tests.emulator.test_messages import GROUP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lark_emulator import Emulator

ALICE, BOB, CAROL = (f"ou_emulator0001_{name}" for name in ("alice", "bob", "carol"))
DONE = {"reaction_type": {"emoji_type": "DONE"}}
FILES = "/open-apis/drive/v1/files"


@pytest.fixture
def become(lark: Emulator) -> Iterator[Callable[[str], Api]]:
    """Yield what makes a client with a user's token."""
    with ExitStack() as clients:

        def make(user_id: str) -> Api:
            client = Api(lark)
            clients.callback(client.http.close)
            token = lark.user_token(user_id)["user_access_token"]
            client.http.headers["Authorization"] = f"Bearer {token}"
            return client

        yield make


@pytest.fixture
def alice(become: Callable[[str], Api]) -> Api:
    return become("alice")


@pytest.fixture
def bob(become: Callable[[str], Api]) -> Api:
    return become("bob")


def upload(api: Api, **more: str) -> str:
    fields = {"file_name": "a.txt", "size": "3", "parent_type": "explorer", "parent_node": "", **more}
    answer = api.http.post(f"{FILES}/upload_all", data=fields, files={"file": b"abc"})
    return str(answer.json()["data"]["file_token"])


def download(api: Api, token: str) -> Any:
    answer = api.http.get(f"{FILES}/{token}/download")
    return answer.content if answer.headers["content-type"] == "text/plain" else answer.json()["code"]


def test_a_file_belongs_to_the_user_who_uploads_it(lark: Emulator, api: Api, alice: Api) -> None:
    token = upload(alice)
    assert (download(alice, token), download(api, token)) == (b"abc", 1061004)
    (listed,) = alice.data("GET", "/drive/v1/files")["files"]
    assert (listed["token"], listed["owner_id"]) == (token, ALICE)
    wanted = {"request_docs": [{"doc_token": token, "doc_type": "file"}]}
    (meta,) = alice.data("POST", "/drive/v1/metas/batch_query", wanted)["metas"]
    assert meta["owner_id"] == ALICE
    assert api.data("POST", "/drive/v1/metas/batch_query", wanted)["metas"] == []
    bot = {"member_type": "openid", "member_id": "ou_emulator0001_bot", "perm": "view"}
    assert alice("POST", f"/drive/v1/permissions/{token}/members", bot, type="file")["code"] == 0
    assert download(api, token) == b"abc"
    assert lark.document(upload(api))["owner"] == f"app:{lark.app_id}"


def test_an_upload_in_parts_is_the_user_s_alone(lark: Emulator, api: Api, alice: Api, bob: Api) -> None:
    body = {"file_name": "a.txt", "size": 3, "parent_type": "explorer", "parent_node": ""}
    upload_id = alice.data("POST", "/drive/v1/files/upload_prepare", body)["upload_id"]

    def send_part(client: Api) -> int:
        fields = {"upload_id": upload_id, "seq": "0", "size": "3"}
        answer = client.http.post(f"{FILES}/upload_part", data=fields, files={"file": b"abc"})
        return int(answer.json()["code"])

    lark.settings(upload_ms=0)
    assert [send_part(client) for client in (api, bob, alice)] == [1062007, 1062007, 0]
    finished = alice.data("POST", "/drive/v1/files/upload_finish", {"upload_id": upload_id, "block_num": 1})
    assert lark.document(finished["file_token"])["owner"] == "user:alice"


def test_imported_records_are_the_user_s(lark: Emulator, alice: Api) -> None:
    fields = {
        "file_name": "a.csv",
        "size": "3",
        "parent_type": "ccm_import_open",
        "parent_node": "",
        "extra": json.dumps({"obj_type": "bitable", "file_extension": "csv"}),
    }
    content = alice.http.post(
        "/open-apis/drive/v1/medias/upload_all", data=fields, files={"file": b"A\nb"}
    ).json()["data"]
    body = {
        "type": "bitable",
        "file_extension": "csv",
        "file_token": content["file_token"],
        "point": {"mount_type": 1, "mount_key": ""},
    }
    ticket = alice.data("POST", "/drive/v1/import_tasks", body)["ticket"]
    lark.advance(60)
    token = alice.data("GET", f"/drive/v1/import_tasks/{ticket}")["result"]["token"]
    tables = f"/bitable/v1/apps/{token}/tables"
    table = alice.data("GET", tables)["items"][0]["table_id"]
    records = alice.data("POST", f"{tables}/{table}/records/search", {"automatic_fields": True})
    assert records["items"][0]["created_by"]["id"] == ALICE


def test_a_reaction_is_the_user_s_alone(lark: Emulator, api: Api, alice: Api, bob: Api) -> None:
    path = make_path(api.send())
    first = alice.data("POST", f"{path}/reactions", DONE)
    assert first["operator"] == {"operator_id": ALICE, "operator_type": "user"}
    assert alice.data("POST", f"{path}/reactions", DONE)["reaction_id"] == first["reaction_id"]
    others = [client.data("POST", f"{path}/reactions", DONE)["operator"] for client in (bob, api)]
    assert others == [
        {"operator_id": BOB, "operator_type": "user"},
        {"operator_id": lark.app_id, "operator_type": "app"},
    ]
    where = f"{path}/reactions/{first['reaction_id']}"
    assert [client("DELETE", where)["code"] for client in (bob, api, alice)] == [231007, 231007, 0]
    lark.change_chat(GROUP, remove_users=["alice"], remove_bots=[lark.app_id])
    assert alice("POST", f"{path}/reactions", DONE)["code"] == 231008
    assert len(bob.data("GET", f"{path}/reactions")["items"]) == 2


def test_a_pin_is_the_user_s(api: Api, alice: Api) -> None:
    body = {"message_id": api.send()["data"]["message_id"]}
    pin = alice.data("POST", "/im/v1/pins", body)["pin"]
    assert (pin["operator_id"], pin["operator_id_type"]) == (ALICE, "open_id")
    chat = api.data("POST", "/im/v1/chats", {"name": "Own", "owner_id": BOB, "user_id_list": [ALICE]})
    api.data("PUT", f"/im/v1/chats/{chat['chat_id']}", {"pin_manage_setting": "only_owner"})
    body = {"message_id": api.send(chat["chat_id"])["data"]["message_id"]}
    assert alice("POST", "/im/v1/pins", body)["code"] == 230046


def test_the_owner_of_a_group_administers_it(lark: Emulator, api: Api, alice: Api, bob: Api) -> None:
    body = {"name": "Theirs", "owner_id": ALICE, "user_id_list": [BOB, CAROL]}
    chat_id = api.data("POST", "/im/v1/chats", body)["chat_id"]
    lark.change_chat(chat_id, remove_bots=[lark.app_id])
    where = f"/im/v1/chats/{chat_id}"
    only_owner = {"edit_permission": "only_owner"}
    assert [client("PUT", where, only_owner)["code"] for client in (api, bob, alice)] == [232011, 232016, 0]
    assert bob("PUT", where, {"name": "Mine"})["code"] == 232002
    kick = {"id_list": [CAROL]}
    assert [client("DELETE", f"{where}/members", kick)["code"] for client in (bob, alice)] == [232014, 0]
    assert bob("POST", f"{where}/managers/add_managers", {"manager_ids": [BOB]})["code"] == 232017
    assert alice("POST", f"{where}/managers/add_managers", {"manager_ids": [BOB]})["code"] == 0
    assert bob("PUT", where, {"name": "Ours"})["code"] == 0
    searched = {"query": "Ours", "filter": {"is_manager": True}}
    totals = [client.data("POST", "/im/v2/chats/search", searched)["total"] for client in (alice, bob, api)]
    assert totals == [1, 1, 0]
    assert alice("PUT", where, {"owner_id": BOB})["code"] == 0
    assert [client("DELETE", where)["code"] for client in (alice, bob)] == [232017, 0]


def test_users_come_and_go_by_themselves(lark: Emulator, api: Api, alice: Api) -> None:
    lark.settings(**PATIENT)
    chat = api.data("POST", "/im/v1/chats", {"name": "Open", "chat_type": "public"})
    members = f"/im/v1/chats/{chat['chat_id']}/members"
    with AppServer() as app:
        lark.set_callback("", event_url=app.url)
        assert alice("GET", members)["code"] == 232011
        assert [item["name"] for item in alice.data("GET", "/im/v1/chats/search", query="open")["items"]] == [
            "Open"
        ]
        assert alice("PATCH", f"{members}/me_join")["code"] == 0
        assert alice.data("GET", f"{members}/is_in_chat") == {"is_in_chat": True}
        assert alice("DELETE", members, {"id_list": [ALICE]})["code"] == 0
        lark.advance(0)
    events = [request.json["event"] for request in app.received if "event" in request.json]
    assert [event["operator_id"]["open_id"] for event in events] == [ALICE, ALICE]
    assert [event["users"][0]["user_id"]["open_id"] for event in events] == [ALICE, ALICE]


def test_what_the_bot_made_is_not_the_user_s(api: Api, alice: Api) -> None:
    chat = api.data("POST", "/im/v1/chats", {"name": "G", "owner_id": BOB, "user_id_list": [ALICE]})
    where = f"/im/v1/chats/{chat['chat_id']}"
    assert [client("DELETE", where)["code"] for client in (alice, api)] == [232017, 0]
