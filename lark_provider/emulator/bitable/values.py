"""Field types: what may be written into a cell, and what is read from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lark_provider.emulator import codes
from lark_provider.emulator.bot import avatar_of
from lark_provider.emulator.codes import Code, RefusedError
from lark_provider.emulator.im.chats import avatar_of as chat_avatar_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_provider.emulator.world.apps import App
    from lark_provider.emulator.world.bases import Base, Field, Record
    from lark_provider.emulator.world.users import User
    from lark_provider.emulator.world.world import World

LONGEST_TEXT = 100_000
LONGEST_PHONE = 64
MOST_PEOPLE = 1000
MOST_CHOICES = 1000
MOST_OPTIONS = 20_000
MOST_LINKS = 500

_PHONE = re.compile(r"\+?\d*")
_EMAIL = "Email"
_COLORS = 55


@dataclass(slots=True)
class Cell:
    """Where a value is going to or coming from."""

    world: World
    app: App
    base: Base
    field: Field
    id_type: str


@dataclass(frozen=True, slots=True)
class FieldType:
    """One of Lark's field types.

    Args:
        number: `type` in the API.
        ui_types: the variants; the first is the default.
        refusal: the code for a value of the wrong shape.
        accept: turns a written value into the stored one; raises or returns None for "empty".
        read: turns a stored value into what search returns.
        echo: turns a stored value into what create and update return.
        primary: whether it may be a table's first column.
    """

    number: int
    ui_types: tuple[str, ...]
    refusal: Code
    accept: Callable[[Cell, Any], Any] | None
    read: Callable[[Cell, Any], Any]
    echo: Callable[[Cell, Any], Any] = lambda _cell, value: value
    primary: bool = False


class WrongShapeError(Exception):
    """The value does not fit the field; the field's own code says so."""


def write(cell: Cell, value: Any) -> Any:
    """Return what a cell stores for a written value; None empties it.

    Raises:
        RefusedError: the conversion code of the field's type, or 1254130.
    """
    kind = FIELD_TYPES[cell.field.type]
    if kind.accept is None:
        raise RefusedError(kind.refusal)
    if value is None:
        return None
    try:
        return kind.accept(cell, value)
    except WrongShapeError:
        raise RefusedError(
            kind.refusal,
            error={"message": f"Invalid request parameter: 'fields.{cell.field.name}'."},
        ) from None


def read(cell: Cell, value: Any) -> Any:
    """Return what search and batch_get show for a stored value."""
    return FIELD_TYPES[cell.field.type].read(cell, value)


def echo(cell: Cell, value: Any) -> Any:
    """Return what create and update answer for a stored value: the write shape."""
    return FIELD_TYPES[cell.field.type].echo(cell, value)


def _require(condition: bool) -> None:
    if not condition:
        raise WrongShapeError


# Text, number, choice ------------------------------------------------------------------------------------


def _text(_cell: Cell, value: Any) -> str | None:
    _require(isinstance(value, str))
    if len(value) > LONGEST_TEXT:
        raise RefusedError(codes.CELL_TOO_LARGE)
    return value or None


def _read_text(cell: Cell, value: Any) -> list[dict[str, Any]]:
    if cell.field.ui_type == _EMAIL:
        return [{"link": f"mailto:{value}", "text": value, "type": "url"}]
    return [{"text": value, "type": "text"}]


def _number(_cell: Cell, value: Any) -> float:
    _require(isinstance(value, (int, float)) and not isinstance(value, bool))
    return value  # type: ignore[no-any-return] # checked above; int stays int


def _ensure_option(cell: Cell, name: Any) -> str:
    _require(isinstance(name, str) and name != "")
    column = cell.field
    if name not in column.options:
        if len(column.options) >= MOST_OPTIONS:
            raise WrongShapeError
        column.options[name] = cell.world.new_id("opt", 10)
        column.colors[name] = len(column.colors) % _COLORS
    return str(name)


