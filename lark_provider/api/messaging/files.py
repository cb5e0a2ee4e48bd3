"""Images and files: upload, send, download."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Literal, TypeAlias, TypedDict, get_args

from lark_provider.api.messaging.content import MessageType, serialise
from lark_provider.api.messaging.keyed import OnUnknown, check_policy, send_once
from lark_provider.api.messaging.send import Message, make_message_call
from lark_provider.api.receivers import Receiver, ReceiverIdType, make_receiver, resolve
from lark_provider.protocol.arguments import check_choice, check_str
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.effects import Loaded, NewKey, Readable, ReadFile
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.keys import make_message_uuid
from lark_provider.protocol.multipart import encode_multipart
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

MAX_IMAGE_BYTES = 10 * 1024 * 1024
MAX_FILE_BYTES = 30 * 1024 * 1024
FileType: TypeAlias = Literal["opus", "mp4", "pdf", "doc", "xls", "ppt", "stream"]
_TYPES: dict[str, FileType] = {
    ".opus": "opus", ".mp4": "mp4", ".pdf": "pdf", ".doc": "doc", ".docx": "doc", ".xls": "xls",
    ".xlsx": "xls", ".csv": "xls", ".ppt": "ppt", ".pptx": "ppt",
}  # fmt: skip


class ImageKey(TypedDict):
    """What `upload_image` answers."""

    image_key: str


class FileKey(TypedDict):
    """What `upload_file` answers."""

    file_key: str


class Downloaded(TypedDict):
    """What `download` answers."""

    path: str
    bytes: int
    content_type: str


def upload_image(image: Readable) -> Procedure[LarkResponse[ImageKey]]:
    """Upload an image for messages.

    See POST /open-apis/im/v1/images.

    Args:
        image: A path, bytes, or a binary file object; at most 10 MB.

    Returns:
        `.data["image_key"]`, for cards and posts as well.

    Raises:
        InvalidRequestError: It is missing, empty or too large; nothing was sent.
        LarkAPIError: Lark refused it, for example because it is not an image.
        TransportError: Lark was not reached.
    """
    loaded = yield from _load(image, None, MAX_IMAGE_BYTES, "image")
    return (yield from _upload("/im/v1/images", "image", loaded, {"image_type": "message"}))


def upload_file(
    file: Readable,
    *,
    file_name: str | None = None,
    file_type: FileType | None = None,
    duration: int | None = None,
) -> Procedure[LarkResponse[FileKey]]:
    """Upload a file for messages.

    See POST /open-apis/im/v1/files.

    Args:
        file: A path, bytes, or a binary file object; at most 30 MB.
        file_name: The name to show; that of the path if None. It is required for bytes.
        file_type: Lark's name for the kind of file; derived from the name if None; `stream` for a kind that
            Lark does not know.
        duration: The length of sound or video, in milliseconds.

    Returns:
        `.data["file_key"]`.

    Raises:
        InvalidRequestError: It is missing, empty, too large or without a name; nothing was sent.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    if file_type is not None:
        check_choice("file_type", file_type, get_args(FileType), 234001)
    if duration is not None and not (type(duration) is int and duration >= 0):
        raise InvalidRequestError(
            f"duration must be an int of 0 or more, got {duration!r}. Next: pass milliseconds.", code=234001
        )
    loaded = yield from _load(file, file_name, MAX_FILE_BYTES, "file")
    kind = file_type or _TYPES.get(PurePath(loaded.name).suffix.lower(), "stream")
    parts = {"file_type": kind, "file_name": loaded.name}
    if duration is not None:
        parts["duration"] = str(duration)
    return (yield from _upload("/im/v1/files", "file", loaded, parts))


def send_image(
    receiver_id: str,
    image: Readable,
    *,
    receiver_id_type: ReceiverIdType | None = None,
    idempotency_key: str | None = None,
    uuid: str | None = None,
    on_unknown: OnUnknown = "fail",
) -> Procedure[LarkResponse[Message]]:
    """Upload an image and send it.

    See POST /open-apis/im/v1/images and /open-apis/im/v1/messages. Errors as for `upload_image` and `send`.

    Args:
        receiver_id: The receiver; see `send`.
        image: A path, bytes, a binary file object, or the `img_…` key of an uploaded image.
        receiver_id_type: The kind of `receiver_id`, if its shape misleads.
        idempotency_key: Any text that names this message.
        uuid: Lark's own de-duplication key instead, at most 50 characters.
        on_unknown: What to do if an earlier attempt with this key may or may not have been sent: `fail`,
            `resend` or `skip`; see `send`.

    Returns:
        The message.
    """

    def upload() -> Procedure[dict[str, str]]:
        if isinstance(image, str) and image.startswith("img_") and not PurePath(image).suffix:
            return {"image_key": image}
        return {"image_key": (yield from upload_image(image)).data["image_key"]}

    to = make_receiver(receiver_id, receiver_id_type)
    return (yield from _upload_and_send(to, upload, "image", idempotency_key, uuid, on_unknown))


