"""Folders and files: lists that lag, copies, deletion."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.spreadsheet import Book

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api


def folder(api: Api, name: str = "Reports", parent: str = "") -> str:
    body = {"name": name, "folder_token": parent}
    return str(api.data("POST", "/drive/v1/files/create_folder", body)["token"])


def list_names(api: Api, token: str = "", **query: Any) -> list[str]:
    files = api.data("GET", "/drive/v1/files", folder_token=token, **query)["files"]
    return [file["name"] for file in files]


def test_names_are_not_unique_and_the_root_is_the_apps_own(api: Api, lark: Emulator) -> None:
    assert folder(api) != folder(api)
    Book(api, title="Daily")
    assert sorted(list_names(api)) == ["Daily", "Reports", "Reports"]
    root = api.data("GET", "/drive/explorer/v2/root_folder/meta")["token"]
    assert sorted(list_names(api, root)) == ["Daily", "Reports", "Reports"]
    theirs = lark.add_document("Private", type="folder", owner="user:alice")
    assert (api("GET", "/drive/v1/files", folder_token=theirs)["http"], list_names(api, root)[0]) == (
        403,
        list_names(api)[0],
    )
    assert api("GET", "/drive/v1/files", folder_token="fldnone")["code"] == 1061003


def test_a_list_is_paged_and_ordered(api: Api, lark: Emulator) -> None:
    token = folder(api)
    for n in range(3):
        lark.advance(1)
        Book(api, title=f"R{n}", folder_token=token)
    assert list_names(api, token) == ["R2", "R1", "R0"]
    assert list_names(api, token, order_by="CreatedTime", direction="ASC") == ["R0", "R1", "R2"]
    first = api.data("GET", "/drive/v1/files", folder_token=token, page_size=2)
    assert (len(first["files"]), first["has_more"]) == (2, True)
    rest = list_names(api, token, page_size=2, page_token=first["next_page_token"])
    assert rest == ["R0"]
    for size in (0, 201):
        refused = api("GET", "/drive/v1/files", page_size=size)
        assert (refused["code"], refused["msg"], refused["http"]) == (1064001, "page size out of limit.", 400)
    assert api("GET", "/drive/v1/files", page_token="x")["code"] == 1061002


def test_a_list_lags_behind(api: Api, lark: Emulator) -> None:
    token = folder(api)
    old = Book(api, title="Old", folder_token=token)
    lark.settings(list_lag_s=10)
    lark.advance(11)
    Book(api, title="New", folder_token=token)
    api.data("PATCH", old.v3, {"title": "Renamed"})
    assert list_names(api, token) == ["Old"]
    lark.advance(11)
    assert sorted(list_names(api, token)) == ["New", "Renamed"]
    api.data("DELETE", f"/drive/v1/files/{old.token}", type="sheet")
    assert sorted(list_names(api, token)) == ["New", "Renamed"]
    assert api("GET", old.v3)["code"] == 1310249
    lark.advance(11)
    assert list_names(api, token) == ["New"]


def test_a_folder_is_full_at_some_point(api: Api, lark: Emulator) -> None:
    token = folder(api)
    lark.settings(folder_children=1)
    Book(api, folder_token=token)
    answer = api("POST", "/sheets/v3/spreadsheets", {"title": "R", "folder_token": token})
    assert answer["code"] == 1062507
    lark.settings(folder_children=1500, rate_limits=False)
    parent = ""
    for n in range(15):
        parent = folder(api, str(n), parent)
    body = {"name": "deep", "folder_token": parent}
    assert api("POST", "/drive/v1/files/create_folder", body)["code"] == 1062506


def test_a_copy_has_the_cells_and_styles_and_is_the_apps_own(api: Api, lark: Emulator) -> None:
    token = folder(api)
    template = lark.add_document("Template", owner="user:alice")
    lark.edit_sheet(template, [{"do": "type", "cell": "A1", "values": [["title", 1]]}])
    path, body = (
        f"/drive/v1/files/{template}/copy",
        {"name": "Report", "type": "sheet", "folder_token": token},
    )
    assert api("POST", path, body)["code"] == 1061004
    lark.share_document(template, "app:cli_1a2b3c4d5e6f0001")
    copied = api.data("POST", path, body)["file"]
    assert (copied["name"], copied["parent_token"]) == ("Report", token)
    assert lark.sheet(copied["token"])["values"] == [["title", 1]]
    assert lark.document(copied["token"])["owner"] == "app:cli_1a2b3c4d5e6f0001"
    lark.edit_sheet(template, [{"do": "type", "cell": "A1", "values": [["changed"]]}])
    assert lark.sheet(copied["token"])["values"] == [["title", 1]]
    assert api("POST", path, {**body, "name": "x" * 257})["code"] == 1061002
    assert api("POST", path, {**body, "type": "bitable"})["code"] == 1061003


def test_only_one_copy_is_made_at_a_time(api: Api, lark: Emulator) -> None:
    book = Book(api)
    lark.settings(sheet_write_ms=3000)
    body = {"name": "Copy", "type": "sheet", "folder_token": ""}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(api, "POST", f"/drive/v1/files/{book.token}/copy", body)
        deadline = time.monotonic() + 3
        while "Copy" not in [document["title"] for document in lark.documents()]:
            assert time.monotonic() < deadline
        assert api("POST", f"/drive/v1/files/{book.token}/copy", body)["code"] == 1061045
        assert first.result()["code"] == 0
    lark.settings(sheet_write_ms=0)
    assert api("POST", f"/drive/v1/files/{book.token}/copy", body)["code"] == 0


def test_a_base_is_copied_with_its_records(api: Api) -> None:
    base = api.data("POST", "/bitable/v1/apps", {"name": "Base"})["app"]
    records = f"tables/{base['default_table_id']}/records"
    api.data("POST", f"/bitable/v1/apps/{base['app_token']}/{records}", {"fields": {"Text": "a"}})
    body = {"name": "Copy", "type": "bitable", "folder_token": ""}
    copied = api.data("POST", f"/drive/v1/files/{base['app_token']}/copy", body)["file"]["token"]
    assert api.data("GET", f"/bitable/v1/apps/{copied}")["app"]["name"] == "Copy"
    rows = api.data("GET", f"/bitable/v1/apps/{copied}/{records}")["items"]
    assert [row["fields"] for row in rows] == [*[{}] * 10, {"Text": "a"}]


def test_a_folder_is_deleted_with_what_is_in_it(api: Api, lark: Emulator) -> None:
    token = folder(api)
    book = Book(api, folder_token=folder(api, "inner", token))
    task = api.data("DELETE", f"/drive/v1/files/{token}", type="folder")["task_id"]
    assert api.data("GET", "/drive/v1/files/task_check", task_id=task) == {"status": "success"}
    assert lark.document(book.token)["deleted"] is True
    assert api("GET", f"{book.v2}/metainfo")["code"] == 90214
    assert api("DELETE", f"/drive/v1/files/{token}", type="folder")["code"] == 1061007
    theirs = lark.add_document("Theirs", owner="user:bob")
    lark.share_document(theirs, "app:cli_1a2b3c4d5e6f0001", "full_access")
    assert api("DELETE", f"/drive/v1/files/{theirs}", type="sheet")["code"] == 1061004


def test_metas_name_what_failed(api: Api, lark: Emulator) -> None:
    book = Book(api)
    theirs = lark.add_document("Theirs", owner="user:bob")
    docs = [{"doc_token": token, "doc_type": "sheet"} for token in (book.token, theirs, "shtnone")]
    results = api.data("POST", "/drive/v1/metas/batch_query", {"request_docs": docs, "with_url": True})
    assert [(meta["title"], meta["url"]) for meta in results["metas"]] == [
        ("Report", f"https://emulator.invalid/sheets/{book.token}")
    ]
    assert results["metas"][0]["request_doc_info"] == docs[0]
    assert [failure["token"] for failure in results["failed_list"]] == [theirs, "shtnone"]


def test_metas_of_wiki_pages_are_those_of_their_documents(api: Api) -> None:
    page = {"obj_type": "docx", "node_type": "origin", "title": "P"}
    node = api.data("POST", "/wiki/v2/spaces/7000000000000000001/nodes", page)["node"]
    docs = [
        {"doc_token": node["node_token"], "doc_type": "wiki"},
        {"doc_token": node["obj_token"], "doc_type": "wiki"},
    ]
    results = api.data("POST", "/drive/v1/metas/batch_query", {"request_docs": docs})
    (meta,) = results["metas"]
    assert (meta["doc_token"], meta["doc_type"], meta["title"]) == (node["obj_token"], "docx", "P")
    assert meta["request_doc_info"] == docs[0]
    assert results["failed_list"] == [{"token": node["obj_token"], "code": 970005}]


def test_files_and_folders_move(api: Api, lark: Emulator) -> None:
    outer, book = folder(api), Book(api)
    inner = folder(api, "inner", outer)
    body = {"type": "sheet", "folder_token": inner}
    api.data("POST", f"/drive/v1/files/{book.token}/move", body)
    assert list_names(api, inner) == ["Report"]
    into_itself = {"type": "folder", "folder_token": inner}
    assert api("POST", f"/drive/v1/files/{outer}/move", into_itself)["code"] == 1061002
    lark.edit_sheet(book.token, [{"do": "move", "folder_token": outer}])
    assert (list_names(api, inner), sorted(list_names(api, outer))) == ([], ["Report", "inner"])


@pytest.mark.parametrize(
    ("call", "arguments", "text"),
    [
        ("add_document", {"title": "x", "owner": "alice"}, "must begin with"),
        ("add_document", {"title": "x", "owner": "user:nobody"}, "no user 'nobody'"),
        ("add_document", {"title": "x", "folder_token": "nosuch"}, "no folder 'nosuch'"),
        ("share_document", {"token": "nosuch", "share_with": "user:bob"}, "no document"),
        ("document", {"token": "nosuch"}, "no document"),
        ("sheet", {"token": "nosuch"}, "no spreadsheet"),
    ],
)
def test_what_the_control_plane_refuses(lark: Emulator, call: str, arguments: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        getattr(lark, call)(**arguments)


def test_the_control_plane_answers_over_http(api: Api) -> None:
    book = Book(api)
    body = {"token": book.token, "edits": [{"do": "type", "cell": "A1", "values": [["x"]]}]}
    assert api.http.post("/_emulator/sheets/edit", json=body).status_code == 200
    assert api.http.post("/_emulator/sheets/plans", json=body).json()["plans"][0]["before"] == "any"
    assert api.http.delete("/_emulator/sheets/plans").json() == {}
    spreadsheet = api.http.get("/_emulator/sheets", params={"token": book.token}).json()
    assert spreadsheet["sheets"][0]["values"] == [["x"]]
    share = {"token": book.token, "with": "user:bob", "perm": "edit"}
    assert api.http.post("/_emulator/documents/share", json=share).json()["members"] == {"user:bob": "edit"}
    access = api.http.get("/_emulator/documents/access", params={"token": book.token}).json()
    assert access["openers"] == {"app:cli_1a2b3c4d5e6f0001": "owner", "user:bob": "edit"}
    assert book.token in [
        document["token"] for document in api.http.get("/_emulator/documents").json()["documents"]
    ]
    assert book.token in [
        document["token"] for document in api.http.get("/_emulator/state").json()["documents"]
    ]
    assert api.http.post("/_emulator/documents", json={"title": "T"}).json()["owner"] == "user:alice"