def _single(cell: Cell, value: Any) -> str | None:
    return None if value == "" else _ensure_option(cell, value)


def _multi(cell: Cell, value: Any) -> list[str] | None:
    _require(isinstance(value, list) and len(value) <= MOST_CHOICES)
    _require(all(isinstance(name, str) for name in value))
    return [_ensure_option(cell, name) for name in dict.fromkeys(value)] or None


def _date(_cell: Cell, value: Any) -> int:
    _require(isinstance(value, int) and not isinstance(value, bool))
    return int(value)


def _checkbox(_cell: Cell, value: Any) -> bool:
    _require(isinstance(value, bool))
    return bool(value)


def _phone(_cell: Cell, value: Any) -> str | None:
    _require(isinstance(value, str) and len(value) <= LONGEST_PHONE and bool(_PHONE.fullmatch(value)))
    return value or None


def _url(_cell: Cell, value: Any) -> dict[str, str]:
    _require(isinstance(value, dict) and isinstance(value.get("link"), str) and value["link"] != "")
    text = value.get("text", value["link"])
    _require(isinstance(text, str))
    if len(text) > LONGEST_TEXT:
        raise RefusedError(codes.CELL_TOO_LARGE)
    return {"link": value["link"], "text": text}


# People, groups, attachments, links, places --------------------------------------------------------------


def _ids(value: Any, most: int) -> list[str]:
    _require(isinstance(value, list) and len(value) <= most)
    _require(all(isinstance(item, dict) and isinstance(item.get("id"), str) for item in value))
    return list(dict.fromkeys(item["id"] for item in value))


def _people(cell: Cell, value: Any) -> list[User] | None:
    found = []
    for user_id in _ids(value, MOST_PEOPLE):
        try:
            user = cell.world.find_user(cell.app, cell.id_type, user_id)
        except RefusedError as error:  # another app's open_id, which Bitable reports in its own words
            raise WrongShapeError from error
        if user is None:
            raise WrongShapeError
        found.append(user)
    return found or None


def _read_people(cell: Cell, value: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": user.id_for(cell.app, cell.id_type),
            "name": user.name,
            "en_name": user.en_name,
            "email": user.email,
            "avatar_url": f"https://emulator.invalid/avatar/{user.user_id}.png",
        }
        for user in value
    ]


def _echo_people(cell: Cell, value: Any) -> list[dict[str, Any]]:
    return [{"id": user.id_for(cell.app, cell.id_type)} for user in value]


def _groups(cell: Cell, value: Any) -> list[str] | None:
    ids = _ids(value, MOST_PEOPLE)
    _require(all(chat_id in cell.world.chats for chat_id in ids))
    return ids or None


def _read_groups(cell: Cell, value: Any) -> list[dict[str, Any]]:
    chats = [cell.world.chats[chat_id] for chat_id in value]
    return [{"id": chat.chat_id, "name": chat.name, "avatar_url": chat_avatar_of(chat)} for chat in chats]


def _attachments(_cell: Cell, value: Any) -> None:
    _require(isinstance(value, list))
    _require(all(isinstance(item, dict) and isinstance(item.get("file_token"), str) for item in value))
    if value:  # nothing was ever uploaded: the drive is not emulated
        raise RefusedError(codes.ATTACHMENT_FOREIGN)


def _links(cell: Cell, value: Any) -> list[str] | None:
    _require(isinstance(value, list) and len(value) <= MOST_LINKS)
    target = cell.base.tables.get((cell.field.property or {}).get("table_id", ""))
    _require(target is not None)
    _require(all(isinstance(record_id, str) for record_id in value))
    if target is None or any(record_id not in target.records for record_id in value):
        raise WrongShapeError
    return list(dict.fromkeys(value)) or None


def _location(_cell: Cell, value: Any) -> str:
    _require(isinstance(value, str))
    longitude, comma, latitude = value.partition(",")
    try:
        _require(bool(comma) and abs(float(longitude)) <= 180 and abs(float(latitude)) <= 90)  # noqa: PLR2004
    except ValueError:
        raise WrongShapeError from None
    return str(value)


