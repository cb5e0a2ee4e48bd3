"""Folders, files, and who may open them, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.drive import Share, making
from lark_provider.errors import (
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
)
from tests.client.conftest import CHAT, Do, count

MEMBERS = "/open-apis/drive/v1/permissions/:token/members"
CREATE_FOLDER = "POST /open-apis/drive/v1/files/create_folder"
ALICE, BOB = "ou_emulator0001_alice", "ou_emulator0001_bob"


@pytest.fixture
def token(lark: Emulator) -> str:
    lark.settings(rate_limits=False, sheet_write_ms=0)
    return LarkServiceClient().clouddoc.sheets.create("Daily").token


def get_subject(lark: Emulator) -> str:
    return f"app:{lark.app_id}"


def others(lark: Emulator, token: str) -> dict[str, str]:
    """Return the role of each person who can open a document, without the app that created it."""
    return {who: role for who, role in lark.openers(token).items() if who != get_subject(lark)}


@pytest.mark.parametrize(
    "who",
    [
        ALICE,
        "on_emulator_alice",
        "alice",
        "alice@example.com",
        "+86 138 0000 0001",
    ],
)
def test_people_are_named_by_any_id(lark: Emulator, do: Do, token: str, who: str) -> None:
    assert others(lark, token) == {}
    granted = do(lambda c: c.clouddoc.drive.permissions.add(token, who, "edit"))
    assert (granted.id, granted.role) == (ALICE, "edit")
    assert others(lark, token) == {"user:alice": "edit"}
    assert do(lambda c: c.clouddoc.drive.permissions.remove(token, who)) is True
    assert do(lambda c: c.clouddoc.drive.permissions.remove(token, who)) is False
    assert others(lark, token) == {}


def test_a_spreadsheet_is_shared_when_it_is_created(lark: Emulator, do: Do) -> None:
    lark.settings(rate_limits=False)
    shares = [Share(BOB, "full_access"), Share("bob@example.com"), Share(CHAT, "edit")]
    spreadsheet = do(lambda c: c.clouddoc.sheets.create("Daily", folder="Reports", share_with=shares))
    assert [(share.id, share.role) for share in spreadsheet.shared] == [(BOB, "full_access"), (CHAT, "edit")]
    assert others(lark, spreadsheet.token) == {
        "user:alice": "edit",
        "user:bob": "full_access",
        "user:carol": "edit",
    }


@pytest.mark.parametrize("again", ["upsert", "kept", "raised", "1063003"])
@pytest.mark.parametrize("owner", ["absent", "listed"])
def test_a_role_is_raised_and_never_lowered(
    lark: Emulator, do: Do, token: str, again: str, owner: str
) -> None:
    lark.settings(member_again=again, owner_listed=owner)
    lark.share_document(token, "user:alice", "view")
    lark.share_document(token, "user:bob", "full_access")
    wanted = [Share(ALICE, "edit"), Share(BOB, "view"), Share("carol@example.com", "view")]
    granted = do(lambda c: c.clouddoc.sheets.open(token).share(wanted))
    assert [share.role for share in granted] == ["edit", "full_access", "view"]
    expected = {"user:alice": "edit", "user:bob": "full_access", "user:carol": "view"}
    assert others(lark, token) == expected
    changes = count(lark, f"POST {MEMBERS}") + count(lark, f"PUT {MEMBERS}/:member_id")
    assert changes == 2
    do(lambda c: c.clouddoc.drive.permissions.share(token, wanted))
    assert count(lark, f"POST {MEMBERS}") + count(lark, f"PUT {MEMBERS}/:member_id") == changes
    listed = do(lambda c: c.clouddoc.drive.permissions.list(token))
    assert {member.id: member.role for member in listed if member.name != "emulator bot"}.items() >= {
        ALICE: "edit"
    }.items()


@pytest.mark.parametrize("owner", ["absent", "listed"])
def test_the_owner_needs_no_grant(lark: Emulator, do: Do, owner: str) -> None:
    lark.settings(rate_limits=False, owner_listed=owner)
    token = lark.add_document("Theirs", type="sheet", owner="user:alice")
    lark.share_document(token, get_subject(lark), "full_access")
    (granted,) = do(lambda c: c.clouddoc.drive.permissions.share(token, [Share(ALICE, "edit")], type="sheet"))
    assert granted.role == "full_access"


def test_reasons_are_named_and_the_others_stand(lark: Emulator, do: Do, token: str) -> None:
    lark.change_app(available_to=["alice"])
    lark.add_chat("No bot", chat_id="oc_no_bot", users=["alice"])
    wanted = [Share("oc_no_bot"), Share(BOB, "edit"), Share(ALICE)]
    with pytest.raises(PermissionDeniedError) as error:
        do(lambda c: c.clouddoc.drive.permissions.share(token, wanted))
    text = str(error.value)
    assert "Lark refused 2 permission(s) on the " in text
    assert ": view for oc_no_bot: the app's bot is not in the chat" in text
    assert f"edit for {BOB}: the person is outside the app's availability" in text
    assert "1 other(s) were granted. Next: " in text
    assert error.value.code == 1063003
    assert others(lark, token) == {"user:alice": "view"}


def test_a_spreadsheet_that_cannot_be_shared_is_still_named(lark: Emulator, do: Do) -> None:
    lark.settings(rate_limits=False)
    lark.add_chat("No bot", chat_id="oc_no_bot", users=["alice"])
    with pytest.raises(
        PermissionDeniedError,
        match=r"The spreadsheet https://\S+ was created\. Lark refused 1 permission\(s\) on the sheet shtcn",
    ):
        do(lambda c: c.clouddoc.sheets.create("Daily", share_with=[Share("oc_no_bot")]))


def test_people_are_looked_up_before_anything_is_created(lark: Emulator, do: Do) -> None:
    with pytest.raises(NotFoundError, match=r"This app sees no user nobody@example\.com"):
        do(lambda c: c.clouddoc.sheets.create("Daily", share_with=[Share("nobody@example.com")]))
    assert [document for document in lark.documents() if document["type"] == "sheet"] == []


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([Share("od-123")], "got the department od-123: Lark lets no app share with departments"),
        ([Share("cli_other")], "got the app cli_other. Next: add that app's bot to a chat"),
        ([Share("")], "A person or chat must be a non-empty string"),
        ([Share(ALICE, "owner")], "role must be one of view, edit, full_access"),  # type: ignore[arg-type]
        ([ALICE], "share_with must hold Share objects"),
        (Share(ALICE), "share_with must be a list of Share"),
    ],
)
def test_whom_an_app_cannot_share_with(lark: Emulator, do: Do, token: str, shares: Any, words: str) -> None:
    before = len(lark.requests())
    with pytest.raises(InvalidRequestError, match=words) as error:
        do(lambda c: c.clouddoc.sheets.create("Daily", share_with=shares))
    assert error.value.http_status is None
    assert len(lark.requests()) == before


def test_the_bot_of_an_app_in_a_folder_is_success_without_effect(lark: Emulator, do: Do) -> None:
    lark.settings(rate_limits=False)
    other = lark.add_app(name="Other")
    folder = do(lambda c: c.clouddoc.drive.create_folder("Reports")).data["token"]
    with pytest.raises(PermissionDeniedError, match="answered success, but it has no effect"):
        do(lambda c: c.clouddoc.drive.permissions.add(folder, other["bot_open_id"], "edit", type="folder"))


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_lost_answer_to_a_grant_is_repeated(lark: Emulator, do: Do, token: str, drop: str) -> None:
    lark.settings(member_again="1063003")
    lark.fault("POST", "*/members", drop=drop)
    assert do(lambda c: c.clouddoc.drive.permissions.add(token, ALICE, "view")).role == "view"
    assert others(lark, token) == {"user:alice": "view"}


@pytest.mark.parametrize("drop", [None, "before", "after"])
def test_a_document_gets_another_owner(lark: Emulator, do: Do, token: str, drop: str | None) -> None:
    lark.settings(folder_inheritance="none")  # else the app owns it as the owner of the folder around it
    if drop is not None:
        lark.fault("POST", "*/transfer_owner", drop=drop)
    if drop == "before":
        with pytest.raises(OutcomeUnknownError):
            do(lambda c: c.clouddoc.drive.permissions.transfer_owner(token, ALICE))
        assert lark.document(token)["owner"] == get_subject(lark)
    do(
        lambda c: c.clouddoc.drive.permissions.transfer_owner(
            token, "alice@example.com", old_owner_role="edit"
        )
    )
    assert lark.document(token)["owner"] == "user:alice"
    with pytest.raises(PermissionDeniedError):
        do(lambda c: c.clouddoc.drive.permissions.transfer_owner(token, BOB))
    with pytest.raises(InvalidRequestError, match="owner of a document must be a person, got the chat"):
        do(lambda c: c.clouddoc.drive.permissions.transfer_owner(token, CHAT))


def test_the_public_link(lark: Emulator, do: Do, token: str) -> None:
    assert do(lambda c: c.clouddoc.drive.permissions.public(token))["link_share_entity"] == "closed"
    shown = do(lambda c: c.clouddoc.drive.permissions.public(token, "tenant_readable"))
    assert shown["link_share_entity"] == "tenant_readable"
    assert others(lark, token) == {"user:alice": "view", "user:bob": "view", "user:carol": "view"}
    with pytest.raises(InvalidRequestError, match="link_share_entity must be one of closed"):
        do(lambda c: c.clouddoc.drive.permissions.public(token, "everyone"))


def test_a_path_of_folders_is_made_once(lark: Emulator, do: Do) -> None:
    lark.settings(rate_limits=False)
    token = do(lambda c: c.clouddoc.drive.ensure_folder("Reports/2026-11"))
    assert do(lambda c: c.clouddoc.drive.ensure_folder("/Reports/2026-11/")) == token
    assert do(lambda c: c.clouddoc.drive.find_folder("Reports/2026-11")) == token
    assert do(lambda c: c.clouddoc.drive.find_folder("Reports/2026-12")) is None
    assert count(lark, CREATE_FOLDER) == 2
    parent = do(lambda c: c.clouddoc.drive.find_folder("Reports"))
    inside = do(
        lambda c: c.clouddoc.drive.ensure_folder(
            "2026-11", parent=f"https://x.feishu.cn/drive/folder/{parent}"
        )
    )
    assert inside == token


def test_of_two_folders_of_a_name_the_oldest_counts(lark: Emulator, do: Do) -> None:
    lark.settings(rate_limits=False)
    first = do(lambda c: c.clouddoc.drive.create_folder("Reports")).data["token"]
    lark.advance(5)
    do(lambda c: c.clouddoc.drive.create_folder("Reports"))
    assert do(lambda c: c.clouddoc.drive.ensure_folder("Reports")) == first


def test_lists_that_lag_make_no_second_folder(lark: Emulator) -> None:
    lark.settings(rate_limits=False, list_lag_s=60)
    drive = LarkServiceClient().clouddoc.drive
    assert drive.ensure_folder("Lagging/2026") == drive.ensure_folder("Lagging/2026")
    assert count(lark, CREATE_FOLDER) == 2


def test_a_full_folder_is_a_clear_error(lark: Emulator, do: Do) -> None:
    lark.settings(rate_limits=False)
    do(lambda c: c.clouddoc.drive.ensure_folder("Full/a"))
    lark.settings(folder_children=1)
    with pytest.raises(
        ConflictError, match=r"1062507 .* Next: use another folder, such as one a month: one takes 1,500"
    ):
        do(lambda c: c.clouddoc.drive.ensure_folder("Full/b"))


@pytest.mark.parametrize(
    "path", ["", "/", "a//b", "..", "a/../b", "x" * 300, "/".join("abcdefghijklmnop"), "a\nb", 5]
)
def test_wrong_paths_are_named(lark: Emulator, do: Do, path: Any) -> None:
    before = len(lark.requests())
    with pytest.raises(InvalidRequestError, match="Next: "):
        do(lambda c: c.clouddoc.drive.ensure_folder(path))
    assert len(lark.requests()) == before


def test_files_are_listed_copied_and_deleted(lark: Emulator, do: Do, token: str) -> None:
    copied = do(lambda c: c.clouddoc.drive.copy(token, "Copy", folder="Reports")).data["file"]
    files = do(lambda c: _list_files(c, "Reports"))
    assert [(file["name"], file["type"]) for file in files] == [("Copy", "sheet")]
    names = {file["name"] for file in do(lambda c: _list_files(c, None))}
    assert names == {"Daily", "Reports"}
    do(lambda c: c.clouddoc.drive.delete(copied["url"]))
    assert do(lambda c: _list_files(c, "Reports")) == []
    do(lambda c: c.clouddoc.drive.delete(_folder(lark), type="folder"))
    with pytest.raises(LarkAPIError):
        do(lambda c: c.clouddoc.drive.delete(copied["token"], type="sheet"))
    with pytest.raises(NotFoundError, match="There is no folder 'Missing/x' in the app's own space"):
        do(lambda c: _list_files(c, "Missing/x"))
    with pytest.raises(InvalidRequestError, match="name of a file must have 1 to 256 bytes"):
        do(lambda c: c.clouddoc.drive.copy(token, ""))


def _list_files(client: Any, folder: str | None) -> Any:
    files = client.clouddoc.drive.list_files(folder)
    return files if hasattr(files, "__aiter__") else list(files)


def _folder(lark: Emulator) -> str:
    return str(next(document["token"] for document in lark.documents() if document["title"] == "Reports"))


@pytest.mark.parametrize(
    ("token", "kind", "words"),
    [
        ("Iow7sNNEphp3WbtnbCscPqabcef", None, "token must be a link, or a token beside type="),
        ("", "sheet", "token must be a link"),
        ("shtcn1", "spreadsheet", "type must be one of sheet, folder"),
        ("https://x.feishu.cn/docx/doxcn1", "sheet", "must lead to a sheet, got a docx"),
    ],
)
def test_the_kind_of_a_document_must_be_known(do: Do, token: str, kind: Any, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        do(lambda c: c.clouddoc.drive.permissions.list(token, type=kind))


def test_a_wiki_page_is_shared_as_the_document_on_it(lark: Emulator, do: Do, token: str) -> None:
    node = lark.add_wiki_node("sheet", token)
    do(lambda c: c.clouddoc.drive.permissions.add(f"https://x.feishu.cn/wiki/{node}", ALICE))
    assert others(lark, token) == {"user:alice": "view"}


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_folder_is_looked_for_before_it_is_made_again(
    lark: Emulator, do: Do, monkeypatch: pytest.MonkeyPatch, drop: str
) -> None:
    lark.settings(rate_limits=False)
    monkeypatch.setattr(making, "POLL_INTERVAL_SECONDS", 0.01)
    lark.fault("POST", "*/create_folder", drop=drop)
    token = do(lambda c: c.clouddoc.drive.ensure_folder("Reports"))
    assert [document["token"] for document in lark.documents() if document["title"] == "Reports"] == [token]


def test_a_spreadsheet_whose_answer_is_lost_is_not_made_again(lark: Emulator, do: Do) -> None:
    lark.fault("POST", "*/spreadsheets", drop="after")
    with pytest.raises(OutcomeUnknownError, match="may or may not have happened"):
        do(lambda c: c.clouddoc.sheets.create("Daily"))
    assert len([document for document in lark.documents() if document["title"] == "Daily"]) == 1


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_lost_answer_to_what_ends_something_is_repeated(
    lark: Emulator, do: Do, token: str, drop: str
) -> None:
    lark.share_document(token, "user:alice", "view")
    lark.fault("DELETE", "*/members/*", drop=drop)
    assert do(lambda c: c.clouddoc.drive.permissions.remove(token, ALICE)) is True
    assert others(lark, token) == {}
    do(lambda c: c.clouddoc.drive.subscribe(token, type="sheet"))
    lark.fault("DELETE", "*/delete_subscribe", drop=drop)
    do(lambda c: c.clouddoc.drive.unsubscribe(token, type="sheet"))
    assert do(lambda c: c.clouddoc.drive.is_subscribed(token, type="sheet")) is False
    lark.fault("DELETE", f"*/files/{token}", drop=drop)
    do(lambda c: c.clouddoc.drive.delete(token, type="sheet"))
    with pytest.raises(LarkAPIError, match="1061007"):
        do(lambda c: c.clouddoc.drive.delete(token, type="sheet"))


def test_a_folder_that_is_not_deleted_is_named(lark: Emulator, do: Do) -> None:
    lark.settings(rate_limits=False)
    folder = do(lambda c: c.clouddoc.drive.create_folder("Reports")).data["token"]
    lark.fault("GET", "*/task_check", status=200, body='{"code":0,"msg":"","data":{"status":"process"}}')
    lark.fault("GET", "*/task_check", status=200, body='{"code":0,"msg":"","data":{"status":"fail"}}')
    with pytest.raises(LarkAPIError, match=f"the folder {folder} could not be deleted, or not all of it"):
        do(lambda c: c.clouddoc.drive.delete(folder, type="folder"))


def test_a_member_who_was_removed_meanwhile_is_gone(lark: Emulator, do: Do, token: str) -> None:
    lark.share_document(token, "user:alice", "view")
    lark.fault("DELETE", "*/members/*", status=400, code=1063001, msg="no member", perform="first")
    assert do(lambda c: c.clouddoc.drive.permissions.remove(token, ALICE)) is True
    assert others(lark, token) == {}
    lark.share_document(token, "user:alice", "view")
    lark.fault("DELETE", "*/members/*", status=403, code=1063004, msg="no share permission")
    with pytest.raises(PermissionDeniedError, match="let the owner allow collaborators to share it"):
        do(lambda c: c.clouddoc.drive.permissions.remove(token, ALICE))


def test_a_refusal_with_another_reason_is_quoted(lark: Emulator, do: Do, token: str) -> None:
    for code, words in (
        (1063003, "has all the members it may, or the tenant's policy"),
        (1063004, "1063004 no"),
    ):
        lark.fault("POST", "*/members", status=400, code=code, msg="no")
        with pytest.raises(PermissionDeniedError, match=f"view for {ALICE}: .*{words}"):
            do(lambda c: c.clouddoc.drive.permissions.add(token, ALICE))
    lark.fault("POST", "*/members", status=500, code=1066002, msg="concurrent")
    assert do(lambda c: c.clouddoc.drive.permissions.add(token, ALICE)).role == "view"
