"""Field types: what may be written into a cell, and what is read from it."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.bitable import references
from lark_emulator.bitable.cells import Cell, FieldType, WrongShapeError, require
from lark_emulator.bot import get_avatar
from lark_emulator.codes import RefusedError
from lark_emulator.world.users import User

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_emulator.world.apps import App
    from lark_emulator.world.records import Record

MAX_TEXT_LENGTH = 100_000
MAX_PHONE_LENGTH = 64
MAX_CHOICES = 1000
MAX_OPTIONS = 20_000

_PHONE = re.compile(r"\+?\d*")
_EMAIL = "Email"
_COLORS = 55
_EVERY_DIGIT = Context(prec=700)  # more than a float can have before and behind the point


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
    """Return what search and batch_get show for a stored value; None for an empty cell."""
    return FIELD_TYPES[cell.field.type].read(cell, value)


def echo(cell: Cell, value: Any) -> Any:
    """Return what create and update answer for a stored value: the write shape."""
    return FIELD_TYPES[cell.field.type].echo(cell, value)


# Text, number, choice ------------------------------------------------------------------------------------


def _trim(cell: Cell, value: str) -> str:
    return value.strip() if cell.settings.text_ends == "trimmed" else value


def _accept_text(cell: Cell, value: Any) -> str | None:
    require(isinstance(value, str))
    if len(value) > MAX_TEXT_LENGTH:
        raise RefusedError(codes.CELL_TOO_LARGE)
    return _trim(cell, value) or None


def _read_text(cell: Cell, value: Any) -> list[dict[str, Any]]:
    if cell.field.ui_type == _EMAIL:
        return [{"link": f"mailto:{value}", "text": value, "type": "url"}]
    return [{"text": value, "type": "text"}]


def _accept_number(cell: Cell, value: Any) -> float:
    require(isinstance(value, (int, float)) and not isinstance(value, bool))
    if cell.settings.number_precision == "formatter":
        return _round(value, (cell.field.property or {}).get("formatter"))
    return value  # type: ignore[no-any-return] # checked above; int stays int


def _round(value: float, formatter: Any) -> float:
    """Round a number, half away from zero, to the places that `0.00`, `1,000.0` or `0%` show."""
    if not isinstance(formatter, str):
        return value
    places = len(formatter.rstrip("%").partition(".")[2]) + (2 if formatter.endswith("%") else 0)
    shown = Decimal(repr(value))
    rounded = shown.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EVERY_DIGIT)
    if shown == rounded:
        return value
    return float(rounded) if places else int(rounded)


def _ensure_option(cell: Cell, name: Any) -> str:
    require(isinstance(name, str))
    name = _trim(cell, name)
    require(name != "")
    column = cell.field
    if name not in column.options:
        if len(column.options) >= MAX_OPTIONS or cell.settings.unknown_options == "refused":
            raise WrongShapeError
        column.options[name] = cell.world.make_id("opt", 10)
        column.colors[name] = len(column.colors) % _COLORS
    return str(name)


def _accept_single(cell: Cell, value: Any) -> str | None:
    return None if value == "" else _ensure_option(cell, value)


def _accept_multi(cell: Cell, value: Any) -> list[str] | None:
    require(isinstance(value, list) and len(value) <= MAX_CHOICES)
    require(all(isinstance(name, str) for name in value))
    return list(dict.fromkeys(_ensure_option(cell, name) for name in value)) or None


def _accept_date(_cell: Cell, value: Any) -> int:
    require(isinstance(value, int) and not isinstance(value, bool))
    return int(value)


def _accept_checkbox(_cell: Cell, value: Any) -> bool:
    require(isinstance(value, bool))
    return bool(value)


def _accept_phone(_cell: Cell, value: Any) -> str | None:
    require(isinstance(value, str) and len(value) <= MAX_PHONE_LENGTH and bool(_PHONE.fullmatch(value)))
    return value or None


def _accept_url(_cell: Cell, value: Any) -> dict[str, str]:
    require(isinstance(value, dict) and isinstance(value.get("link"), str) and value["link"] != "")
    text = value.get("text", value["link"])
    require(isinstance(text, str))
    if len(text) > MAX_TEXT_LENGTH:
        raise RefusedError(codes.CELL_TOO_LARGE)
    return {"link": value["link"], "text": text}


def compute(value: Any) -> dict[str, Any] | None:
    """Return what the cell of a formula or lookup holds; the emulator computes nothing itself.

    Args:
        value: Text, number, boolean, a list of one of these, or what a read shows: `{"type", "value"}`.

    Raises:
        ValueError: anything else.
    """
    if value is None:
        return None
    if isinstance(value, dict) and value.keys() == {"type", "value"}:
        return value
    values = value if isinstance(value, list) else [value]
    for kind, type_number in ((bool, CHECKBOX), (str, TEXT), ((int, float), NUMBER)):
        if all(isinstance(scalar, kind) for scalar in values):
            shown = [{"text": scalar, "type": "text"} for scalar in values] if kind is str else values
            return {"type": type_number, "value": shown}
    raise ValueError(f"a computed value is text, number, boolean or a list of them, not {value!r}")


def _return_same(_cell: Cell, value: Any) -> Any:
    return value


_MISMATCH = codes.FIELD_TYPES_MISMATCH

TEXT, NUMBER, SINGLE_SELECT, MULTI_SELECT, DATE, CHECKBOX = 1, 2, 3, 4, 5, 7
USER, PHONE, URL, ATTACHMENT, SINGLE_LINK, LOCATION, GROUP = 11, 13, 15, 17, 18, 22, 23
LOOKUP, FORMULA, DUPLEX_LINK = 19, 20, 21
#: Types whose values the emulator is given, for it computes nothing.
COMPUTED = frozenset({LOOKUP, FORMULA})
#: Types that hold records of another table.
LINKS = frozenset({SINGLE_LINK, DUPLEX_LINK})
CREATED_TIME, MODIFIED_TIME, CREATED_USER, MODIFIED_USER, AUTO_NUMBER = 1001, 1002, 1003, 1004, 1005

_TYPES = (
    FieldType(TEXT, ("Text", "Barcode", _EMAIL), codes.TEXT_CONV, _accept_text, _read_text, primary=True),
    FieldType(
        NUMBER,
        ("Number", "Progress", "Currency", "Rating"),
        codes.NUMBER_CONV,
        _accept_number,
        _return_same,
        primary=True,
    ),
    FieldType(SINGLE_SELECT, ("SingleSelect",), codes.SINGLE_SELECT_CONV, _accept_single, _return_same),
    FieldType(MULTI_SELECT, ("MultiSelect",), codes.MULTI_SELECT_CONV, _accept_multi, _return_same),
    FieldType(DATE, ("DateTime",), codes.DATE_CONV, _accept_date, _return_same, primary=True),
    FieldType(CHECKBOX, ("Checkbox",), codes.CHECKBOX_CONV, _accept_checkbox, _return_same),
    FieldType(
        USER,
        ("User",),
        codes.USER_CONV,
        references.parse_people,
        references.render_people,
        references.echo_people,
    ),
    FieldType(PHONE, ("Phone",), codes.PHONE_CONV, _accept_phone, _return_same, primary=True),
    FieldType(URL, ("Url",), codes.URL_CONV, _accept_url, _return_same, primary=True),
    FieldType(
        ATTACHMENT,
        ("Attachment",),
        codes.ATTACHMENT_CONV,
        references.parse_attachments,
        references.render_attachments,
        references.echo_attachments,
    ),
    FieldType(SINGLE_LINK, ("SingleLink",), codes.LINK_CONV, references.parse_links, references.render_links),
    FieldType(
        DUPLEX_LINK, ("DuplexLink",), codes.DUPLEX_LINK_CONV, references.parse_links, references.render_links
    ),
    FieldType(LOOKUP, ("Lookup",), _MISMATCH, None, _return_same),
    FieldType(FORMULA, ("Formula",), _MISMATCH, None, _return_same, primary=True),
    FieldType(
        LOCATION,
        ("Location",),
        _MISMATCH,
        references.parse_location,
        references.render_location,
        primary=True,
    ),
    FieldType(
        GROUP,
        ("GroupChat",),
        _MISMATCH,
        references.parse_groups,
        references.render_groups,
        lambda _cell, value: [{"id": chat_id} for chat_id in value],
    ),
    FieldType(CREATED_TIME, ("CreatedTime",), _MISMATCH, None, _return_same),
    FieldType(MODIFIED_TIME, ("ModifiedTime",), _MISMATCH, None, _return_same),
    FieldType(CREATED_USER, ("CreatedUser",), _MISMATCH, None, _return_same),
    FieldType(MODIFIED_USER, ("ModifiedUser",), _MISMATCH, None, _return_same),
    FieldType(AUTO_NUMBER, ("AutoNumber",), _MISMATCH, None, _return_same),
)

FIELD_TYPES = {kind.number: kind for kind in _TYPES}


def render_author(who: App | User, app: App, id_type: str) -> dict[str, Any]:
    """Return a user, or the bot of an app, as the person that Bitable names as creator and editor."""
    if isinstance(who, User):
        return references.render_person(who, app, id_type)
    return {
        "id": who.bot_open_id,
        "name": who.name,
        "en_name": who.name,
        "email": "",
        "avatar_url": get_avatar(who),
    }


#: What the read-only types show; their cells store nothing.
AUTOMATIC: dict[int, Callable[[Record, App, str], Any]] = {
    CREATED_TIME: lambda record, _app, _id_type: record.created_time,
    MODIFIED_TIME: lambda record, _app, _id_type: record.modified_time,
    CREATED_USER: lambda record, app, id_type: [render_author(record.created_by, app, id_type)],
    MODIFIED_USER: lambda record, app, id_type: [render_author(record.modified_by, app, id_type)],
    AUTO_NUMBER: lambda record, _app, _id_type: str(record.number),
}
