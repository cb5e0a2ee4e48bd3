"""What the official SDK does about files, documents, the wiki, views and events of bases."""

from __future__ import annotations

import io
import json
import zlib
from typing import TYPE_CHECKING, Any

from tests.conformance.accounts import good

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk

SPACE = "7000000000000000001"


def drive(lark: Emulator, sdk: Sdk, client: Any) -> None:
    lark.settings(rate_limits=False)
    token = _document(sdk, client)
    _files(sdk, client)
    _tasks(sdk, client, token)
    _wiki(lark, sdk, client, token)
    _base(sdk, client)
    lark.settings(rate_limits=True)


def _run(content: str) -> dict[str, Any]:
    return {"text_run": {"content": content}}


def _document(sdk: Sdk, client: Any) -> str:
    api, docs = sdk.docx, client.docx.v1
    document = good(docs.document.create(sdk.request(api, "CreateDocument", {"title": "Plan"}))).document
    token = document.document_id
    assert (document.revision_id, len(token)) == (1, 27)
    where = {"document_id": token}
    body: Any = {"content_type": "markdown", "content": "# One\n\n- a\n- b\n\n|A|B|\n|-|-|\n|1|2|"}
    answer = docs.document.convert(sdk.request(api, "ConvertDocument", body))
    assert len(good(answer).blocks) == len(good(answer).first_level_block_ids) + 8
    converted = json.loads(answer.raw.content)["data"]
    for block in converted["blocks"]:
        block.get("table", {}).get("property", {}).pop("merge_info", None)
    body = {"children_id": converted["first_level_block_ids"], "descendants": converted["blocks"]}
    request = sdk.request(api, "CreateDocumentBlockDescendant", body, block_id=token, **where)
    placed = good(docs.document_block_descendant.create(request))
    assert [block.block_type for block in placed.children] == [3, 12, 12, 31]
    assert placed.document_revision_id == 2
    paragraph = {"block_type": 2, "text": {"elements": [_run("end")]}}
    body = {"children": [paragraph, {"block_type": 27, "image": {}}]}
    request = sdk.request(api, "CreateDocumentBlockChildren", body, block_id=token, **where)
    text, image = good(docs.document_block_children.create(request)).children
    assert text.text.elements[0].text_run.text_element_style.bold is False
    _picture(sdk, client, token, image.block_id)
    change = {"update_text_elements": {"elements": [_run("The end")]}}
    body = {"requests": [{"block_id": text.block_id, **change}]}
    request = sdk.request(api, "BatchUpdateDocumentBlock", body, **where)
    (changed,) = good(docs.document_block.batch_update(request)).blocks
    assert changed.text.elements[0].text_run.content == "The end"
    request = sdk.request(api, "GetDocumentBlock", block_id=text.block_id, **where)
    shown = good(docs.document_block.get(request))
    assert shown.block.parent_id == token
    request = sdk.request(api, "ListDocumentBlock", page_size=500, **where)
    listed = good(docs.document_block.list(request)).items
    assert [block.block_type for block in listed] == [1, 3, 12, 12, 31, *[32, 2] * 4, 2, 27]
    below = sdk.request(api, "GetDocumentBlockChildren", block_id=token, page_size=2, **where)
    assert good(docs.document_block_children.get(below)).has_more is True
    body = {"start_index": 1, "end_index": 3}
    request = sdk.request(api, "BatchDeleteDocumentBlockChildren", body, block_id=token, **where)
    good(docs.document_block_children.batch_delete(request))
    raw = good(docs.document.raw_content(sdk.request(api, "RawContentDocument", **where))).content
    assert raw == "Plan\nOne\nA\nB\n1\n2\nThe end\n"
    assert good(docs.document.get(sdk.request(api, "GetDocument", **where))).document.revision_id == 6
    return str(token)


