"""The bytes that a message carries, and those that an app has uploaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from lark_emulator import codes, codes_im
from lark_emulator.codes import RefusedError
from lark_emulator.exchange import Answer
from lark_emulator.im import pictures
from lark_emulator.routing import Call, Route
from lark_emulator.world.media import DEFAULT_TYPE, guess_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator.world.documents import Upload

TYPES = ("image", "file")


def get(call: Call) -> Answer:
    """Answer with the file itself; a failure is JSON as everywhere."""
    kind = call.query.get("type")
    if kind not in TYPES:
        raise RefusedError(codes.UPLOAD_PARAM, "type must be image or file")
    message = call.world.messages.get(call.params["message_id"])
    if message is None:
        raise RefusedError(codes.UPLOAD_PARAM, "invalid message_id")
    if not call.world.chats[message.chat_id].has(call.who):
        raise RefusedError(codes.APP_NOT_IN_CHAT)
    if message.deleted:
        raise RefusedError(codes.MESSAGE_DELETED)
    if message.msg_type in ("interactive", "sticker"):
        raise RefusedError(codes.RESOURCE_UNSUPPORTED)
    key = call.params["file_key"]
    # A person's message may name a key that nothing was uploaded under.
    upload = call.world.uploads.get(key)
    if upload is None or key not in _iterate_keys(orjson.loads(message.sent)):
        raise RefusedError(codes.FILE_NOT_IN_MESSAGE)
    if upload.is_image != (kind == "image"):
        raise RefusedError(codes.UPLOAD_PARAM, f"{key} is no {kind}")
    return _send(upload)


def get_image(call: Call) -> Answer:
    """Answer `GET /im/v1/images/:image_key`: what this app has uploaded."""
    return _send_own(call, call.params["image_key"], image=True)


def get_file(call: Call) -> Answer:
    """Answer `GET /im/v1/files/:file_key`: what this app has uploaded."""
    return _send_own(call, call.params["file_key"], image=False)


def _send_own(call: Call, key: str, *, image: bool) -> Answer:
    upload = call.world.uploads.get(key)
    if upload is None or upload.is_image != image:
        raise RefusedError(codes.UPLOAD_PARAM, f"invalid {'image' if image else 'file'}_key")
    if upload.app_id != call.app.app_id:
        raise RefusedError(codes_im.NOT_UPLOADER)
    return _send(upload)


def _send(upload: Upload) -> Answer:
    ascii_name = upload.file_name.encode("ascii", "replace").decode()
    ascii_name = "".join(
        "_" if letter in '?"\\;' or not letter.isprintable() else letter for letter in ascii_name
    )
    disposition = (
        f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(upload.file_name, safe='')}"
    )
    return Answer(
        200, upload.content, _get_content_type(upload).encode(), {"Content-Disposition": disposition}, code=0
    )


def _get_content_type(upload: Upload) -> str:
    if upload.is_image:
        image_format = pictures.find_format(upload.content)
        return DEFAULT_TYPE if image_format is None else image_format.content_type
    return guess_type(upload.file_name)


def _iterate_keys(content: Any) -> Iterator[str]:
    """Walk through the keys that a content refers to, those of a post's elements included."""
    if isinstance(content, dict):
        for name, member in content.items():
            if name in ("image_key", "file_key") and isinstance(member, str):
                yield member
            else:
                yield from _iterate_keys(member)
    elif isinstance(content, list):
        for item in content:
            yield from _iterate_keys(item)


ROUTES = (
    Route(
        "GET",
        "/open-apis/im/v1/messages/:message_id/resources/:file_key",
        get,
        unconfirmed=(
            "an unknown message, and a `type` that does not fit the key, get 234001",
            "a recalled message gets 230110",
            "how `Content-Disposition` spells a name: both `filename` and `filename*`",
            "byte ranges are not served",
        ),
    ),
    Route(
        "GET",
        "/open-apis/im/v1/images/:image_key",
        get_image,
        unconfirmed=("an unknown key gets 234001; avatars are served, too",),
    ),
    Route(
        "GET",
        "/open-apis/im/v1/files/:file_key",
        get_file,
        unconfirmed=("an unknown key gets 234001; files of any age are served",),
    ),
)
