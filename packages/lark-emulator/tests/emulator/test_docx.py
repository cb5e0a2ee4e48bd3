"""Documents: what is refused and with which code, edits all or nothing, versions, client tokens, limits."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

BOLD = {"text_element_style": {"bold": True}}


def make_text(content: str = "x", **more: Any) -> dict[str, Any]:
    return {"block_type": 2, "text": {"elements": [{"text_run": {"content": content, **more}}]}}


class Doc:
    """A document for a test, without limits."""

    def __init__(self, api: Api, lark: Emulator, title: str = "Plan") -> None:
        lark.settings(rate_limits=False, upload_ms=0)
        self.api = api
        self.id = api.data("POST", "/docx/v1/documents", {"title": title})["document"]["document_id"]
        self.path = f"/docx/v1/documents/{self.id}"

    def add(self, *blocks: Any, to: str = "", **query: Any) -> Any:
        path = f"{self.path}/blocks/{to or self.id}/children"
        return self.api("POST", path, {"children": list(blocks)}, **query)

    def tree(self, first: Any, blocks: Any, **more: Any) -> Any:
        body = {"children_id": first, "descendants": blocks, **more}
        return self.api("POST", f"{self.path}/blocks/{self.id}/descendant", body)

    def patch(self, block_id: str, change: Any) -> Any:
        return self.api("PATCH", f"{self.path}/blocks/{block_id}", change)

    def list_types(self) -> list[int]:
        return [block["block_type"] for block in self.api.data("GET", f"{self.path}/blocks")["items"]]


@pytest.fixture
def doc(api: Api, lark: Emulator) -> Doc:
    return Doc(api, lark)


TABLE = {"block_type": 31, "table": {"property": {"row_size": 1, "column_size": 2}}}


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ({"block_type": 2}, 1770001),
        ({"block_type": 77, "text": {}}, 1770001),
        ({"block_type": 2, "text": {"elements": [{"text_run": {"content": 1}}]}}, 1770001),
        ({"block_type": 2, "text": {"elements": [{"undefined": {}}]}}, 1770024),
        ({"block_type": 2, "text": {"elements": [{"mention_user": {"user_id": "ou_nobody"}}]}}, 1770032),
        ({"block_type": 1, "page": {"elements": []}}, 1770029),
        ({"block_type": 32, "table_cell": {}}, 1770030),
        ({"block_type": 24, "grid": {"column_size": 9}}, 1770012),
        ({"block_type": 27, "image": {"token": "boxcnx"}}, 1770013),
        ({"block_type": 31, "table": {"property": {"row_size": 1, "column_size": 101}}}, 1770010),
        ({"block_type": 31, "table": {"property": {"row_size": 50, "column_size": 50}}}, 1770011),
        ({**make_text(), "children": ["a"]}, 1770006),
        (make_text("x" * 100_001), 1770033),
    ],
)
def test_blocks_that_cannot_be_made(doc: Doc, block: Any, code: int) -> None:
    answer = doc.add(make_text("fine"), block)
    assert answer["code"] == code
    assert doc.list_types() == [1]


def test_too_many_blocks_in_one_request(doc: Doc) -> None:
    assert doc.add(*[make_text()] * 51)["code"] == doc.add()["code"] == 1770001
    assert doc.add(*[{"block_type": 27, "image": {}}] * 21)["code"] == 1770035
    assert len(doc.add(*[make_text()] * 50)["data"]["children"]) == 50


def test_tables_grids_and_callouts_come_with_what_they_hold(doc: Doc) -> None:
    added = doc.add(TABLE, {"block_type": 24, "grid": {"column_size": 2}}, {"block_type": 19, "callout": {}})
    table, grid, callout = added["data"]["children"]
    assert doc.list_types() == [1, 31, 32, 2, 32, 2, 24, 25, 2, 25, 2, 19, 2]
    assert table["table"]["cells"] == table["children"]
    cell = table["children"][0]
    assert doc.add(TABLE, to=cell)["code"] == doc.add(make_text(), to=grid["block_id"])["code"] == 1770030
    code = {"block_type": 14, "code": {"elements": []}}
    code_id = doc.add(code)["data"]["children"][0]["block_id"]
    assert doc.add(make_text(), to=code_id)["code"] == 1770028
    path = f"{doc.path}/blocks/{{}}/children/batch_delete"
    whole = {"start_index": 0, "end_index": 1}
    for block_id, wanted in ((table["block_id"], 1770031), (callout["block_id"], 1770031), (doc.id, 0)):
        assert doc.api("DELETE", path.format(block_id), whole)["code"] == wanted
    assert doc.api("DELETE", path.format(doc.id), {"start_index": 1, "end_index": 1})["code"] == 1770001
    assert doc.list_types()[:2] == [1, 24]


def test_rows_and_columns(doc: Doc) -> None:
    table = doc.add(TABLE)["data"]["children"][0]["block_id"]
    for change in ({"insert_table_row": {"row_index": -1}}, {"insert_table_column": {"column_index": 0}}):
        assert doc.patch(table, change)["code"] == 0
    merged = {"row_start_index": 0, "row_end_index": 2, "column_start_index": 0, "column_end_index": 2}
    shown = doc.patch(table, {"merge_table_cells": merged})["data"]["block"]["table"]
    assert (len(shown["cells"]), shown["property"]["merge_info"][0]) == (6, {"row_span": 2, "col_span": 2})
    assert doc.patch(table, {"insert_table_row": {"row_index": 3}})["code"] == 1770026
    assert doc.patch(table, {"insert_table_column": {"column_index": 4}})["code"] == 1770027
    every = {"row_start_index": 0, "row_end_index": 2}
    assert doc.patch(table, {"delete_table_rows": every})["code"] == 1770024
    gone = doc.patch(table, {"delete_table_columns": {"column_start_index": 1, "column_end_index": 3}})
    assert gone["data"]["block"]["table"]["property"]["column_width"] == [100]
    assert doc.list_types() == [1, 31, 32, 2, 32, 2]
    assert doc.patch(table, {"update_text_elements": {"elements": []}})["code"] == 1770025


def test_a_batch_is_done_or_not_at_all(doc: Doc) -> None:
    first, second = (
        block["block_id"] for block in doc.add(make_text("1"), make_text("2"))["data"]["children"]
    )
    new = {"elements": [{"text_run": {"content": "new", **BOLD}}]}
    requests = [{"block_id": first, "update_text_elements": new}]
    refused = {"block_id": second, "insert_table_row": {"row_index": 0}}
    path = f"{doc.path}/blocks/batch_update"
    assert doc.api("PATCH", path, {"requests": [*requests, refused]})["code"] == 1770025
    assert doc.api("GET", f"{doc.path}/raw_content")["data"]["content"] == "Plan\n1\n2\n"
    done = doc.api.data("PATCH", path, {"requests": requests})
    run = done["blocks"][0]["text"]["elements"][0]["text_run"]
    assert (run["text_element_style"]["bold"], run["text_element_style"]["italic"]) == (True, False)
    style = {"update_text_style": {"style": {"align": 2, "done": True}, "fields": [1]}}
    assert doc.patch(second, style)["data"]["block"]["text"]["style"]["align"] == 2
    assert (
        doc.patch(second, {})["code"]
        == doc.patch(second, {"update_text_style": {"fields": [99]}})["code"]
        == 1770001
    )
    assert doc.patch("doxcnnone", {"update_text_elements": new})["code"] == 1770002


def test_a_tree_of_blocks(doc: Doc) -> None:
    tree = [
        {"block_id": "t", **TABLE, "children": ["c1", "c2"]},
        {"block_id": "c1", "block_type": 32, "table_cell": {}, "children": ["p1"]},
        {"block_id": "c2", "block_type": 32, "table_cell": {}, "children": ["p2"]},
        {"block_id": "p1", **make_text("1")},
        {"block_id": "p2", **make_text("2")},
    ]
    for first, blocks, code in (
        (["t"], tree[:4], 1770014),
        (["t", "p1"], tree, 1770006),
        (["t"], [*tree, tree[-1]], 1770019),
        (["t"], [*tree, {"block_id": "lost", **make_text()}], 1770014),
        (["t"], [{**tree[0], "children": ["c1"]}, tree[1], tree[3]], 1770006),
        (["c1"], [tree[1], tree[3]], 1770030),
        ([], tree, 1770001),
        (["c"], [{"block_id": "c", "block_type": 19, "callout": {}}], 1770006),
    ):
        assert (doc.tree(first, blocks)["code"], doc.list_types()) == (code, [1])
    merged = {"property": {**TABLE["table"]["property"], "merge_info": [{"row_span": 1}]}}  # type: ignore[index]
    assert doc.tree(["t"], [{**tree[0], "table": merged}, *tree[1:]])["code"] == 1770006
    doc.add(make_text("last"))
    created = doc.tree(["t"], tree, index=0)["data"]
    ids = {relation["temporary_block_id"]: relation["block_id"] for relation in created["block_id_relations"]}
    assert created["children"][0]["table"]["cells"] == [ids["c1"], ids["c2"]]
    assert doc.api.data("GET", f"{doc.path}/raw_content")["content"] == "Plan\n1\n2\nlast\n"


def test_versions_and_client_tokens(doc: Doc, lark: Emulator) -> None:
    token = str(uuid.uuid4())
    first = doc.add(make_text(), client_token=token)
    assert doc.add(make_text(), client_token=token) == first
    assert (first["data"]["document_revision_id"], first["data"]["client_token"]) == (2, token)
    assert doc.list_types() == [1, 2]
    lark.settings(docx_client_token="performed")
    assert doc.add(make_text(), client_token=token)["data"]["document_revision_id"] == 3
    for version, code in ((1, 0), (-1, 0), (99, 1770001), ("x", 1770001)):
        assert doc.add(make_text(), document_revision_id=version)["code"] == code
    assert doc.api.data("GET", doc.path)["document"]["revision_id"] == 5


def test_both_limits(api: Api, lark: Emulator) -> None:
    doc = Doc(api, lark)
    lark.add_app("cli_other", "s")
    lark.settings(rate_limits=True)
    answers = [doc.add(make_text()) for _ in range(4)]
    assert [(reply["code"], reply["http"]) for reply in answers][2:] == [(0, 200), (99991400, 400)]
    block_id = answers[0]["data"]["children"][0]["block_id"]
    answer = doc.patch(block_id, {"update_text_elements": {"elements": []}})
    assert (answer["code"], answer["http"]) == (99991400, 429)
    lark.advance(1)
    assert doc.patch(block_id, {"update_text_elements": {"elements": []}})["code"] == 0


def test_who_may_not(api: Api, lark: Emulator) -> None:
    theirs = lark.add_document("Theirs", type="docx")
    path = f"/docx/v1/documents/{theirs}"
    assert (api("GET", path)["code"], api("GET", path)["http"]) == (1770032, 403)
    lark.share_document(theirs, f"app:{lark.app_id}")
    assert api.data("GET", path)["document"]["title"] == "Theirs"
    answer = api("POST", f"{path}/blocks/{theirs}/children", {"children": [make_text()]})
    assert answer["code"] == 1770032
    assert api("GET", "/docx/v1/documents/doxcnnone")["http"] == 404
    folder = lark.add_document("Theirs", type="folder")
    for token, code in (("fldcnnone", 1770039), (folder, 1770040)):
        assert api("POST", "/docx/v1/documents", {"folder_token": token})["code"] == code
    mine = Doc(api, lark)
    api.data("DELETE", f"/drive/v1/files/{mine.id}", type="docx")
    assert api("GET", mine.path)["code"] == 1770003
    assert lark.document_content(theirs)["text"] == "Theirs\n"


@pytest.mark.parametrize("kind", ["markdown", "html"])
def test_converted_text_can_be_put_in(doc: Doc, kind: str) -> None:
    content = {
        "markdown": "# H ##\n\na **b** `c`\n\n- x\n  - y\n\n- [x] t\n1. o\n\n> q\n\n```py\nprint()\n```\n"
        "|A|B|\n|:-|-|\n|1|\n\n![p](http://i/p.png)",
        "html": "<h1>H</h1><p>a <b>b</b> <code>c</code></p><ul><li>x<ul><li>y</li></ul></li></ul>"
        "<ol><li>o</li></ol><blockquote>q</blockquote><pre><code class='language-py'>print()</code></pre>"
        "<table><tr><td>A</td><td>B</td></tr><tr><td>1</td></tr></table><img src='http://i/p.png'><script>x</script>",
    }[kind]
    body = {"content_type": kind, "content": content}
    converted = doc.api.data("POST", "/docx/v1/documents/blocks/convert", body)
    blocks = {block["block_id"]: block for block in converted["blocks"]}
    kinds = [blocks[block_id]["block_type"] for block_id in converted["first_level_block_ids"]]
    todo = [17] if kind == "markdown" else []
    assert kinds == [3, 2, 12, *todo, 13, 15, 14, 31, 27]
    assert [image["image_url"] for image in converted["block_id_to_image_urls"]] == ["http://i/p.png"]
    assert list(blocks) == sorted(blocks)
    code = next(block["code"] for block in converted["blocks"] if block["block_type"] == 14)
    assert (code["style"]["language"], code["elements"][0]["text_run"]["content"]) == (49, "print()")
    runs = blocks[converted["first_level_block_ids"][1]]["text"]["elements"]
    styles = [run["text_run"]["text_element_style"] for run in runs]
    assert [(style["bold"], style["inline_code"]) for style in styles][1::2] == [(True, False), (False, True)]
    for raw_block in converted["blocks"]:
        raw_block.get("table", {}).get("property", {}).pop("merge_info", None)
    assert doc.tree(converted["first_level_block_ids"], converted["blocks"])["code"] == 0
    raw = doc.api.data("GET", f"{doc.path}/raw_content")["content"]
    assert raw.splitlines()[:5] == ["Plan", "H", "a b c", "x", "y"]


@pytest.mark.parametrize(
    "content",
    ["*" * 3000, "[" * 3000, "`" * 3001, "- " * 2000, "\n".join(" " * n + "- x" for n in range(300))],
)
def test_odd_markdown_is_converted(doc: Doc, lark: Emulator, content: str) -> None:
    body = {"content_type": "markdown", "content": content}
    assert doc.api.data("POST", "/docx/v1/documents/blocks/convert", body)["blocks"]
    assert lark.state(summary=True)["crashes"] == 0


def test_a_document_is_copied_with_its_pictures(doc: Doc) -> None:
    image = doc.add({"block_type": 27, "image": {}})["data"]["children"][0]["block_id"]
    form = {"file_name": "p.png", "parent_type": "docx_image", "parent_node": image, "size": "1"}
    files = {"file": b"x"}
    upload = doc.api.http.post("/open-apis/drive/v1/medias/upload_all", data=form, files=files).json()
    token = upload["data"]["file_token"]
    other = doc.add({"block_type": 27, "image": {}})["data"]["children"][0]["block_id"]
    assert doc.patch(other, {"replace_image": {"token": token}})["code"] == 1770013
    assert doc.patch(image, {"replace_image": {"token": token, "width": 5}})["code"] == 0
    body = {"name": "Copy", "type": "docx"}
    copied = doc.api.data("POST", f"/drive/v1/files/{doc.id}/copy", body)["file"]["token"]
    items = doc.api.data("GET", f"/docx/v1/documents/{copied}/blocks")["items"]
    assert [block["block_type"] for block in items] == [1, 27, 27]
    theirs = items[1]["image"]["token"]
    assert theirs != token
    assert doc.api.http.get(f"/open-apis/drive/v1/medias/{theirs}/download").content == b"x"
