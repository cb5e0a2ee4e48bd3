"""What a written value becomes in its cell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.world.grid import Formula, Rich

if TYPE_CHECKING:
    from lark_emulator.sheets.opened import OpenSpreadsheet

MAX_CELL_LENGTH = 50_000
#: Doubles hold all whole numbers up to this one.
EXACT = 2**53
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_URL = re.compile(r"https?://[^\s]+")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_SIMPLE = frozenset({str, int, float, type(None)})
_NUMBERS = frozenset({float, type(None)})
_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!"})
_DIGITS = bytes(48 if 48 <= byte < 58 else 32 for byte in range(256))  # noqa: PLR2004 - ASCII digits
#: All but quotation marks become one letter, so that a long text is a long run of it.
_UNQUOTED = bytes(34 if byte == 34 else 97 for byte in range(256))  # noqa: PLR2004 - a quotation mark
_RUN = b"a" * (MAX_CELL_LENGTH + 1)
MAX_MENTIONS = 50
"""The most mentions in one request. With which code Lark refuses more is not documented."""
_MENTIONS = ("email", "openId", "unionId", "fileToken")
_SEGMENTS = ("text", "url", "mention", "embed-image")


class Cells:
    """Turns the values of one request into what cells hold.

    Most bodies hold nothing but short texts and numbers. One look at the whole body shows that, and its rows
    are then taken as they are; a million cells would otherwise keep other clients waiting.

    Args:
        file: The spreadsheet that is written to.
        body: The whole request body as it came.
    """

    def __init__(self, file: OpenSpreadsheet, body: bytes) -> None:
        self._file = file
        self._settings = file.call.settings
        self._texts_differ = (
            b"http" in body
            or b"@" in body
            or b'"#' in body
            or b"\\u00" in body
            or b"\\b" in body
            or b"\\f" in body
            or (b'"=' in body and self._settings.equals_strings == "formula")
            or (len(body) > MAX_CELL_LENGTH and (b'\\"' in body or _RUN in body.translate(_UNQUOTED)))
        )
        self._long_numbers = b"0" * 16 in body.translate(_DIGITS)
        self.chooses = b"multipleValue" in body
        self._mentions = 0

    def convert_row(self, values: Any) -> tuple[list[Any], bool]:
        """Return what a row of values becomes, and whether it holds more than texts, numbers and bools.

        Raises:
            RefusedError: 90204 (a wrong shape), 90202 (control characters), 90222 (too long).
        """
        if not isinstance(values, list):
            raise self._file.make_refusal(codes.SHEET_BODY, "values must be a list of lists")
        kinds = frozenset(map(type, values))
        if kinds <= _NUMBERS:
            return values, False
        texts_differ = self._texts_differ and str in kinds
        long = self._long_numbers and int in kinds and not all(_is_exact(value) for value in values)
        if kinds <= _SIMPLE and not texts_differ and not long:
            return ([value if value != "" else None for value in values] if "" in values else values), False
        cells = [self.convert_cell(value) for value in values]
        return cells, any(isinstance(cell, (Formula, Rich)) for cell in cells)

    def convert_cell(self, value: Any) -> Any:
        """Return what one value becomes.

        Raises:
            RefusedError: as `convert_row` does.
        """
        if isinstance(value, str):
            return self._convert_text(value)
        if isinstance(value, bool):
            return self._convert_bool(value)
        if isinstance(value, int):
            return value if -EXACT <= value <= EXACT else float(value)
        if isinstance(value, dict):
            return self._convert_object(value)
        if isinstance(value, list):
            return self._convert_segments(value)
        return value

    def _convert_text(self, value: str) -> Any:
        if len(value) > MAX_CELL_LENGTH:
            raise self._file.make_refusal(codes.SHEET_CELL_TOO_LARGE)
        if _CONTROL.search(value):
            raise self._file.make_refusal(codes.SHEET_RANGE)
        if value in _ERRORS:
            return Rich([])
        if self._settings.url_strings == "linked" and _URL.fullmatch(value):
            return Rich([_make_link(value, value)])
        if self._settings.email_strings == "linked" and _MAIL.fullmatch(value):
            return Rich([_make_link(value, f"mailto:{value}")])
        if value.startswith("=") and self._settings.equals_strings == "formula":
            return Formula(value)
        return value or None

    def _convert_bool(self, value: bool) -> Any:
        if self._settings.bool_cells == "refused":
            raise self._file.make_refusal(codes.SHEET_BODY, "a bool")
        return value if self._settings.bool_cells == "bool" else str(value).upper()

    def _convert_object(self, value: dict[str, Any]) -> Any:
        kind = value.get("type")
        if kind == "formula":
            text = value.get("text")
            if not isinstance(text, str) or not text.startswith("="):
                raise self._file.make_refusal(codes.SHEET_BODY, "a formula begins with =")
            if "IMPORTRANGE" in text.upper() and self._settings.import_range == "refused":
                raise self._file.make_refusal(codes.SHEET_BODY, "IMPORTRANGE")
            self._convert_text(text)
            return Formula(text)
        if kind == "multipleValue":
            values = value.get("values")
            if not isinstance(values, list) or not all(
                isinstance(v, (bool, str, int, float)) for v in values
            ):
                raise self._file.make_refusal(codes.SHEET_BODY, "values of a multipleValue")
            if any(isinstance(v, str) and "," in v for v in values):
                raise self._file.make_refusal(codes.SHEET_BODY, "a comma in a multipleValue")
            return Rich([{"type": "multipleValue", "values": values, "text": ",".join(map(str, values))}])
        return self._convert_segments([value])

    def _convert_segments(self, segments: list[Any]) -> Rich:
        rich_segments = []
        for segment in segments:
            if not isinstance(segment, dict) or segment.get("type") not in _SEGMENTS:
                raise self._file.make_refusal(codes.SHEET_BODY, "an unknown kind of cell")
            text = segment.get("text", "")
            if not isinstance(text, str) or _CONTROL.search(text):
                raise self._file.make_refusal(codes.SHEET_BODY, "text of a segment")
            if segment["type"] == "url":
                rich_segments.append(_make_link(text, segment.get("link") or text))
            elif segment["type"] == "mention":
                if segment.get("textType") not in _MENTIONS or not text:
                    raise self._file.make_refusal(codes.SHEET_BODY, "textType of a mention")
                rich_segments.append(self._mention(segment))
            else:
                rich_segments.append(dict(segment))
        rich = Rich(rich_segments)
        if len(rich.text) > MAX_CELL_LENGTH:
            raise self._file.make_refusal(codes.SHEET_CELL_TOO_LARGE)
        return rich

    def _mention(self, segment: dict[str, Any]) -> dict[str, Any]:
        """Return a mention as it is read; of a person with their name."""
        self._mentions += 1
        if self._mentions > MAX_MENTIONS:
            raise self._file.make_refusal(codes.SHEET_LIMIT, f"more than {MAX_MENTIONS} mentions")
        call, kind = self._file.call, segment["textType"]
        shown = {"cellPosition": None, "type": "mention", "textType": kind, "token": segment["text"]}
        if kind == "fileToken":
            document = call.world.drive.documents.get(segment["text"])
            title, link = (document.title, document.url) if document else (segment["text"], "")
            return {**shown, "text": title, "link": link, "objType": segment.get("objType", "")}
        id_type = {"email": "email", "openId": "open_id", "unionId": "union_id"}[kind]
        user = call.world.find_user(call.app, id_type, segment["text"])
        return {**shown, "text": f"@{user.name}" if user else segment["text"], "link": "", "notify": False}


def _make_link(text: str, link: str) -> dict[str, Any]:
    return {"cellPosition": None, "link": link, "text": text, "type": "url"}


def _is_exact(value: Any) -> bool:
    return not isinstance(value, int) or -EXACT <= value <= EXACT
