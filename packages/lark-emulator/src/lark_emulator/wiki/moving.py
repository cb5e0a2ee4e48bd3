"""`…/nodes/move_docs_to_wiki` and `/wiki/v2/tasks/:task_id`: documents of the drive become pages."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import EDIT, FULL, is_allowed
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_json_object
from lark_emulator.wiki import pages
from lark_emulator.wiki.nodes import add_page, find_target_space
from lark_emulator.world.documents import OBJ_TYPES, WikiMove


def move_docs(call: Call) -> dict[str, Any]:
    """Answer `POST …/nodes/move_docs_to_wiki`: with the page, or with a task while `drive_task_s` last."""
    body = read_json_object(call, codes.WIKI_PARAM)
    parent, kind, token = (body.get(name) or "" for name in ("parent_wiki_token", "obj_type", "obj_token"))
    if not isinstance(parent, str) or kind not in OBJ_TYPES or not isinstance(token, str) or not token:
        raise RefusedError(codes.WIKI_PARAM)
    known = next((node for node in call.world.wiki_nodes.values() if node.obj_token == token), None)
    if known is not None and not known.origin:
        return {"wiki_token": pages.find_node(call, known.node_token).node_token}
    document = call.world.drive.documents.get(token)
    if document is None or document.deleted or document.type != kind:
        raise RefusedError(codes.WIKI_NOT_FOUND, "document not found")
    space_id = find_target_space(call, call.params["space_id"], parent)
    folder = call.world.drive.documents.get(document.parent)
    if not is_allowed(call, document, FULL) or folder is None or not is_allowed(call, folder, EDIT):
        if body.get("apply") is True:
            return {"applied": True}
        raise RefusedError(codes.WIKI_DENIED, "no move permission for document")
    now = call.world.clock.get_time()
    node = add_page(call, kind, token, document.title, space_id, parent)
    document.parent = ""
    document.note(now)
    if call.settings.drive_task_s <= 0:
        return {"wiki_token": node.node_token}
    task_id = f"{int(call.world.make_id('', 15), 16)}-{call.world.make_id('')}"
    call.world.wiki_moves[task_id] = WikiMove(
        task_id, call.who, node.node_token, now + call.settings.drive_task_s
    )
    return {"task_id": task_id}


def get_task(call: Call) -> dict[str, Any]:
    """Answer `GET /wiki/v2/tasks/:task_id`: without a result while it is going on."""
    if call.query.get("task_type") != "move":
        raise RefusedError(codes.WIKI_PARAM)
    move = call.world.wiki_moves.get(call.params["task_id"])
    if move is None:
        raise RefusedError(codes.WIKI_NOT_FOUND)
    if move.mover != call.who:
        raise RefusedError(codes.WIKI_DENIED, "only task creator can query status")
    result: dict[str, Any] = {"task_id": move.task_id, "move_result": []}
    node = call.world.wiki_nodes.get(move.node_token)
    if call.world.clock.get_time() >= move.at and node is not None:
        shown = pages.render_answer(call, node)
        result["move_result"] = [{"node": shown, "status": 0, "status_msg": "success"}]
    return {"task": result}


ROUTES = (
    Route(
        "POST",
        "/open-apis/wiki/v2/spaces/:space_id/nodes/move_docs_to_wiki",
        move_docs,
        unconfirmed=("how long it takes (settable, `drive_task_s`); nobody ever answers an application",),
    ),
    Route(
        "GET",
        "/open-apis/wiki/v2/tasks/:task_id",
        get_task,
        unconfirmed=("`move_result` is empty while the task is going on",),
    ),
)
