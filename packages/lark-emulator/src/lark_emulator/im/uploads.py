"""`/im/v1/images` and `/im/v1/files`: what is uploaded, and who may send it as what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes, multipart
from lark_emulator.codes import RefusedError
from lark_emulator.im import pictures
from lark_emulator.routing import Actor, Call, Route
from lark_emulator.validation import parse_whole_number
from lark_emulator.world.documents import FILE_TYPES, IMAGE_TYPES, Upload

if TYPE_CHECKING:
    from lark_emulator.multipart import Part

_WIDEST = 12_000
_WIDEST_GIF = 2000
_WIDEST_AVATAR = 4096


def render(upload: Upload) -> dict[str, Any]:
    """Return an upload for the state, without its bytes."""
    return {
        "key": upload.key,
        "type": upload.type,
        "app_id": upload.app_id,
        "file_name": upload.file_name,
        "size": len(upload.content),
        "duration": upload.duration,
        "create_time": upload.create_time,
    }


def create_image(call: Call) -> dict[str, Any]:
    """Answer `POST /im/v1/images`."""
    form = _read_form(call)
    image_type = _read_choice(form, "image_type", IMAGE_TYPES)
    content = _read_content(form, "image", call.settings.max_image_bytes)
    image_format = pictures.find_format(content)
    if image_format is None:
        raise RefusedError(codes.NO_IMAGE)
    widest = _WIDEST_GIF if image_format.extension == "gif" else _WIDEST
    if image_type == "avatar":
        widest = min(widest, _WIDEST_AVATAR)
    if max(pictures.read_resolution(content, image_format.extension)) > widest:
        raise RefusedError(codes.RESOLUTION_EXCEEDED)
    key = call.world.make_id("img_v3_")
    _keep(call, key, image_type, f"{key}.{image_format.extension}", content)
    return {"image_key": key}


def create_file(call: Call) -> dict[str, Any]:
    """Answer `POST /im/v1/files`."""
    form = _read_form(call)
    file_type = _read_choice(form, "file_type", FILE_TYPES)
    file_name = _read_text(form, "file_name")
    if not file_name:
        raise RefusedError(codes.UPLOAD_PARAM, "file_name is required")
    duration_text = _read_text(form, "duration")
    duration = parse_whole_number(duration_text)
    if duration_text and (duration is None or duration < 0):
        raise RefusedError(codes.UPLOAD_PARAM, "duration must be milliseconds")
    content = _read_content(form, "file", call.settings.max_file_bytes)
    key = call.world.make_id("file_v3_")
    _keep(call, key, file_type, file_name, content).duration = duration
    return {"file_key": key}


def _read_form(call: Call) -> dict[str, Part]:
    try:
        return multipart.parse(call.content_type, call.body)
    except multipart.MalformedError as error:
        raise RefusedError(codes.UPLOAD_PARAM, str(error)) from error


def _read_text(form: dict[str, Part], name: str) -> str:
    part = form.get(name)
    try:
        return "" if part is None else part.text
    except multipart.MalformedError as error:
        raise RefusedError(codes.UPLOAD_PARAM, str(error)) from error


def _read_choice(form: dict[str, Part], name: str, options: tuple[str, ...]) -> str:
    value = _read_text(form, name)
    if value not in options:
        raise RefusedError(codes.UPLOAD_PARAM, f"{name} must be one of {', '.join(options)}")
    return value


def _read_content(form: dict[str, Part], name: str, limit: int) -> bytes:
    if name not in form:
        raise RefusedError(codes.UPLOAD_PARAM, f"{name} is required")
    content = form[name].content
    if not content:
        raise RefusedError(codes.UPLOAD_EMPTY)
    if len(content) > limit:
        raise RefusedError(codes.UPLOAD_TOO_LARGE)
    return content


def _keep(call: Call, key: str, kind: str, file_name: str, content: bytes) -> Upload:
    now = call.world.clock.get_time_ms()
    upload = call.world.uploads[key] = Upload(key, kind, call.app.app_id, file_name, now, content)
    return upload


def check_sendable(actor: Actor, member: str, key: object, msg_type: str) -> None:
    """Check a key that a message refers to.

    Args:
        actor: The app, or the user by means of it, that sends the message.
        member: The member that contains the key: `image_key` or `file_key`.
        key: The key of an uploaded image or file.
        msg_type: The type as which it is sent; the cover of a video counts as `image`.

    Raises:
        RefusedError: 230001 (no such upload), 230017 (another app's), 230055 (uploaded as something else).
    """
    upload = actor.world.uploads.get(key) if isinstance(key, str) else None
    if upload is None or upload.is_image != (member == "image_key"):
        raise RefusedError(codes.IM_PARAM, f"invalid {member}")
    if upload.app_id != actor.app.app_id:
        raise RefusedError(codes.NOT_RESOURCE_OWNER)
    if upload.sent_as != msg_type:
        raise RefusedError(codes.UPLOAD_TYPE_MISMATCH)


ROUTES = (
    Route(
        "POST",
        "/open-apis/im/v1/images",
        create_image,
        unconfirmed=(
            "the resolution is read from PNG and GIF only",
            "TIFF and HEIC stay as they are, Lark turns them into JPG",
            "a whole request beyond 32 MB gets 413 in plain text",
        ),
    ),
    Route(
        "POST",
        "/open-apis/im/v1/files",
        create_file,
        unconfirmed=(
            "whether the content is what `file_type` says is not checked",
            "a whole request beyond 32 MB gets 413 in plain text",
        ),
    ),
)
