"""Whatever a client sends about documents, files, the wiki and views, Lark answers; it does not break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.emulator.test_whatever_is_sent import ODD, ODD_TEXTS, places, with_odd

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api, Sheet

SPACE = "/wiki/v2/spaces/7000000000000000001/nodes"
RUN = {"content": "x", "text_element_style": {"bold": True}}
TEXT: dict[str, Any] = {"elements": [{"text_run": RUN}], "style": {"align": 1}}
BLOCK = {"block_type": 2, "text": TEXT}
TABLE = {"block_type": 31, "table": {"property": {"row_size": 1, "column_size": 1, "column_width": [50]}}}
FILTER = {"conjunction": "and", "conditions": [{"field_id": "f", "operator": "is", "value": '["a"]'}]}


def bodies(api: Api, sheet: Sheet) -> list[tuple[str, str, dict[str, str], Any]]:
    document = api.data("POST", "/docx/v1/documents", {"title": "D"})["document"]["document_id"]
    blocks = f"/docx/v1/documents/{document}/blocks"
    children = api.data("POST", f"{blocks}/{document}/children", {"children": [BLOCK, TABLE]})["children"]
    text, table = (block["block_id"] for block in children)
    page = {"obj_type": "docx", "node_type": "origin", "title": "P", "parent_node_token": ""}
    node = api.data("POST", SPACE, page)["node"]["node_token"]
    view = api.data("POST", f"{sheet.path}/views", {"view_name": "V"})["view"]["view_id"]
    rows = {"row_start_index": 0, "row_end_index": 1}
    where = {"file_name": "a", "parent_type": "explorer", "parent_node": "", "size": 1}
    tree = [{"block_id": "a", "children": ["b"], **BLOCK}, {"block_id": "b", **BLOCK}]
    change = {"block_id": text, "update_text": {**TEXT, "fields": [1]}}
    return [
        ("POST", "/docx/v1/documents", {}, {"title": "D", "folder_token": ""}),
        ("POST", "/docx/v1/documents/blocks/convert", {}, {"content_type": "html", "content": "<p>x"}),
        ("POST", f"{blocks}/{document}/children", {}, {"index": 0, "children": [BLOCK, TABLE]}),
        (
            "POST",
            f"{blocks}/{document}/descendant",
            {},
            {"index": 0, "children_id": ["a"], "descendants": tree},
        ),
        ("PATCH", f"{blocks}/{table}", {}, {"delete_table_rows": rows}),
        ("PATCH", f"{blocks}/batch_update", {}, {"requests": [change]}),
        ("DELETE", f"{blocks}/{document}/children/batch_delete", {}, {"start_index": 0, "end_index": 1}),
        ("POST", SPACE, {}, page),
        (
            "POST",
            f"{SPACE}/{node}/copy",
            {},
            {"target_parent_token": "", "target_space_id": "x", "title": ""},
        ),
        ("POST", f"{SPACE}/{node}/move", {}, {"target_parent_token": "", "target_space_id": "x"}),
        ("POST", f"{SPACE}/{node}/update_title", {}, {"title": "x"}),
        ("POST", f"{SPACE}/move_docs_to_wiki", {}, {"obj_type": "docx", "obj_token": "x", "apply": True}),
        ("POST", "/wiki/v2/spaces", {}, {"name": "x", "description": "x", "open_sharing": "open"}),
        ("POST", "/wiki/v1/nodes/search", {}, {"query": "x", "space_id": "", "node_id": ""}),
        ("POST", "/drive/v1/files/upload_prepare", {}, where),
        ("POST", "/drive/v1/files/upload_finish", {}, {"upload_id": "x", "block_num": 1}),
        (
            "POST",
            "/drive/v1/import_tasks",
            {},
            {
                "file_extension": "csv",
                "file_token": "x",
                "type": "sheet",
                "file_name": "x",
                "point": {"mount_type": 1, "mount_key": ""},
            },
        ),
        (
            "POST",
            "/drive/v1/export_tasks",
            {},
            {"file_extension": "docx", "token": document, "type": "docx", "sub_id": ""},
        ),
        ("POST", f"{sheet.path}/views", {}, {"view_name": "x", "view_type": "grid"}),
        (
            "PATCH",
            f"{sheet.path}/views/{view}",
            {},
            {
                "view_name": "x",
                "property": {
                    "filter_info": FILTER,
                    "hidden_fields": ["x"],
                    "hierarchy_config": {"field_id": "x"},
                },
            },
        ),
        ("POST", f"{sheet.base}/copy", {}, {"name": "x", "folder_token": "", "without_content": True}),
    ]


def test_odd_values_anywhere_in_a_body(lark: Emulator, api: Api, sheet: Sheet) -> None:
    lark.settings(rate_limits=False, upload_ms=0, sheet_write_ms=0, write_ms=0)
    for method, path, query, body in bodies(api, sheet):
        for place in places(body):
            for odd in ODD:
                changed = with_odd(body, place, odd)
                assert api(method, path, changed, **query)["http"] < 500, (method, path, place, odd)
    assert lark.state(summary=True)["crashes"] == 0


def test_odd_values_in_a_query(lark: Emulator, api: Api, sheet: Sheet) -> None:
    lark.settings(rate_limits=False)
    document = api.data("POST", "/docx/v1/documents", {"title": "D"})["document"]["document_id"]
    listed = {"page_size": "2", "page_token": ""}
    subscribed = f"/drive/v1/files/{sheet.app['app_token']}/get_subscribe"
    for method, path, query in (
        ("GET", f"/docx/v1/documents/{document}/blocks", {"document_revision_id": "-1", **listed}),
        ("GET", f"/docx/v1/documents/{document}/raw_content", {"lang": "0"}),
        ("GET", "/wiki/v2/spaces", listed),
        ("GET", SPACE, {"parent_node_token": "", **listed}),
        ("GET", f"{sheet.path}/views", listed),
        ("GET", "/drive/v1/medias/batch_get_tmp_download_url", {"file_tokens": "x", "extra": ""}),
        ("GET", subscribed, {"file_type": "bitable"}),
    ):
        assert api(method, path, None, **query)["code"] == 0
        for name in query:
            for odd in (*ODD_TEXTS, "cGFnZTotNQ==", "cGFnZTrCsg=="):
                assert api(method, path, None, **{**query, name: odd})["http"] < 500, (path, name, odd)
    assert lark.state(summary=True)["crashes"] == 0
