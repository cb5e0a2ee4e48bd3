"""Images in cells and above them."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Any

import pytest
from lark_emulator.sheets.picture_sizes import read_size
from tests.emulator.spreadsheet import Book

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + struct.pack(">II", 30, 40)
JPEG = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x0b\x08" + struct.pack(">HH", 40, 30)
IMAGE = "ye06SS14ph"


@pytest.fixture
def book(api: Api, lark: Emulator) -> Book:
    lark.settings(rate_limits=False, sheet_write_ms=0, upload_ms=0)
    return Book(api)


def upload(book: Book, content: bytes = PNG, kind: str = "sheet_image", node: str = "") -> str:
    form = {"file_name": "a.png", "parent_type": kind, "parent_node": node or book.token}
    done = book.api.http.post(
        "/open-apis/drive/v1/medias/upload_all",
        data={**form, "size": str(len(content))},
        files={"file": ("a.png", content)},
    ).json()
    return str(done["data"]["file_token"])


def put(book: Book, **changes: Any) -> Any:
    body = {"range": book.range("B2:B2"), "image": list(PNG), "name": "a.png", **changes}
    return book.api("POST", f"{book.v2}/values_image", body)


def float_image(book: Book, token: str, **changes: Any) -> Any:
    body = {"float_image_token": token, "range": book.range("C3:C3"), **changes}
    return book.api("POST", f"{book.path}/float_images", body)


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (PNG, (30, 40)),
        (JPEG, (30, 40)),
        (b"GIF89a" + struct.pack("<HH", 30, 40), (30, 40)),
        (b"BM" + bytes(16) + struct.pack("<ii", 30, -40), (30, 40)),
        (b"<svg/>", None),
        (b"", None),
        (PNG[:18], None),
        (JPEG[:12], None),
        (b"\xff\xd8" + bytes(40), None),
    ],
)
def test_sizes(content: bytes, size: Any) -> None:
    assert read_size(content) == size


def test_an_image_in_a_cell_is_read_and_downloaded(book: Book, lark: Emulator) -> None:
    assert put(book)["data"]["updatedRange"] == book.range("B2:B2")
    ((segment,),) = book.read("B2:B2")[0]
    token = segment.pop("fileToken")
    assert segment == {"type": "embed-image", "width": 30, "height": 40, "link": "", "text": ""}
    download = book.api.http.get(f"/open-apis/drive/v1/medias/{token}/download")
    assert download.content == PNG
    lark.settings(image_range_name="updateRange")
    assert put(book, image=base64.b64encode(PNG).decode())["data"]["updateRange"] == book.range("B2:B2")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"image": []}, 90204),
        ({"image": [256]}, 90204),
        ({"image": [True]}, 90204),
        ({"image": "no base64!"}, 90204),
        ({"image": None}, 90204),
        ({"name": "a.txt"}, 90204),
        ({"name": "png"}, 90204),
        ({"name": None}, 90204),
        ({"name": "a.HEIC"}, 0),
    ],
)
def test_what_is_no_image_is_refused(book: Book, changes: Any, code: int) -> None:
    assert put(book, **changes)["code"] == code
    assert (book.read("B2:B2") == [[None]]) == bool(code)


def test_an_image_takes_one_cell(book: Book) -> None:
    assert put(book, range=book.range("B2:C2"))["code"] == 90202
    assert put(book, range="nosuch!B2:B2")["code"] == 90215


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"float_image_id": "short"}, 1310243),
        ({"float_image_id": IMAGE}, 1310244),
        ({"float_image_token": "boxcnNosuch"}, 1310245),
        ({"float_image_token": None}, 1310245),
        ({"range": "C3:D3"}, 1310202),
        ({"range": "U3:U3"}, 1310202),
        ({"width": 19}, 1310246),
        ({"height": "20"}, 1310246),
        ({"offset_x": -1}, 1310246),
        ({"offset_y": True}, 1310246),
    ],
)
def test_what_does_not_float(book: Book, changes: Any, code: int) -> None:
    token = upload(book)
    assert float_image(book, token, float_image_id=IMAGE)["code"] == 0
    assert float_image(book, token, **changes)["code"] == code
    assert len(book.api.data("GET", f"{book.path}/float_images/query")["items"]) == 1
    if "float_image_id" not in changes and "float_image_token" not in changes:
        assert book.api("PATCH", f"{book.path}/float_images/{IMAGE}", changes)["code"] == code


def test_an_image_must_belong_to_the_spreadsheet(book: Book, api: Api) -> None:
    other = Book(api)
    assert float_image(book, upload(other))["code"] == 1310245
    assert float_image(book, upload(book, kind="sheet_file"))["code"] == 1310245


def test_a_spreadsheet_has_so_many_different_images(book: Book, lark: Emulator) -> None:
    lark.settings(max_sheet_images=2)
    first = upload(book)
    for token in (first, first, upload(book)):
        assert float_image(book, token)["code"] == 0
    assert float_image(book, upload(book))["code"] == 1310247
    assert float_image(book, first)["code"] == 0


def test_an_offset_stays_in_its_cell(book: Book) -> None:
    lines = {"sheetId": book.sheet_id, "majorDimension": "COLUMNS", "startIndex": 3, "endIndex": 3}
    body = {"dimension": lines, "dimensionProperties": {"fixedSize": 50}}
    assert book.api("PUT", f"{book.v2}/dimension_range", body)["code"] == 0
    token = upload(book)
    assert float_image(book, token, offset_x=50)["code"] == 1310246
    image = float_image(book, token, offset_x=49.5)["data"]["float_image"]
    assert (image["offset_x"], image["width"], image["height"]) == (49.5, 30, 40)


def test_an_image_moves_with_its_cell_and_a_copy_has_its_own(book: Book, lark: Emulator) -> None:
    token = upload(book)
    float_image(book, token, float_image_id=IMAGE)
    lines = {"sheetId": book.sheet_id, "majorDimension": "ROWS", "startIndex": 0, "endIndex": 2}
    assert book.api("POST", f"{book.v2}/insert_dimension_range", {"dimension": lines})["code"] == 0
    assert [picture["cell"] for picture in lark.sheet(book.token)["float_images"]] == ["C5"]
    body = {"name": "Copy", "type": "sheet", "folder_token": ""}
    copied = book.api.data("POST", f"/drive/v1/files/{book.token}/copy", body)["file"]["token"]
    (image,) = lark.sheet(copied)["float_images"]
    assert (image["cell"], image["id"], image["token"] != token) == ("C5", IMAGE, True)
    assert book.api.http.get(f"/open-apis/drive/v1/medias/{image['token']}/download").content == PNG
    spec = {"dimension": {**lines, "startIndex": 5, "endIndex": 5}}
    assert book.api("DELETE", f"{book.v2}/dimension_range", spec)["code"] == 0
    assert lark.sheet(book.token)["float_images"] == []
    for method in ("GET", "PATCH", "DELETE"):
        changes: Any = {} if method == "PATCH" else None
        assert book.api(method, f"{book.path}/float_images/{IMAGE}", changes)["code"] == 1310243
