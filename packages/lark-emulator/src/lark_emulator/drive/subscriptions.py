"""`/drive/v1/files/:file_token/subscribe`: which files an app wants the events of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import FULL, is_allowed
from lark_emulator.routing import Call, Route

if TYPE_CHECKING:
    from lark_emulator.world.drive import Document

TYPES = ("doc", "docx", "sheet", "bitable", "file", "folder", "slides")
_OF_FOLDERS = "file.created_in_folder_v1"


def _find_file(call: Call) -> Document:
    """Return the file of the path.

    Raises:
        RefusedError: 1069602, 1069604, 1069603 (the app neither owns nor manages it).
    """
    kind, event_type = call.query.get("file_type", ""), call.query.get("event_type")
    if kind not in TYPES or (kind == "folder" and event_type not in (None, "", _OF_FOLDERS)):
        raise RefusedError(codes.SUBSCRIBE_PARAM)
    document = call.world.drive.documents.get(call.params["file_token"])
    if document is None or document.deleted or document.type != kind:
        raise RefusedError(codes.SUBSCRIBE_NOT_FOUND)
    if not is_allowed(call, document, FULL):
        raise RefusedError(codes.SUBSCRIBE_DENIED)
    return document


def subscribe(call: Call) -> dict[str, Any]:
    """Answer `POST …/subscribe`; a repeat succeeds as well."""
    subscribers = call.world.drive.subscribers.setdefault(_find_file(call).token, {})
    subscribers[call.app.app_id] = call.tenant_key
    return {}


def get_subscription(call: Call) -> dict[str, Any]:
    """Answer `GET …/get_subscribe`."""
    subscribers = call.world.drive.subscribers.get(_find_file(call).token, {})
    return {"is_subscribe": call.app.app_id in subscribers}


def unsubscribe(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/delete_subscribe`."""
    subscribers = call.world.drive.subscribers.get(_find_file(call).token, {})
    if subscribers.pop(call.app.app_id, None) is None:
        raise RefusedError(codes.NOT_SUBSCRIBED)
    return {}


_PATH = "/open-apis/drive/v1/files/:file_token"

ROUTES = (
    Route(
        "POST",
        f"{_PATH}/subscribe",
        subscribe,
        unconfirmed=("subscribing again succeeds; events come of bases alone",),
    ),
    Route("GET", f"{_PATH}/get_subscribe", get_subscription),
    Route(
        "DELETE",
        f"{_PATH}/delete_subscribe",
        unsubscribe,
        unconfirmed=("a file that was not subscribed to gets 1069605",),
    ),
)
