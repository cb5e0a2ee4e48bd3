"""Files, attachments, imports and exports, the wiki, views, and events of bases."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.emulator.app_server import PATIENT, AppServer

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api, Sheet

SPACE = "/wiki/v2/spaces/7000000000000000001/nodes"
BLOCK = 4 * 1024 * 1024


@pytest.fixture(autouse=True)
def unlimited(lark: Emulator) -> None:
    lark.settings(rate_limits=False, upload_ms=0)


def upload(api: Api, content: bytes = b"abc", point: str = "medias", **form: Any) -> Any:
    fields = {"file_name": "a.txt", "size": str(len(content)), **form}
    path = f"/open-apis/drive/v1/{point}/upload_all"
    answer = api.http.post(path, data=fields, files={"file": content})
    return {**answer.json(), "http": answer.status_code}


def media(api: Api, content: bytes = b"abc", **form: Any) -> str:
    return str(upload(api, content, **form)["data"]["file_token"])


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"file_name": ""}, 1061008),
        ({"file_name": "x" * 251}, 1061008),
        ({"size": "2"}, 1062009),
        ({"size": "x"}, 1061002),
        ({"size": str(20 * 1024 * 1024 + 1)}, 1061002),
        ({"checksum": "1"}, 1062008),
        ({"checksum": str(zlib.adler32(b"abc"))}, 0),
        ({"parent_type": "moments"}, 1061002),
        ({"parent_node": "bascnnone"}, 1061044),
        ({"parent_type": "docx_image", "parent_node": "x", "extra": "{"}, 1061002),
    ],
)
def test_uploads_that_are_refused(api: Api, sheet: Sheet, form: dict[str, str], code: int) -> None:
    fields = {"parent_type": "bitable_file", "parent_node": sheet.app["app_token"], **form}
    assert upload(api, **fields)["code"] == code


def test_uploads_of_one_app_keep_each_other_out(api: Api, lark: Emulator) -> None:
    lark.settings(upload_ms=60_000)
    slow = httpx.Timeout(0.5)
    form = {"file_name": "a", "size": "1", "parent_type": "ccm_import_open"}
    path = "/open-apis/drive/v1/medias/upload_all"
    with pytest.raises(httpx.TimeoutException):
        api.http.post(path, data=form, files={"file": b"x"}, timeout=slow)
    answer = api.http.post(path, data=form, files={"file": b"x"})
    assert (answer.status_code, answer.json()["code"]) == (200, 1061045)


def test_parts_come_in_any_order_and_none_may_be_missing(api: Api, lark: Emulator) -> None:
    content = bytes(range(256)) * (BLOCK // 256) + b"end"
    spec = {"file_name": "big.bin", "parent_type": "explorer", "parent_node": "", "size": len(content)}
    files = "/drive/v1/files"
    prepared = api.data("POST", f"{files}/upload_prepare", spec)
    assert prepared["block_num"] == 2
    finish = {"upload_id": prepared["upload_id"], "block_num": 2}

    def upload_part(seq: int, piece: bytes) -> Any:
        form = {"upload_id": prepared["upload_id"], "seq": str(seq), "size": str(len(piece))}
        path = f"/open-apis{files}/upload_part"
        return api.http.post(path, data=form, files={"file": piece}).json()["code"]

    assert upload_part(1, b"bad") == upload_part(1, b"end") == 0
    assert api("POST", f"{files}/upload_finish", finish)["code"] == 1062010
    assert (upload_part(2, b"x"), upload_part(0, b"short")) == (1062011, 1062009)
    assert upload_part(0, content[:BLOCK]) == 0
    assert api("POST", f"{files}/upload_finish", {**finish, "block_num": 3})["code"] == 1062011
    other = lark.add_app()
    theirs = type(api)(lark, other["app_id"], other["app_secret"])
    assert theirs("POST", f"{files}/upload_finish", finish)["code"] == 1062007
    token = api.data("POST", f"{files}/upload_finish", finish)["file_token"]
    got = api.http.get(f"/open-apis{files}/{token}/download", headers={"Range": f"bytes={BLOCK - 1}-"})
    assert (got.status_code, got.content) == (206, b"\xffend")
    assert got.headers["content-range"] == f"bytes {BLOCK - 1}-{BLOCK + 2}/{BLOCK + 3}"
    denied = theirs.http.get(f"/open-apis{files}/{token}/download")
    assert (denied.status_code, denied.json()["code"]) == (403, 1061004)
    theirs.http.close()
    late = api.data("POST", f"{files}/upload_prepare", spec)
    lark.advance(25 * 3600)
    api.login()
    finish = {"upload_id": late["upload_id"], "block_num": 2}
    assert api("POST", f"{files}/upload_finish", finish)["code"] == 1061021


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=1-1", 206, b"b"),
        ("bytes=-2", 206, b"bc"),
        ("bytes=0-99", 206, b"abc"),
        ("bytes=3-", 416, b""),
        ("bytes=99999999999999999999-", 416, b""),
        ("bytes=1-99999999999999999999", 206, b"bc"),
        ("bytes=2-1", 200, b"abc"),
        ("bytes=0-0,2-2", 200, b"abc"),
        ("lines=1-", 200, b"abc"),
    ],
)
def test_ranges(api: Api, asked: str, status: int, content: bytes) -> None:
    token = upload(api, point="files", parent_type="explorer", parent_node="")["data"]["file_token"]
    got = api.http.get(f"/open-apis/drive/v1/files/{token}/download", headers={"Range": asked})
    assert (got.status_code, got.content) == (status, content)


def test_attachments_belong_to_one_base(api: Api, sheet: Sheet, lark: Emulator) -> None:
    sheet.add_field("Files", 17)
    where = {"parent_type": "bitable_file", "parent_node": sheet.app["app_token"]}
    token = media(api, **where)
    written = sheet.add({"Files": [{"file_token": token}]})["data"]["record"]
    assert written["fields"] == {"Files": [{"file_token": token}]}
    (shown,) = sheet.search()["data"]["items"][0]["fields"]["Files"]
    assert (shown["name"], shown["size"], shown["type"]) == ("a.txt", 3, "text/plain")
    assert api.http.get(shown["url"]).content == b"abc"
    (address,) = api.http.get(shown["tmp_url"]).json()["data"]["tmp_download_urls"]
    assert httpx.get(address["tmp_download_url"]).content == b"abc"
    other = api.data("POST", "/bitable/v1/apps", {"name": "Other"})["app"]
    foreign = media(api, parent_type="bitable_image", parent_node=other["app_token"])
    for bad in (foreign, "boxcnnone", media(api, parent_type="ccm_import_open")):
        assert sheet.add({"Files": [{"file_token": bad}]})["code"] == 1254303
    assert sheet.add({"Files": [{"file_token": token}] * 101})["code"] == 1254069
    copied = api.data("POST", f"{sheet.base}/copy", {"name": "Copy"})["app"]["app_token"]
    table = sheet.app["default_table_id"]
    records = api.data("POST", f"/bitable/v1/apps/{copied}/tables/{table}/records/search", {})["items"]
    assert records[0]["fields"]["Files"][0]["file_token"] != token
    lark.limit_base(sheet.app["app_token"], sees="all")
    assert api.http.get(shown["url"]).status_code == 403
    column = next(f for f in api.data("GET", f"{sheet.path}/fields")["items"] if f["type"] == 17)
    cell = {column["field_id"]: {written["record_id"]: [token]}}
    extra = json.dumps({"bitablePerm": {"tableId": table, "attachments": cell}})
    assert api.http.get(shown["url"], params={"extra": extra}).content == b"abc"
    lark.advance(25 * 3600)
    assert httpx.get(address["tmp_download_url"]).status_code == 403
    assert lark.medias()[0]["document"] == sheet.app["app_token"]


def import_(api: Api, name: str, content: bytes, kind: str, **more: Any) -> Any:
    token = media(api, content, file_name=name, parent_type="ccm_import_open")
    spec: Any = {"file_extension": name.rpartition(".")[2], "file_token": token, "type": kind}
    spec |= {"point": {"mount_type": 1, "mount_key": ""}, **more}
    return api("POST", "/drive/v1/import_tasks", spec)


def test_an_import_takes_its_time_and_its_file_does_not_last(api: Api, lark: Emulator) -> None:
    lark.settings(drive_task_s=10, import_token="one_poll_later")
    ticket = import_(api, "a.csv", b"id,n\nx,1\nx,\n", "bitable")["data"]["ticket"]
    path = f"/drive/v1/import_tasks/{ticket}"
    seen = []
    for _ in range(3):
        seen.append(api.data("GET", path)["result"]["job_status"])
        lark.advance(5)
    assert seen == [1, 2, 0]
    done = api.data("GET", path)["result"]
    assert (done["job_status"], done["url"][-27:]) == (0, done["token"])
    tables = api.data("GET", f"/bitable/v1/apps/{done['token']}/tables")["items"]
    fields = api.data("GET", f"/bitable/v1/apps/{done['token']}/tables/{tables[0]['table_id']}/fields")
    assert [(field["field_name"], field["type"]) for field in fields["items"]] == [("id", 1), ("n", 2)]
    token = media(api, b"x", file_name="a.csv", parent_type="ccm_import_open")
    lark.advance(301)
    spec: Any = {"file_extension": "csv", "file_token": token, "type": "sheet"}
    spec |= {"point": {"mount_type": 1, "mount_key": ""}}
    assert api("POST", "/drive/v1/import_tasks", spec)["code"] == 1069913
    assert api("GET", "/drive/v1/import_tasks/1")["code"] == 1069907


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "slides"}, 1069911),
        ({"file_extension": "pdf"}, 1069910),
        ({"file_token": "boxcnnone"}, 1069914),
        ({"point": {"mount_type": 1, "mount_key": "fldcnnone"}}, 1069912),
        ({"point": None}, 1069904),
        ({"file_token": ""}, 1069904),
    ],
)
def test_imports_that_are_refused(api: Api, change: Any, code: int) -> None:
    assert import_(api, "a.csv", b"x", "sheet", **change)["code"] == code


@pytest.mark.parametrize(
    ("name", "content", "kind", "status"),
    [
        ("a.csv", b"\xff\xfe\x00", "sheet", 112),
        ("a.xlsx", b"PK no", "bitable", 112),
        ("a.xls", b"x", "sheet", 112),
        ("a.docx", b"PK no", "docx", 112),
    ],
)
def test_files_that_cannot_be_read(api: Api, name: str, content: bytes, kind: str, status: int) -> None:
    ticket = import_(api, name, content, kind)["data"]["ticket"]
    result = api.data("GET", f"/drive/v1/import_tasks/{ticket}")["result"]
    assert (result["job_status"], result.get("token")) == (status, None)


def test_a_small_file_cannot_claim_millions_of_cells(api: Api, lark: Emulator) -> None:
    lines = "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(1, 400))
    head = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    parts = {
        "xl/workbook.xml": f'<workbook {head}><sheets><sheet name="S"/></sheets></workbook>',
        "xl/worksheets/sheet1.xml": f"<worksheet {head}><sheetData>{lines}</sheetData></worksheet>",
    }
    statuses = []
    for entity in ("", '<!DOCTYPE x [<!ENTITY a "b">]>'):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as book:
            for name, content in parts.items():
                book.writestr(name, entity + content)
        ticket = import_(api, "a.xlsx", packed.getvalue(), "sheet")["data"]["ticket"]
        result = api.data("GET", f"/drive/v1/import_tasks/{ticket}")["result"]
        statuses.append((result["job_status"], result["job_error_msg"]))
    assert statuses[0] == (112, "too many cells")
    assert "declares entities" in statuses[1][1]
    assert lark.state(summary=True)["crashes"] == 0


def export(api: Api, token: str, kind: str, extension: str, sub_id: str = "") -> Any:
    spec = {"token": token, "type": kind, "file_extension": extension, "sub_id": sub_id}
    answer = api("POST", "/drive/v1/export_tasks", spec)
    if answer["code"]:
        return answer["code"]
    return api.data("GET", f"/drive/v1/export_tasks/{answer['data']['ticket']}", token=token)["result"]


def test_what_is_exported_can_be_imported_again(api: Api, sheet: Sheet, lark: Emulator) -> None:
    sheet.add_field("Size", 2)
    sheet.add_many([{"fields": {"Text": "<a>", "Size": 1.5}}, {"fields": {"Text": "b"}}])
    token, table = sheet.app["app_token"], sheet.app["default_table_id"]
    exported = export(api, token, "bitable", "xlsx")
    path = f"/open-apis/drive/v1/export_tasks/file/{exported['file_token']}/download"
    content = api.http.get(path).content
    ticket = import_(api, "b.xlsx", content, "sheet")["data"]["ticket"]
    book = api.data("GET", f"/drive/v1/import_tasks/{ticket}")["result"]["token"]
    assert lark.sheet(book)["values"] == [["Text", "Size"], ["<a>", 1.5], ["b", None]]
    as_csv = export(api, token, "bitable", "csv", table)["file_token"]
    got = api.http.get(f"/open-apis/drive/v1/export_tasks/file/{as_csv}/download")
    assert got.content.decode("utf-8-sig") == "Text,Size\r\n<a>,1.5\r\nb,\r\n"
    assert export(api, token, "bitable", "pdf") == 1069918
    assert export(api, token, "bitable", "csv") == export(api, token, "bitable", "csv", "x") == 1069904
    assert export(api, "bascnnone", "bitable", "xlsx") == 1069907
    theirs = lark.add_document("Theirs", type="docx")
    assert export(api, theirs, "docx", "docx") == 1069902
    lark.share_document(theirs, f"app:{lark.app_id}")
    assert export(api, theirs, "docx", "pdf")["job_status"] == 3
    lark.advance(601)
    assert api.http.get(path).json()["code"] == 1069907


def test_the_wiki_has_bounds(api: Api, lark: Emulator) -> None:
    page = {"obj_type": "docx", "node_type": "origin", "title": "P"}
    top = api.data("POST", SPACE, page)["node"]["node_token"]
    below = api.data("POST", SPACE, {**page, "parent_node_token": top})["node"]["node_token"]
    for change, code in (
        ({"obj_type": "doc"}, 131010),
        ({"obj_type": "file"}, 131002),
        ({"node_type": "x"}, 131002),
        ({"parent_node_token": "wikcnnone"}, 131005),
        ({"node_type": "shortcut"}, 131002),
    ):
        assert api("POST", SPACE, {**page, **change})["code"] == code
    shortcut = {**page, "node_type": "shortcut", "origin_node_token": below, "title": ""}
    node = api.data("POST", SPACE, shortcut)["node"]
    assert (node["node_type"], node["origin_node_token"], node["title"]) == ("shortcut", below, "P")
    assert api("POST", f"{SPACE}/{top}/move", {"target_parent_token": below})["code"] == 131002
    assert api("POST", f"{SPACE}/{top}/copy", {})["code"] == 131002
    ours = lark.add_wiki_space("Ours", members=[f"app:{lark.app_id}"])
    theirs = lark.add_wiki_space("Theirs", members=["user:alice"])
    assert api("POST", f"{SPACE}/{top}/move", {"target_space_id": theirs})["code"] == 131006
    moved = api.data("POST", f"{SPACE}/{top}/move", {"target_space_id": ours})["node"]
    assert (moved["space_id"], moved["has_child"]) == (ours, True)
    assert api.data("GET", "/wiki/v2/spaces/get_node", token=below)["node"]["space_id"] == ours
    assert [space["name"] for space in api.data("GET", "/wiki/v2/spaces")["items"]] == ["Wiki", "Ours"]
    assert api("GET", f"/wiki/v2/spaces/{theirs}")["code"] == 131006
    assert api("GET", "/wiki/v2/spaces/1/nodes")["code"] == 131005
    assert api("GET", SPACE, page_size=51)["code"] == 131002
    sheets = {"obj_type": "sheet", "node_type": "origin", "title": "S"}
    sheet = api.data("POST", SPACE, sheets)["node"]
    assert api("POST", f"{SPACE}/{sheet['node_token']}/update_title", {"title": "T"})["code"] == 131002
    assert api("GET", f"/sheets/v3/spreadsheets/{sheet['obj_token']}")["code"] == 0
    state = {space["name"]: [page["title"] for page in space["pages"]] for space in lark.wiki_spaces()}
    assert state == {"Wiki": ["P", "S"], "Ours": ["P", "P"], "Theirs": []}
    theirs_doc = lark.add_document("Private", type="docx")
    move = {"obj_type": "docx", "obj_token": theirs_doc}
    assert api("POST", f"{SPACE}/move_docs_to_wiki", move)["code"] == 131006
    assert api.data("POST", f"{SPACE}/move_docs_to_wiki", {**move, "apply": True}) == {"applied": True}


def test_a_view_filters_lists_and_searches(api: Api, sheet: Sheet) -> None:
    sheet.add_field("Kind", 3)
    sheet.add_many([{"fields": {"Text": n, "Kind": "ab"[n == "2"]}} for n in "123"])
    fields = api.data("GET", f"{sheet.path}/fields")["items"]
    option = next(o["id"] for o in fields[1]["property"]["options"] if o["name"] == "a")
    view = api.data("POST", f"{sheet.path}/views", {"view_name": "A"})["view"]["view_id"]
    condition = {"field_id": fields[1]["field_id"], "operator": "is", "value": json.dumps([option])}
    change = {"property": {"filter_info": {"conjunction": "and", "conditions": [condition]}}}
    shown = api.data("PATCH", f"{sheet.path}/views/{view}", change)["view"]["property"]
    assert shown["filter_info"]["conditions"][0]["field_type"] == 3
    records = sheet.search({"view_id": view})["data"]["items"]
    assert [record["fields"]["Text"][0]["text"] for record in records] == ["1", "3"]
    assert len(api.data("GET", f"{sheet.path}/records", view_id=view)["items"]) == 2
    assert api("GET", f"{sheet.path}/records", view_id="vewnone")["code"] == 1254042
    for body, code in (
        ({"view_name": "A"}, 1254020),
        ({"view_name": ""}, 1254021),
        ({"view_name": "[x]"}, 1254022),
        ({"view_name": "B", "view_type": "map"}, 1254019),
    ):
        assert api("POST", f"{sheet.path}/views", body)["code"] == code
    bad = {
        "property": {"filter_info": {"conjunction": "and", "conditions": [{**condition, "field_id": "x"}]}}
    }
    assert api("PATCH", f"{sheet.path}/views/{view}", bad)["code"] == 1254044
    first = sheet.api.data("GET", f"{sheet.path}/views")["items"][0]["view_id"]
    assert api("DELETE", f"{sheet.path}/views/{first}")["code"] == 0
    assert api("DELETE", f"{sheet.path}/views/{view}")["code"] == 1254023


def test_an_app_hears_of_changed_records(api: Api, sheet: Sheet, lark: Emulator) -> None:
    token, table = sheet.app["app_token"], sheet.app["default_table_id"]
    file = f"/drive/v1/files/{token}"
    sheet.add_field("Kind", 3)
    sheet.add_field("Who", 11)
    lark.settings(**PATIENT)
    with AppServer() as app:
        lark.set_callback(app.url)
        sheet.add({"Text": "before"})
        unsubscribed = api("DELETE", f"{file}/delete_subscribe", file_type="bitable")
        assert unsubscribed["code"] == 1069605
        api.data("POST", f"{file}/subscribe", file_type="bitable")
        created = sheet.add_many([{"fields": {"Text": "a", "Kind": "x"}}, {"fields": {"Text": "b"}}])
        first, second = (record["record_id"] for record in created["data"]["records"])
        edit = {"do": "edit", "records": [first], "fields": {"Text": "c", "Who": [{"id": "bob"}]}}
        lark.edit_rows(token, table, [edit, {"do": "delete", "records": [second]}], user_id="alice")
        sheet.add_field("More", 1)
        lark.advance(0)
        deliveries = [
            delivery for delivery in lark.state()["events"] if delivery["event_type"].startswith("drive.")
        ]
        assert [delivery["state"] for delivery in deliveries] == ["delivered"] * 6
        events = [
            event
            for event in (r.json for r in app.received)
            if event.get("header", {}).get("event_type", "").startswith("drive.")
        ]
    edits = [event["event"] for event in events if event["header"]["event_type"] == "drive.file.edit_v1"]
    assert sorted(edit["operator_id_list"][0]["user_id"] for edit in edits) == ["", "", "alice"]
    (subscriber,) = edits[0].pop("subscriber_id_list")
    assert subscriber["open_id"] == "ou_emulator0001_bot"
    edits[0].pop("operator_id_list")
    assert edits[0] == {"file_type": "bitable", "file_token": token}
    events = [event for event in events if "action_list" in event["event"]]
    events.sort(key=lambda event: event["event"]["revision"])
    added, edited, field = (event["event"] for event in events)
    assert (added["table_id"], added["operator_id"]["open_id"]) == (table, "ou_emulator0001_bot")
    kinds = [(action["record_id"], action["action"]) for action in added["action_list"]]
    assert kinds == [(first, "record_added"), (second, "record_added")]
    values = [cell["field_value"] for cell in added["action_list"][0]["after_value"]]
    assert json.loads(values[0]) == [{"type": "text", "text": "a"}]
    assert values[1].startswith("opt")
    change, gone = edited["action_list"]
    assert (edited["operator_id"]["user_id"], gone["action"]) == ("alice", "record_deleted")
    old, new = ({cell["field_id"]: cell for cell in change[side]} for side in ("before_value", "after_value"))
    assert len(old) == len(new) == 2
    who = next(cell for cell in new.values() if "field_identity_value" in cell)
    assert who["field_identity_value"]["users"][0]["user_id"]["user_id"] == "bob"
    assert old[who["field_id"]]["field_value"] == ""
    assert (field["action_list"][0]["action"], "after_value" in gone) == ("field_added", False)


def test_who_may_subscribe(api: Api, sheet: Sheet, lark: Emulator) -> None:
    theirs = lark.add_document("Theirs", type="docx")
    lark.share_document(theirs, f"app:{lark.app_id}", "edit")
    for token, kind, code in (
        (theirs, "docx", 1069603),
        ("bascnnone", "bitable", 1069604),
        (sheet.app["app_token"], "", 1069602),
    ):
        assert api("POST", f"/drive/v1/files/{token}/subscribe", file_type=kind)["code"] == code
