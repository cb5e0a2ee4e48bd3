"""What the official SDK does about folders, files and permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance.accounts import good

if TYPE_CHECKING:
    from tests.conformance.conftest import Sdk


def drive(sdk: Sdk, client: Any) -> None:
    files, api = client.drive.v1.file, sdk.drive
    good(client.request(sdk.plain("GET", "/open-apis/drive/explorer/v2/root_folder/meta")))
    body = {"name": "Reports", "folder_token": ""}
    folder = good(files.create_folder(sdk.request(api, "CreateFolderFile", body))).token
    make = sdk.request(sdk.sheets, "CreateSpreadsheet", {"title": "T"}, model="Spreadsheet")
    template = good(client.sheets.v3.spreadsheet.create(make)).spreadsheet.spreadsheet_token
    body = {"name": "Report", "type": "sheet", "folder_token": folder}
    token = good(files.copy(sdk.request(api, "CopyFile", body, file_token=template))).file.token
    listed = good(files.list(sdk.request(api, "ListFile", folder_token=folder))).files
    assert [(file.name, file.type, file.token) for file in listed] == [("Report", "sheet", token)]
    wanted = {"request_docs": [{"doc_token": token, "doc_type": "sheet"}], "with_url": True}
    metas = good(
        client.drive.v1.meta.batch_query(sdk.request(api, "BatchQueryMeta", wanted, model="MetaRequest"))
    )
    assert metas.metas[0].title == "Report"
    _check_members(sdk, client, token)
    _check_public(sdk, client, token)
    body = {"type": "sheet", "folder_token": folder}
    good(files.move(sdk.request(api, "MoveFile", body, file_token=template)))
    task = good(files.delete(sdk.request(api, "DeleteFile", file_token=folder, type="folder"))).task_id
    assert good(files.task_check(sdk.request(api, "TaskCheckFile", task_id=task))).status == "success"


def _check_members(sdk: Sdk, client: Any, token: str) -> None:
    members, api, where = client.drive.v1.permission_member, sdk.drive, {"token": token, "type": "sheet"}

    def call(method: str, body: Any = None, *, model: str = "", **parts: Any) -> Any:
        name = "".join(word.capitalize() for word in method.split("_")) + "PermissionMember"
        return good(getattr(members, method)(sdk.request(api, name, body, model=model, **where, **parts)))

    alice = {"member_type": "openid", "member_id": "ou_emulator0001_alice", "perm": "view"}
    assert call("create", alice, model="BaseMember").member.perm == "view"
    chat = {"member_type": "openchat", "member_id": "oc_emulator_data_team", "perm": "edit"}
    nobody = {"member_type": "userid", "member_id": "nobody", "perm": "edit"}
    added = call("batch_create", {"members": [chat, nobody]}).members
    assert [member.member_id for member in added] == ["oc_emulator_data_team"]
    call(
        "update",
        {"member_type": "openid", "perm": "edit"},
        model="BaseMember",
        member_id="ou_emulator0001_alice",
    )
    items = call("list", fields="*").items
    assert [(member.member_id, member.perm) for member in items] == [
        ("ou_emulator0001_alice", "edit"),
        ("oc_emulator_data_team", "edit"),
    ]
    assert call("auth", action="share").auth_result is True
    call("delete", member_id="oc_emulator_data_team", member_type="openchat")
    owner = {"member_type": "userid", "member_id": "bob"}
    call("transfer_owner", owner, model="Owner", old_owner_perm="full_access")


def _check_public(sdk: Sdk, client: Any, token: str) -> None:
    public, api = client.drive.v2.permission_public, sdk.drive2
    body = {"link_share_entity": "tenant_readable"}
    request = sdk.request(
        api, "PatchPermissionPublic", body, model="PermissionPublic", token=token, type="sheet"
    )
    assert good(public.patch(request)).permission_public.link_share_entity == "tenant_readable"
    shown = good(public.get(sdk.request(api, "GetPermissionPublic", token=token, type="sheet")))
    assert shown.permission_public.link_share_entity == "tenant_readable"
