"""How a request finds its document, and what each edit does: limits, versions, client tokens."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import EDIT, VIEW, is_allowed
from lark_emulator.validation import parse_whole_number, read_json_object
from lark_emulator.world.docx import Docx

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_emulator.routing import Call
    from lark_emulator.world.docx import Block
    from lark_emulator.world.drive import Document

OLDEST = 1000
"""How many versions an edit may be behind."""
NEWEST = -1
EDITS = (
    "no more than 3 edits a second of one document by all apps together (settable, `docx_edit_qps`): HTTP "
    "429 with 99991400; a repeated `client_token` answers as before whatever the request holds (settable, "
    "`docx_client_token`); edits of an older version are made in the newest one"
)


@dataclass(slots=True)
class OpenDocument:
    """A document that a request may use."""

    call: Call
    document: Document
    docx: Docx

    def find_block(self, block_id: str) -> Block:
        """Return a block.

        Raises:
            RefusedError: 1770002.
        """
        block = self.docx.blocks.get(block_id)
        if block is None:
            raise RefusedError(codes.DOCX_NOT_FOUND)
        return block

    def read_body(self) -> dict[str, Any]:
        """Return the body as an object.

        Raises:
            RefusedError: 1770001.
        """
        return read_json_object(self.call, codes.DOCX_PARAM)


def open_document(call: Call, need: str = VIEW) -> OpenDocument:
    """Return the document of the path.

    Raises:
        RefusedError: 1770002 (none), 1770003 (deleted), 1770032 (the app may not), 1770001 or 1770021 (a
            version that never was, or is too old).
    """
    document = call.world.drive.documents.get(call.params["document_id"])
    if document is None or not isinstance(document.content, Docx):
        raise RefusedError(codes.DOCX_NOT_FOUND)
    if document.deleted:
        raise RefusedError(codes.DOCX_DELETED)
    if not is_allowed(call, document, need):
        raise RefusedError(codes.DOCX_FORBIDDEN)
    _check_version(call, document.content)
    return OpenDocument(call, document, document.content)


def _check_version(call: Call, docx: Docx) -> None:
    revision_id = call.query.get("document_revision_id") or str(NEWEST)
    version = parse_whole_number(revision_id)
    if version is None or version == 0 or not NEWEST <= version <= docx.revision:
        raise RefusedError(codes.DOCX_PARAM)
    if version != NEWEST and docx.revision - version > OLDEST:
        raise RefusedError(codes.DOCX_TOO_OLD)


def edit_document(call: Call, edit: Callable[[OpenDocument], dict[str, Any]]) -> dict[str, Any]:
    """Edit the document of the path: all that a request asks for, or nothing.

    Args:
        call: The request that edits the document.
        edit: The function that edits, and returns the answer without version and client token.

    Raises:
        RefusedError: 99991400 (HTTP 429, too many edits), or what `open_document` and the edit raise.
    """
    file = open_document(call, EDIT)
    token = call.query.get("client_token", "")
    key = (call.app.app_id, token)
    if token and call.settings.docx_client_token == "same" and key in file.docx.replays:  # noqa: S105 - no password
        answer: dict[str, Any] = orjson.loads(file.docx.replays[key])
        return answer
    most = call.settings.docx_edit_qps
    if most and call.settings.rate_limits:
        windows = call.world.receiver_windows
        if windows.take(("docx", file.document.token), [(most, 1)]) is not None:
            raise RefusedError(codes.RATE_LIMITED)
    answer = edit(file)
    file.docx.revision += 1
    file.document.note(call.world.clock.get_time())
    answer |= {"document_revision_id": file.docx.revision, "client_token": token or str(uuid.uuid4())}
    if token:
        file.docx.replays[key] = orjson.dumps(answer)
    return answer
