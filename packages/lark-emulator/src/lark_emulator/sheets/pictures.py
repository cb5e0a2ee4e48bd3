"""Images: in a cell (`values_image` of v2), and floating above the cells (`float_images` of v3)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.drive.access import EDIT, VIEW
from lark_emulator.routing import Call, Route
from lark_emulator.sheets import ranges
from lark_emulator.sheets.filter_views import ID
from lark_emulator.sheets.locked import check_unlocked
from lark_emulator.sheets.opened import OpenSpreadsheet, open_spreadsheet, read_body
from lark_emulator.sheets.picture_sizes import read_size
from lark_emulator.sheets.writing import RowBlock, check, write
from lark_emulator.world.grid import COLUMNS, ROWS, Rich
from lark_emulator.world.media import Media
from lark_emulator.world.sheets import FloatImage

if TYPE_CHECKING:
    from lark_emulator.world.grid import Rect
    from lark_emulator.world.sheets import Worksheet

SMALLEST = 20
_PARENT = "sheet_image"
_SUFFIXES = frozenset({"png", "jpeg", "jpg", "gif", "bmp", "jfif", "exif", "tiff", "bpg", "heic"})
#: The size of an image whose bytes do not say it.
_UNKNOWN = (100, 100)
_HIGHEST_BYTE = 255


def into_cell(call: Call) -> dict[str, Any]:
    """Answer `POST …/values_image`."""
    file = open_spreadsheet(call, EDIT)
    body = read_body(call)
    at = ranges.to_write(file, body.get("range"))
    if at.where.rows != 1 or at.where.columns != 1:
        raise file.make_refusal(codes.SHEET_RANGE, "one cell")
    name, content = body.get("name"), _decode_bytes(file, body.get("image"))
    if not isinstance(name, str) or name.rpartition(".")[2].lower() not in _SUFFIXES or "." not in name:
        raise file.make_refusal(codes.SHEET_BODY, "name must end as the name of an image does")
    width, height = read_size(content) or _UNKNOWN
    token = call.world.make_id("boxcn", 22)
    shown = {"fileToken": token, "height": height, "link": "", "text": "", "type": "embed-image"}
    ready = RowBlock(at.sheet, at.where, [([Rich([{**shown, "width": width}])], True)], False)
    check(file, ready)
    media = Media(token, _PARENT, file.token, call.app.app_id, name, content, call.world.clock.get_time())
    media.document = file.token
    call.world.drive.medias[token] = media
    done = write(file, ready)
    answer = {"spreadsheetToken": file.token, "revision": file.record_write()}
    return {**answer, call.settings.image_range_name: done["updatedRange"]}


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/float_images`; an id of the caller's makes a repeat harmless."""
    file = open_spreadsheet(call, EDIT)
    sheet = file.require_sheet(call.params["sheet_id"])
    body = read_body(call)
    image_id = body.get("float_image_id") or call.world.make_id("", 10)
    if not isinstance(image_id, str) or not ID.fullmatch(image_id):
        raise file.make_refusal(codes.SHEET_IMAGE_ID, "10 digits and letters")
    if image_id in sheet.images:
        raise file.make_refusal(codes.SHEET_IMAGE_EXISTS, image_id)
    token = body.get("float_image_token")
    media = call.world.drive.medias.get(token) if isinstance(token, str) else None
    if media is None or media.document != file.token or media.parent_type != _PARENT:
        raise file.make_refusal(codes.SHEET_IMAGE_TOKEN)
    tokens = {image.token for worksheet in file.book.sheets.values() for image in worksheet.images.values()}
    if len(tokens | {media.token}) > call.settings.max_sheet_images:
        raise file.make_refusal(codes.SHEET_IMAGE_LIMIT, f"at most {call.settings.max_sheet_images}")
    where = _read_cell(file, sheet, body.get("range"))
    actual = read_size(media.content) or _UNKNOWN
    usual: dict[str, float] = {"width": actual[0], "height": actual[1], "offset_x": 0, "offset_y": 0}
    image = FloatImage(image_id, media.token, where, _read_geometry(file, sheet, where, body, usual))
    sheet.images[image_id] = image
    file.record_write()
    return {"float_image": _render(sheet, image)}