def _picture(sdk: Sdk, client: Any, token: str, block_id: str) -> None:
    """Upload a picture to an image block in parts, and show it there."""
    api, medias = sdk.drive, client.drive.v1.media
    content = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
    extra = json.dumps({"drive_route_token": token})
    body: Any = {"file_name": "p.png", "parent_type": "docx_image", "parent_node": block_id, "size": 24}
    body["extra"] = extra
    request = sdk.request(api, "UploadPrepareMedia", body, model="MediaUploadInfo")
    prepared = good(medias.upload_prepare(request))
    assert (prepared.block_size, prepared.block_num) == (4 * 1024 * 1024, 1)
    part = {"upload_id": prepared.upload_id, "seq": 0, "size": 24, "file": io.BytesIO(content)}
    part["checksum"] = str(zlib.adler32(content))
    good(medias.upload_part(sdk.request(api, "UploadPartMedia", part)))
    body = {"upload_id": prepared.upload_id, "block_num": 1}
    picture = good(medias.upload_finish(sdk.request(api, "UploadFinishMedia", body))).file_token
    request = sdk.request(
        sdk.docx,
        "PatchDocumentBlock",
        {"replace_image": {"token": picture}},
        model="UpdateBlockRequest",
        document_id=token,
        block_id=block_id,
    )
    assert good(client.docx.v1.document_block.patch(request)).block.image.token == picture
    download = medias.download(sdk.request(api, "DownloadMedia", file_token=picture))
    good(download)
    assert (download.file.read(), download.file_name) == (content, "p.png")
    request = sdk.request(api, "BatchGetTmpDownloadUrlMedia", file_tokens=[picture])
    (address,) = good(medias.batch_get_tmp_download_url(request)).tmp_download_urls
    assert address.file_token == picture


def _files(sdk: Sdk, client: Any) -> None:
    api, files = sdk.drive, client.drive.v1.file
    root = json.loads(
        client.request(sdk.plain("GET", "/open-apis/drive/explorer/v2/root_folder/meta")).raw.content
    )
    where = {"parent_type": "explorer", "parent_node": root["data"]["token"]}
    body = {"file_name": "日报.txt", "size": 3, "file": io.BytesIO(b"abc"), **where}
    token = good(files.upload_all(sdk.request(api, "UploadAllFile", body))).file_token
    body = {"file_name": "b.bin", "size": 2, **where}
    prepared = good(files.upload_prepare(sdk.request(api, "UploadPrepareFile", body, model="FileUploadInfo")))
    part = {"upload_id": prepared.upload_id, "seq": 0, "size": 2, "file": io.BytesIO(b"xy")}
    good(files.upload_part(sdk.request(api, "UploadPartFile", part)))
    body = {"upload_id": prepared.upload_id, "block_num": prepared.block_num}
    good(files.upload_finish(sdk.request(api, "UploadFinishFile", body)))
    download = files.download(sdk.request(api, "DownloadFile", file_token=token))
    good(download)
    assert (download.file.read(), download.file_name) == (b"abc", "日报.txt")


def _tasks(sdk: Sdk, client: Any, document: str) -> None:
    api, drive_ = sdk.drive, client.drive.v1
    body: Any = {"file_name": "t.csv", "parent_type": "ccm_import_open", "size": 8}
    body["file"] = io.BytesIO(b"a,b\n1,2\n")
    token = good(drive_.media.upload_all(sdk.request(api, "UploadAllMedia", body))).file_token
    point = {"mount_type": 1, "mount_key": ""}
    body = {"file_extension": "csv", "file_token": token, "type": "sheet", "point": point}
    request = sdk.request(api, "CreateImportTask", body, model="ImportTask")
    ticket = good(drive_.import_task.create(request)).ticket
    done = good(drive_.import_task.get(sdk.request(api, "GetImportTask", ticket=ticket))).result
    assert (done.job_status, done.extra) == (0, [])
    assert done.token.startswith("shtcn")
    body = {"file_extension": "docx", "token": document, "type": "docx"}
    request = sdk.request(api, "CreateExportTask", body, model="ExportTask")
    ticket = good(drive_.export_task.create(request)).ticket
    request = sdk.request(api, "GetExportTask", ticket=ticket, token=document)
    exported = good(drive_.export_task.get(request)).result
    assert (exported.job_status, exported.file_name) == (0, "Plan")
    download = drive_.export_task.download(
        sdk.request(api, "DownloadExportTask", file_token=exported.file_token)
    )
    good(download)
    content = download.file.read()
    assert content.startswith(b"PK")
    assert len(content) == exported.file_size


