"""Probes of documents and of who may open them; they make the documents."""

from __future__ import annotations

from typing import Any

from lark_provider.verify.book import undo_file
from lark_provider.verify.probe import (
    TITLE,
    MadeObject,
    ProbeSteps,
    ProbeTarget,
    Request,
    UnexpectedError,
    choose,
    probe,
    require,
)

_MARKDOWN = "# a\n\n- b\n  - c\n\n| d | e |\n|---|---|\n| f | g |\n"


def _make_text_block(content: str) -> dict[str, Any]:
    return {"block_type": 2, "text": {"elements": [{"text_run": {"content": content}}]}}


def _ensure_document(target: ProbeTarget) -> MadeObject:
    """Return the id of a document that the probes made."""

    def make() -> MadeObject:
        body = {"title": TITLE}
        if target.folder is not None:
            body["folder_token"] = target.folder
        undo = undo_file("docx", "document", "document_id")
        makes = target.describe_document("document")
        data = yield from require(Request("POST", "/docx/v1/documents", body, undo=undo, makes=makes))
        return data["document"]["document_id"]

    return (yield from target.make_once("document", make))


def _probe_docx_client_token(target: ProbeTarget) -> ProbeSteps:
    document = yield from _ensure_document(target)
    token = target.make_uuid4("block")
    where = f"/docx/v1/documents/{document}/blocks/{document}/children"
    request = Request("POST", where, {"children": [_make_text_block("a")]}, params={"client_token": token})
    first = (yield from require(request))["children"][0]["block_id"]
    again = (yield from require(request))["children"][0]["block_id"]
    return "same" if again == first else "performed"


def _probe_docx_inserted(target: ProbeTarget) -> ProbeSteps:
    document = yield from _ensure_document(target)
    blocks = [
        {
            "block_id": "outer",
            "block_type": 12,
            "bullet": _make_text_block("a")["text"],
            "children": ["inner"],
        },
        {"block_id": "inner", **_make_text_block("b"), "children": []},
    ]
    body = {"children_id": ["outer"], "descendants": blocks}
    where = f"/docx/v1/documents/{document}/blocks/{document}/descendant"
    shown = len((yield from require(Request("POST", where, body)))["children"])
    if shown not in (1, 2):
        raise UnexpectedError(f"{shown} blocks were shown")
    return "first_level" if shown == 1 else "all"


def _probe_convert_order(_: ProbeTarget) -> ProbeSteps:
    body = {"content_type": "markdown", "content": _MARKDOWN}
    data = yield from require(Request("POST", "/docx/v1/documents/blocks/convert", body))
    by_id = {block["block_id"]: block for block in data["blocks"]}
    order: list[str] = []
    left = list(reversed(data["first_level_block_ids"]))
    while left:
        order.append(left.pop())
        left += reversed(by_id[order[-1]].get("children") or ())
    return "document" if list(by_id) == order else "shuffled"


def _probe_owner_listed(target: ProbeTarget) -> ProbeSteps:
    document = yield from _ensure_document(target)
    where = f"/drive/v1/permissions/{document}/members"
    listed = (yield from require(Request("GET", where, params={"type": "docx"})))["items"]
    return "listed" if listed else "absent"


def _probe_member_again(target: ProbeTarget) -> ProbeSteps:
    document = yield from _ensure_document(target)
    where = f"/drive/v1/permissions/{document}/members"
    kinds = {"type": "docx", "need_notification": "false"}

    def add(perm: str) -> Request:
        body = {"member_type": "openid", "member_id": target.person, "perm": perm}
        return Request("POST", where, body, params=kinds)

    def read_perm() -> MadeObject:
        listed = (yield from require(Request("GET", where, params={"type": "docx"})))["items"]
        return next(member["perm"] for member in listed if member["member_id"] == target.person)

    yield from require(add("edit"))
    lower = yield add("view")
    if lower.code:
        return choose(lower, {1063003: "1063003"})
    if (yield from read_perm()) == "view":
        return "upsert"
    yield from require(add("full_access"))
    return "raised" if (yield from read_perm()) == "full_access" else "kept"


PROBES = (
    probe(
        "docx_client_token",
        "Whether an edit of a document repeated with its client_token is performed again.",
        answers=("same", "performed"),
        calls=2,
        run=_probe_docx_client_token,
    ),
    probe(
        "docx_inserted",
        "Which of the new blocks the answer of `descendant` shows.",
        answers=("first_level", "all"),
        calls=1,
        run=_probe_docx_inserted,
    ),
    probe(
        "convert_order",
        "Whether the blocks of converted Markdown come in the order of the document.",
        answers=("shuffled", "document"),
        calls=1,
        run=_probe_convert_order,
    ),
    probe(
        "owner_listed",
        "Whether the list of a document's collaborators holds its owner.",
        answers=("absent", "listed"),
        calls=1,
        run=_probe_owner_listed,
    ),
    probe(
        "member_again",
        "What happens to a collaborator who is added again with another permission.",
        answers=("upsert", "kept", "raised", "1063003"),
        calls=5,
        run=_probe_member_again,
        needs_person=True,
    ),
)
