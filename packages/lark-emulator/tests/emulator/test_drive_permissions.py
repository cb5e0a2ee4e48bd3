"""Who may open what: owners, collaborators, chats, folders, links."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.conftest import Api
from tests.emulator.spreadsheet import Book

if TYPE_CHECKING:
    from lark_emulator import Emulator

ALICE = {"member_type": "openid", "member_id": "ou_emulator0001_alice", "perm": "view"}
CHAT = {"member_type": "openchat", "member_id": "oc_emulator_data_team", "perm": "edit"}
OWNER = "app:cli_1a2b3c4d5e6f0001"


class Shared:
    """A document and calls of its permissions."""

    def __init__(self, api: Api, token: str, kind: str = "sheet") -> None:
        self.api, self.token, self.kind = api, token, kind
        self.path = f"/drive/v1/permissions/{token}/members"

    def __call__(self, method: str, path: str = "", body: Any = None, **query: Any) -> Any:
        return self.api(method, f"{self.path}{path}", body, type=self.kind, **query)

    def list_members(self) -> dict[str, str]:
        items = self("GET", fields="*")["data"]["items"]
        return {item["member_id"]: item["perm"] for item in items}


@pytest.fixture
def shared(api: Api) -> Shared:
    return Shared(api, Book(api).token)


def test_what_an_app_makes_nobody_else_can_open(shared: Shared, lark: Emulator) -> None:
    assert lark.openers(shared.token) == {OWNER: "owner"}
    assert shared.list_members() == {}
    lark.settings(owner_listed="listed")
    assert shared.list_members() == {"ou_emulator0001_bot": "full_access"}


def test_people_and_chats_are_added_changed_and_removed(shared: Shared, lark: Emulator) -> None:
    assert shared("POST", body=ALICE)["data"]["member"] == {**ALICE, "perm_type": "container", "type": "user"}
    assert shared("POST", body=CHAT)["data"]["member"] == {**CHAT, "perm_type": "container", "type": "chat"}
    assert lark.openers(shared.token) == {
        OWNER: "owner",
        **dict.fromkeys(("user:alice", "user:bob", "user:carol"), "edit"),
    }
    changed = {"member_type": "openid", "perm": "full_access"}
    assert shared("PUT", f"/{ALICE['member_id']}", changed)["code"] == 0
    assert shared("DELETE", f"/{CHAT['member_id']}", member_type="openchat")["code"] == 0
    assert lark.openers(shared.token) == {OWNER: "owner", "user:alice": "full_access"}
    assert shared("DELETE", f"/{CHAT['member_id']}", member_type="openchat")["code"] == 1063001


@pytest.mark.parametrize(
    ("member", "code"),
    [
        ({"member_type": "email", "member_id": "bob@example.com", "perm": "view"}, 0),
        ({"member_type": "unionid", "member_id": "on_emulator_bob", "perm": "view"}, 0),
        ({"member_type": "userid", "member_id": "bob", "perm": "view"}, 0),
        ({"member_type": "userid", "member_id": "bob", "perm": "own"}, 1063001),
        ({"member_type": "userid", "member_id": "nobody", "perm": "view"}, 1063001),
        ({"member_type": "openid", "member_id": "ou_other_bob", "perm": "view"}, 1063001),
        ({"member_type": "opendepartmentid", "member_id": "od-1", "perm": "view"}, 1063001),
        ({"member_type": "openchat", "member_id": "oc_nowhere", "perm": "view"}, 1063001),
        ({"member_type": "who", "member_id": "bob", "perm": "view"}, 1063001),
        ({}, 1063001),
    ],
)
def test_whom_a_document_can_be_shared_with(shared: Shared, member: Any, code: int) -> None:
    answer = shared("POST", body=member)
    assert (answer["code"], answer["http"]) == (code, 400 if code else 200)


def test_app_and_collaborator_must_see_each_other(shared: Shared, lark: Emulator) -> None:
    lark.change_app(available_to=["bob"])
    assert shared("POST", body=ALICE)["code"] == 1063003
    lark.change_chat(CHAT["member_id"], remove_bots=["cli_1a2b3c4d5e6f0001"])
    assert shared("POST", body=CHAT)["code"] == 1063003
    lark.change_app(available_to=None)
    lark.add_user("mallory", tenant_key="tenant_b")
    outside = {"member_type": "userid", "member_id": "mallory", "perm": "view"}
    assert shared("POST", body=outside)["code"] == 1063003


def test_a_batch_answers_the_successful_ones_only(shared: Shared) -> None:
    nobody = {"member_type": "userid", "member_id": "nobody", "perm": "view"}
    answer = shared("POST", "/batch_create", {"members": [nobody, ALICE, CHAT]})
    assert answer["code"] == 0
    assert [member["member_id"] for member in answer["data"]["members"]] == [
        ALICE["member_id"],
        CHAT["member_id"],
    ]
    assert shared("POST", "/batch_create", {"members": [ALICE] * 11})["code"] == 1063001


@pytest.mark.parametrize(
    ("again", "code", "perm"),
    [("upsert", 0, "view"), ("kept", 0, "edit"), ("raised", 0, "edit"), ("1063003", 1063003, "edit")],
)
def test_adding_a_member_again(shared: Shared, lark: Emulator, again: str, code: int, perm: str) -> None:
    lark.settings(member_again=again)
    assert shared("POST", body={**ALICE, "perm": "edit"})["code"] == 0
    assert shared("POST", body=ALICE)["code"] == code
    assert shared.list_members() == {ALICE["member_id"]: perm}


def test_only_those_with_full_access_share(shared: Shared, lark: Emulator) -> None:
    lark.add_app("cli_other", "secret")
    other = Api(lark, "cli_other", "secret")
    with closing(other.http):
        theirs = Shared(other, shared.token)
        bob = {"member_type": "userid", "member_id": "bob", "perm": "view"}
        assert theirs("POST", body=bob)["code"] == 1063002
        assert theirs("GET", "/auth", action="view")["data"]["auth_result"] is False
        lark.share_document(shared.token, "app:cli_other", "edit")
        assert (theirs("POST", body=bob)["code"], theirs("POST", body=bob)["http"]) == (1063004, 403)
        answers = [
            theirs("GET", "/auth", action=action)["data"]["auth_result"] for action in ("edit", "share")
        ]
        assert answers == [True, False]
        assert theirs("POST", "/transfer_owner", {**bob})["code"] == 1063002
        lark.share_document(shared.token, "app:cli_other", "full_access")
        assert theirs("POST", body=bob)["code"] == 0


def test_the_type_must_be_that_of_the_token(shared: Shared) -> None:
    assert Shared(shared.api, shared.token, "bitable")("GET")["code"] == 1063001
    assert Shared(shared.api, "shtnone")("GET")["code"] == 1063001
    shared.api.data("DELETE", f"/drive/v1/files/{shared.token}", type="sheet")
    assert (shared("GET")["code"], shared("GET")["http"]) == (1063005, 404)


def test_a_wiki_page_is_shared_with_its_document(api: Api, lark: Emulator) -> None:
    page = {"obj_type": "docx", "node_type": "origin", "title": "P"}
    node = api.data("POST", "/wiki/v2/spaces/7000000000000000001/nodes", page)["node"]
    wiki = Shared(api, node["node_token"], "wiki")
    assert wiki("POST", body=ALICE)["code"] == 0
    assert wiki.list_members() == {ALICE["member_id"]: "view"}
    assert lark.openers(node["obj_token"])["user:alice"] == "view"
    assert wiki("GET", "/auth", action="share")["data"]["auth_result"] is True
    public = f"/drive/v2/permissions/{node['node_token']}/public"
    assert api("PATCH", public, {"link_share_entity": "tenant_readable"}, type="wiki")["code"] == 0
    assert Shared(api, node["obj_token"], "wiki")("GET")["code"] == 1063001
    assert Shared(api, "wikcnnone", "wiki")("GET")["code"] == 1063001


def test_an_owner_can_be_changed_and_keep_less(shared: Shared, lark: Emulator) -> None:
    owner = {"member_type": "userid", "member_id": "bob"}
    assert shared("POST", "/transfer_owner", owner, old_owner_perm="view")["code"] == 0
    assert lark.document(shared.token)["owner"] == "user:bob"
    assert lark.openers(shared.token) == {OWNER: "view", "user:bob": "owner"}
    other = Shared(shared.api, Book(shared.api).token)
    assert other("POST", "/transfer_owner", owner, remove_old_owner="true")["code"] == 0
    assert lark.openers(other.token) == {"user:bob": "owner"}
    assert other("GET")["code"] == 1063002


def test_an_app_in_a_folder_is_a_success_without_effect(api: Api, lark: Emulator) -> None:
    app = lark.add_app("cli_other", "secret")
    token = api.data("POST", "/drive/v1/files/create_folder", {"name": "F", "folder_token": ""})["token"]
    folder = Shared(api, token, "folder")
    bot = {"member_type": "openid", "member_id": app["bot_open_id"], "perm": "edit"}
    assert folder("POST", body=bot)["code"] == 0
    assert folder.list_members() == {}
    assert Shared(api, Book(api).token)("POST", body=bot)["code"] == 0


@pytest.mark.parametrize(("inheritance", "opens"), [("inherited", True), ("none", False)])
def test_what_is_in_a_shared_folder(api: Api, lark: Emulator, inheritance: str, *, opens: bool) -> None:
    lark.settings(folder_inheritance=inheritance)
    folder = api.data("POST", "/drive/v1/files/create_folder", {"name": "F", "folder_token": ""})["token"]
    assert Shared(api, folder, "folder")("POST", body=ALICE)["code"] == 0
    book = Book(api, folder_token=folder)
    assert ("user:alice" in lark.openers(book.token)) == opens


def test_a_group_that_a_person_shares_a_folder_with_opens_it_to_the_bot(api: Api, lark: Emulator) -> None:
    folder = lark.add_document("Team", type="folder", owner="user:alice")
    answer = api("POST", "/sheets/v3/spreadsheets", {"title": "R", "folder_token": folder})
    assert answer["code"] == 1061004
    lark.share_document(folder, f"chat:{CHAT['member_id']}", "full_access")
    book = Book(api, folder_token=folder)
    assert lark.openers(book.token)["user:carol"] == "full_access"


def test_links_open_a_document_to_the_tenant(shared: Shared, lark: Emulator) -> None:
    path = f"/drive/v2/permissions/{shared.token}/public"

    def patch(**changes: str) -> Any:
        return shared.api("PATCH", path, changes, type="sheet")

    assert patch(link_share_entity="anyone_readable")["code"] == 1063003
    assert patch(link_share_entity="everyone")["code"] == 1063001
    assert patch(link_share_entity="tenant_readable")["code"] == 0
    assert lark.openers(shared.token)["user:carol"] == "view"
    shown = patch(comment_entity="anyone_can_edit")["data"]["permission_public"]
    assert (shown["link_share_entity"], shown["comment_entity"]) == ("tenant_readable", "anyone_can_edit")
    assert shared.api.data("GET", path, type="sheet")["permission_public"] == shown
    assert patch(external_access_entity="open", link_share_entity="anyone_editable")["code"] == 0
    lark.add_user("mallory", tenant_key="tenant_b")
    assert lark.openers(shared.token)["user:mallory"] == "edit"


def test_bases_are_shared_in_the_same_way(api: Api, lark: Emulator) -> None:
    app = lark.add_app("cli_other", "secret")
    created = api.data("POST", "/bitable/v1/apps", {"name": "Base"})["app"]
    base = Shared(api, created["app_token"], "bitable")
    path = f"/bitable/v1/apps/{created['app_token']}"
    records = f"{path}/tables/{created['default_table_id']}/records"
    other = Api(lark, "cli_other", "secret")
    with closing(other.http):
        assert other("GET", path)["code"] == 91403
        member = {"member_type": "openid", "member_id": app["bot_open_id"], "perm": "view"}
        assert base("POST", body=member)["code"] == 0
        assert other("GET", path)["code"] == 0
        assert other("POST", records, {"fields": {}})["code"] == 1254302
        assert base("POST", body={**member, "perm": "edit"})["code"] == 0
        assert other("POST", records, {"fields": {}})["code"] == 0
    owner = {"member_type": "userid", "member_id": "bob"}
    assert base("POST", "/transfer_owner", owner, remove_old_owner="true")["code"] == 0
    assert api("GET", path)["code"] == 91403