def _wiki(lark: Emulator, sdk: Sdk, client: Any, document: str) -> None:
    api, spaces, nodes = sdk.wiki, client.wiki.v2.space, client.wiki.v2.space_node
    assert good(spaces.get(sdk.request(api, "GetSpace", space_id=SPACE))).space.name == "Wiki"
    # Only users make spaces and search them.
    people, token = sdk.client_for_users(lark), lark.user_token("alice")["user_access_token"]
    option = sdk.lark.RequestOption.builder().user_access_token(token).build()
    request = sdk.request(api, "CreateSpace", {"name": "Ours"}, model="Space")
    assert good(people.wiki.v2.space.create(request, option)).space.name == "Ours"
    listed = good(people.wiki.v2.space.list(sdk.request(api, "ListSpace", page_size=10), option)).items
    assert [space.name for space in listed] == ["Wiki", "Ours"]

    def node(name: str, method: str, body: Any, *, model: str = "", **parts: Any) -> Any:
        request = sdk.request(api, name, body, model=model, space_id=SPACE, **parts)
        return good(getattr(nodes, method)(request))

    body = {"obj_type": "docx", "node_type": "origin", "title": "Page"}
    page = node("CreateSpaceNode", "create", body, model="Node").node
    assert (page.obj_type, page.title, page.has_child) == ("docx", "Page", False)
    below = {"obj_type": "sheet", "node_type": "origin", "title": "Sheet"}
    below["parent_node_token"] = page.node_token
    child = node("CreateSpaceNode", "create", below, model="Node").node
    request = sdk.request(api, "ListSpaceNode", space_id=SPACE, parent_node_token=page.node_token)
    assert [wiki_node.title for wiki_node in good(nodes.list(request)).items] == ["Sheet"]
    node("UpdateTitleSpaceNode", "update_title", {"title": "Our page"}, node_token=page.node_token)
    body = {"target_space_id": SPACE, "title": "Copy"}
    copied = node("CopySpaceNode", "copy", body, node_token=page.node_token).node
    assert copied.obj_token != page.obj_token
    body = {"target_parent_token": copied.node_token}
    moved = node("MoveSpaceNode", "move", body, node_token=child.node_token).node
    assert moved.parent_node_token == copied.node_token
    body = {"obj_type": "docx", "obj_token": document}
    token = node("MoveDocsToWikiSpaceNode", "move_docs_to_wiki", body).wiki_token
    assert good(spaces.get_node(sdk.request(api, "GetNodeSpace", token=token))).node.obj_token == document
    from lark_oapi.api.wiki.v1 import SearchNodeRequest, SearchNodeRequestBody

    request = SearchNodeRequest.builder().request_body(SearchNodeRequestBody({"query": "our"})).build()
    results = good(people.wiki.v1.node.search(request, option))
    assert [wiki_node.title for wiki_node in results.items] == ["Our page"]


def task(lark: Emulator, sdk: Sdk, client: Any) -> None:
    """Ask for a move into the wiki that takes its time."""
    lark.settings(drive_task_s=10)
    request = sdk.request(sdk.docx, "CreateDocument", {"title": "Slow"})
    document = good(client.docx.v1.document.create(request)).document.document_id
    body = {"obj_type": "docx", "obj_token": document}
    request = sdk.request(sdk.wiki, "MoveDocsToWikiSpaceNode", body, space_id=SPACE)
    task_id = good(client.wiki.v2.space_node.move_docs_to_wiki(request)).task_id
    request = sdk.request(sdk.wiki, "GetTask", task_id=task_id, task_type="move")
    assert not good(client.wiki.v2.task.get(request)).task.move_result
    lark.advance(11)
    (result,) = good(client.wiki.v2.task.get(request)).task.move_result
    assert (result.status, result.node.obj_token) == (0, document)
    lark.settings(drive_task_s=0)


def _base(sdk: Sdk, client: Any) -> None:
    api, bitable = sdk.bitable, client.bitable.v1
    app = good(bitable.app.create(sdk.request(api, "CreateApp", {"name": "Stock"}, model="ReqApp"))).app
    where = {"app_token": app.app_token, "table_id": app.default_table_id}
    views = bitable.app_table_view
    body = {"view_name": "Ours", "view_type": "kanban"}
    view = good(views.create(sdk.request(api, "CreateAppTableView", body, model="ReqView", **where))).view
    where_view = {**where, "view_id": view.view_id}
    request = sdk.request(api, "PatchAppTableView", {"view_name": "Theirs"}, **where_view)
    assert good(views.patch(request)).view.view_name == "Theirs"
    assert good(views.get(sdk.request(api, "GetAppTableView", **where_view))).view.view_type == "kanban"
    listed = good(views.list(sdk.request(api, "ListAppTableView", page_size=100, **where))).items
    assert [listed_view.view_name for listed_view in listed] == ["Grid", "Theirs"]
    good(views.delete(sdk.request(api, "DeleteAppTableView", **where_view)))
    request = sdk.request(api, "CopyApp", {"name": "Copy"}, app_token=app.app_token)
    assert good(bitable.app.copy(request)).app.name == "Copy"
    files, parts = client.drive.v1.file, {"file_token": app.app_token, "file_type": "bitable"}
    good(files.subscribe(sdk.request(sdk.drive, "SubscribeFile", **parts)))
    assert good(files.get_subscribe(sdk.request(sdk.drive, "GetSubscribeFile", **parts))).is_subscribe is True
    good(files.delete_subscribe(sdk.request(sdk.drive, "DeleteSubscribeFile", **parts)))