def send_file(
    receiver_id: str,
    file: Readable,
    *,
    file_name: str | None = None,
    file_type: FileType | None = None,
    receiver_id_type: ReceiverIdType | None = None,
    idempotency_key: str | None = None,
    uuid: str | None = None,
    on_unknown: OnUnknown = "fail",
) -> Procedure[LarkResponse[Message]]:
    """Upload a file and send it.

    See POST /open-apis/im/v1/files and /open-apis/im/v1/messages. Errors as for `upload_file` and `send`.

    Args:
        receiver_id: The receiver; see `send`.
        file: A path, bytes, or a binary file object.
        file_name: The name to show; the path's own if None.
        file_type: Lark's name for the kind of file, which decides its icon; `stream` if None. Sound and video
            that can be played are sent as `audio` and `media`, with `upload_file` and `send`.
        receiver_id_type: The kind of `receiver_id`, if its shape misleads.
        idempotency_key: Any text that names this message.
        uuid: Lark's own de-duplication key instead, at most 50 characters.
        on_unknown: What to do if an earlier attempt with this key may or may not have been sent: `fail`,
            `resend` or `skip`; see `send`.

    Returns:
        The message.
    """
    if file_type in ("opus", "mp4"):
        raise InvalidRequestError(
            "file_type must not be opus or mp4, which Lark plays and does not send as a file, got "
            f"{file_type!r}. Next: leave it out, or use upload_file and send with msg_type 'audio' or "
            "'media'.",
            code=230055,
        )

    def upload() -> Procedure[dict[str, str]]:
        # The default is `stream`: a file uploaded as sound or video can only be sent as a message to play.
        uploaded = yield from upload_file(file, file_name=file_name, file_type=file_type or "stream")
        return {"file_key": uploaded.data["file_key"]}

    to = make_receiver(receiver_id, receiver_id_type)
    return (yield from _upload_and_send(to, upload, "file", idempotency_key, uuid, on_unknown))


def _upload_and_send(
    named: Receiver,
    upload: Callable[[], Procedure[dict[str, str]]],
    msg_type: MessageType,
    idempotency_key: str | None,
    uuid: str | None,
    on_unknown: OnUnknown,
) -> Procedure[LarkResponse[Message]]:
    """Send a message whose content is what an upload returns; an invalid argument prevents the upload."""
    token = make_message_uuid(named.id, idempotency_key, uuid)
    check_policy(on_unknown)
    to = yield from resolve(named)

    def send(uuid: str | None) -> Procedure[LarkResponse[Message]]:
        content = serialise((yield from upload()), msg_type)
        return (yield from perform(make_message_call(to, msg_type, content, uuid)))

    if idempotency_key is None:
        return (yield from send(token))
    return (yield from send_once(send, named.id, idempotency_key, msg_type, on_unknown))


def download(
    message_id: str,
    file_key: str,
    target: str | os.PathLike[str],
    *,
    type: Literal["image", "file"] = "file",  # noqa: A002 - Lark's name
) -> Call[Downloaded]:
    """Download a file or image of a message into a file, which appears only when it is complete.

    See GET /open-apis/im/v1/messages/:message_id/resources/:file_key.

    Args:
        message_id: The message, `om_…`.
        file_key: The key of the file in the message's content, `file_…` or `img_…`.
        target: The path to write to.
        type: `image`, or `file` for everything else.

    Returns:
        `.data` with `path`, `bytes` and `content_type`.

    Raises:
        InvalidRequestError: `type` or `target` is invalid.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached, or the stream broke off.
        OSError: The file cannot be written.
    """
    check_choice("type", type, ("image", "file"), 234001)
    if not isinstance(target, str | os.PathLike):
        raise InvalidRequestError(
            f"target must be a path, got {target!r}. Next: pass the path of the file to write."
        )
    url = fill_path(
        "/im/v1/messages/{message_id}/resources/{file_key}", message_id=message_id, file_key=file_key
    )
    return make_request("GET", url, params={"type": type}, save_to=os.fspath(target))


def _load(source: Readable, name: str | None, limit: int, what: str) -> Procedure[Loaded]:
    if not (
        isinstance(source, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(source, "read")
    ):
        raise InvalidRequestError(
            f"The {what} must be a path, bytes or a binary file, got {type(source).__name__}. Next: pass a "
            "path, bytes, or a file opened with mode 'rb'."
        )
    if name is not None:
        check_str("file_name", name, "a name such as 'report.csv'")
    try:
        loaded: Loaded = yield ReadFile(source, name, limit, what)
    except InvalidRequestError:
        raise
    except ValueError as error:  # an impossible path, or a file that is closed or open for writing
        raise InvalidRequestError(
            f"The {what} must be readable: {error}. Next: pass a path, or a file opened with mode 'rb'."
        ) from error
    if len(loaded.content) == 0:
        raise InvalidRequestError(
            f"The {what} {loaded.name!r} must not be empty. Next: send one with content.", code=234010
        )
    if len(loaded.content) > limit:
        raise InvalidRequestError(
            f"The {what} {loaded.name!r} must have at most {limit} bytes, got more. Next: make it smaller, "
            "or put it into Lark's drive and send a link.",
            code=234006,
        )
    return loaded


def _upload(url: str, part: str, loaded: Loaded, fields: dict[str, str]) -> Procedure[LarkResponse[Any]]:
    boundary: str = yield NewKey()
    form = encode_multipart(boundary, fields, part, loaded.name, loaded.content)
    # At worst, a repeat leaves an unused upload.
    call: Call[Any] = Call("POST", fill_path(url), form=form, content_type=form.content_type, idempotent=True)
    return (yield from perform(call))