def query(call: Call) -> dict[str, Any]:
    """Answer `GET …/float_images/query`."""
    sheet = open_spreadsheet(call).require_sheet(call.params["sheet_id"])
    return {"items": [_render(sheet, image) for image in sheet.images.values()]}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET …/float_images/:float_image_id`."""
    _, sheet, image = _find_image(call)
    return {"float_image": _render(sheet, image)}


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH …/float_images/:float_image_id`: place and size; another token is ignored."""
    file, sheet, image = _find_image(call, EDIT)
    body = read_body(call)
    where = image.where if body.get("range") is None else _read_cell(file, sheet, body["range"])
    check_unlocked(file, sheet, image.where)
    image.size = _read_geometry(file, sheet, where, body, image.size)
    image.where = where
    file.record_write()
    return {"float_image": _render(sheet, image)}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/float_images/:float_image_id`."""
    file, sheet, image = _find_image(call, EDIT)
    del sheet.images[image.image_id]
    file.record_write()
    return {}


def _decode_bytes(file: OpenSpreadsheet, image: Any) -> bytes:
    """Return what an image consists of: a list of bytes, or base64."""
    if isinstance(image, str) and image:
        try:
            return base64.b64decode(image, validate=True)
        except (binascii.Error, ValueError):
            raise file.make_refusal(codes.SHEET_BODY, "image is not base64") from None
    numbers = isinstance(image, list) and all(
        type(byte) is int and 0 <= byte <= _HIGHEST_BYTE for byte in image
    )
    if not numbers or not image:
        raise file.make_refusal(codes.SHEET_BODY, "image")
    return bytes(image)


def _find_image(call: Call, need: str = VIEW) -> tuple[OpenSpreadsheet, Worksheet, FloatImage]:
    file = open_spreadsheet(call, need)
    sheet = file.require_sheet(call.params["sheet_id"])
    image = sheet.images.get(call.params["float_image_id"])
    if image is None:
        raise file.make_refusal(codes.SHEET_IMAGE_ID)
    return file, sheet, image


def _read_cell(file: OpenSpreadsheet, sheet: Worksheet, text: Any) -> Rect:
    at = ranges.parse(file, text, sheet)
    if not at.inside or at.where.rows != 1 or at.where.columns != 1:
        raise file.make_refusal(codes.SHEET_RANGE, "one cell of the grid")
    check_unlocked(file, sheet, at.where)
    return at.where


def _read_geometry(
    file: OpenSpreadsheet, sheet: Worksheet, where: Rect, body: dict[str, Any], usual: dict[str, float]
) -> dict[str, float]:
    """Return width, height and offsets: those of the body, else the usual ones."""
    geometry = {name: usual[name] if body.get(name) is None else body[name] for name in usual}
    for name, axis, line in (("offset_x", COLUMNS, where.column), ("offset_y", ROWS, where.row)):
        known = sheet.grid.sizes[axis].get(line)
        most = known.pixels if known is not None else None
        offset = geometry[name]
        if not _is_number(offset) or offset < 0 or (most is not None and offset >= most):
            raise file.make_refusal(codes.SHEET_IMAGE_VALUE, name)
    for name in ("width", "height"):
        is_set = body.get(name) is not None
        if not _is_number(geometry[name]) or (is_set and geometry[name] < SMALLEST):
            raise file.make_refusal(codes.SHEET_IMAGE_VALUE, name)
    return geometry


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _render(sheet: Worksheet, image: FloatImage) -> dict[str, Any]:
    return {
        "float_image_id": image.image_id,
        "float_image_token": image.token,
        "range": ranges.format_range(sheet.sheet_id, image.where),
        **image.size,
    }


_PATH = "/open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/:sheet_id/float_images"
_SIZE = (
    "the size of other images than PNG, GIF, BMP and JPEG is 100 x 100 unless given; an offset is compared "
    "with the size of its cell where that was set"
)

ROUTES = (
    Route(
        "POST",
        "/open-apis/sheets/v2/spreadsheets/:spreadsheetToken/values_image",
        into_cell,
        unconfirmed=(
            (
                "the name of `updatedRange` (settable, `image_range_name`); what the bytes are is not "
                "checked; in a copy of the file the cell keeps its token"
            ),
        ),
    ),
    Route("POST", _PATH, create, unconfirmed=(_SIZE, "images in cells are not counted among the 4,000")),
    Route("GET", f"{_PATH}/query", query),
    Route("GET", f"{_PATH}/:float_image_id", get),
    Route("PATCH", f"{_PATH}/:float_image_id", patch, unconfirmed=("another token is ignored",)),
    Route("DELETE", f"{_PATH}/:float_image_id", delete),
)
