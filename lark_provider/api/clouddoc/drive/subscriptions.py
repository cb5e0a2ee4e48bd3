"""The documents whose events an app receives."""

from __future__ import annotations

from typing import Any, TypedDict

from lark_provider.api.clouddoc.drive.documents import Document, DocumentType, find_document
from lark_provider.protocol.arguments import check_choice
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import LarkAPIError
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

_TYPES = ("bitable", "doc", "docx", "sheet", "file", "folder", "slides")
_NOT_SUBSCRIBED, _PARAMETER = 1069605, 1069602
_FOLDER_EVENT = "file.created_in_folder_v1"


class _Subscribed(TypedDict, total=False):
    is_subscribe: bool


def subscribe(token: str, *, type: DocumentType | None = None) -> Procedure[None]:  # noqa: A002 - Lark's name
    """Subscribe the app to the events of a document; of a folder, those of files created in it.

    The app must own or manage the document. A repeat changes nothing. Events also have to be added to the app
    in the developer console, such as `drive.file.bitable_record_changed_v1`.

    See POST /open-apis/drive/v1/files/:file_token/subscribe.

    Args:
        token: The document: a link, or a token with its kind in `type`. A base on a wiki page is named by the
            link.
        type: The kind of the document, if `token` does not show it.

    Raises:
        InvalidRequestError: The kind is needed, or has no events; nothing was sent.
        PermissionDeniedError: The app neither owns nor manages it.
        NotFoundError: There is no such document.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    document = yield from _require_document(token, type)
    event_type = _FOLDER_EVENT if document.type == "folder" else None
    call: Call[Any] = make_request(
        "POST",
        fill_path("/drive/v1/files/{token}/subscribe", token=document.token),
        params={"file_type": document.type, "event_type": event_type},
        idempotent=True,  # subscribing twice has the same effect as once
    )
    yield from perform(call)


def is_subscribed(token: str, *, type: DocumentType | None = None) -> Procedure[bool]:  # noqa: A002
    """Return whether the app is subscribed to a document's events. Lark answers this 10 times a minute.

    See GET /open-apis/drive/v1/files/:file_token/get_subscribe.

    Args:
        token: The document: a link, or a token with its kind in `type`. A base on a wiki page is named by the
            link.
        type: The kind of the document, if `token` does not show it.

    Raises:
        InvalidRequestError: The kind is needed, or has no events; nothing was sent.
        PermissionDeniedError: The app neither owns nor manages it.
        NotFoundError: There is no such document.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    document = yield from _require_document(token, type)
    call: Call[_Subscribed] = make_request(
        "GET",
        fill_path("/drive/v1/files/{token}/get_subscribe", token=document.token),
        params={"file_type": document.type},
    )
    return (yield from perform(call)).data.get("is_subscribe") is True


def unsubscribe(token: str, *, type: DocumentType | None = None) -> Procedure[None]:  # noqa: A002
    """Unsubscribe the app from the events of a document; if it is not subscribed, nothing happens.

    See DELETE /open-apis/drive/v1/files/:file_token/delete_subscribe.

    Args:
        token: The document: a link, or a token with its kind in `type`. A base on a wiki page is named by the
            link.
        type: The kind of the document, if `token` does not show it.

    Raises:
        InvalidRequestError: The kind is needed, or has no events; nothing was sent.
        PermissionDeniedError: The app neither owns nor manages it.
        NotFoundError: There is no such document.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    document = yield from _require_document(token, type)
    call: Call[Any] = make_request(
        "DELETE",
        fill_path("/drive/v1/files/{token}/delete_subscribe", token=document.token),
        params={"file_type": document.type},
    )
    try:
        yield from perform(call)
    except LarkAPIError as error:
        if error.code != _NOT_SUBSCRIBED:
            raise


def _require_document(token: str, type: DocumentType | None) -> Procedure[Document]:  # noqa: A002
    document = yield from find_document(token, type)
    check_choice("type", document.type, _TYPES, _PARAMETER)
    return document