def _read_location(_cell: Cell, value: Any) -> dict[str, str]:
    place = dict.fromkeys(("address", "adname", "cityname", "full_address", "name", "pname"), "")
    return {**place, "location": value}


def _same(_cell: Cell, value: Any) -> Any:
    return value


_MISMATCH = codes.FIELD_TYPES_MISMATCH

TEXT, NUMBER, SINGLE_SELECT, MULTI_SELECT, DATE, CHECKBOX = 1, 2, 3, 4, 5, 7
USER, PHONE, URL, ATTACHMENT, SINGLE_LINK, LOCATION, GROUP = 11, 13, 15, 17, 18, 22, 23
CREATED_TIME, MODIFIED_TIME, CREATED_USER, MODIFIED_USER, AUTO_NUMBER = 1001, 1002, 1003, 1004, 1005

_TYPES = (
    FieldType(TEXT, ("Text", "Barcode", _EMAIL), codes.TEXT_CONV, _text, _read_text, primary=True),
    FieldType(
        NUMBER, ("Number", "Progress", "Currency", "Rating"), codes.NUMBER_CONV, _number, _same, primary=True
    ),
    FieldType(SINGLE_SELECT, ("SingleSelect",), codes.SINGLE_SELECT_CONV, _single, _same),
    FieldType(MULTI_SELECT, ("MultiSelect",), codes.MULTI_SELECT_CONV, _multi, _same),
    FieldType(DATE, ("DateTime",), codes.DATE_CONV, _date, _same, primary=True),
    FieldType(CHECKBOX, ("Checkbox",), codes.CHECKBOX_CONV, _checkbox, _same),
    FieldType(USER, ("User",), codes.USER_CONV, _people, _read_people, _echo_people),
    FieldType(PHONE, ("Phone",), codes.PHONE_CONV, _phone, _same, primary=True),
    FieldType(URL, ("Url",), codes.URL_CONV, _url, _same, primary=True),
    FieldType(ATTACHMENT, ("Attachment",), codes.ATTACHMENT_CONV, _attachments, _same),
    FieldType(
        SINGLE_LINK, ("SingleLink",), codes.LINK_CONV, _links, lambda _cell, value: {"link_record_ids": value}
    ),
    FieldType(LOCATION, ("Location",), _MISMATCH, _location, _read_location, primary=True),
    FieldType(
        GROUP,
        ("GroupChat",),
        _MISMATCH,
        _groups,
        _read_groups,
        lambda _cell, value: [{"id": chat_id} for chat_id in value],
    ),
    FieldType(CREATED_TIME, ("CreatedTime",), _MISMATCH, None, _same),
    FieldType(MODIFIED_TIME, ("ModifiedTime",), _MISMATCH, None, _same),
    FieldType(CREATED_USER, ("CreatedUser",), _MISMATCH, None, _same),
    FieldType(MODIFIED_USER, ("ModifiedUser",), _MISMATCH, None, _same),
    FieldType(AUTO_NUMBER, ("AutoNumber",), _MISMATCH, None, _same),
)

FIELD_TYPES = {kind.number: kind for kind in _TYPES}


def person_of(app: App) -> dict[str, Any]:
    """Return the bot of an app as a person, for whom Bitable names as creator and editor."""
    return {
        "id": app.bot_open_id,
        "name": app.name,
        "en_name": app.name,
        "email": "",
        "avatar_url": avatar_of(app),
    }


#: What the read-only types show; their cells store nothing.
AUTOMATIC: dict[int, Callable[[Record], Any]] = {
    CREATED_TIME: lambda record: record.created_time,
    MODIFIED_TIME: lambda record: record.modified_time,
    CREATED_USER: lambda record: [person_of(record.created_by)],
    MODIFIED_USER: lambda record: [person_of(record.modified_by)],
    AUTO_NUMBER: lambda record: str(record.number),
}
