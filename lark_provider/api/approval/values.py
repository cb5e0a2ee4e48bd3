"""Convert the values of a form: from Python to the form of a new instance, and back from one that was read.

The two directions differ in shape: an option is sent as its value and returned as its text, and the parts of
a telephone number have other names.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from lark_provider.api.approval.widgets import Widget, find_widget
from lark_provider.protocol.errors import InvalidRequestError

_INVALID = 1390001
_DAY_SECONDS = 86_400
_PAIR, _TRIPLE = 2, 3
_OPEN_ID = "ou_"
_TOO_LARGE = 10**18
"""JSON numbers of this size and above may be rounded in transit."""


class WidgetMisfitError(ValueError):
    """A value does not fit its widget; the text says what it must be."""


def encode_form(
    widgets: Sequence[Widget], form: Mapping[str, Any], zone: dt.tzinfo | None, where: str
) -> list[dict[str, Any]]:
    """Encode a form for the request that creates an instance.

    Args:
        widgets: The widgets of the definition's form.
        form: Field → value. A field is named by its id, custom_id or visible name; a value of None leaves it
            out.
        zone: The time zone of naive datetimes and of dates; None to refuse them.
        where: What error texts call the form.

    Returns:
        Widgets with `id`, `type` and `value`.

    Raises:
        InvalidRequestError: A field is unknown, named twice or cannot be filled in by a request, or a value
            does not fit.
    """
    encoded: dict[str, dict[str, Any]] = {}
    for name, value in form.items():
        widget = find_widget(widgets, name, where)
        if widget.id in encoded:
            raise InvalidRequestError(
                f"A field of {where} must be named once, got {widget.id!r} again as {name!r}. Next: remove "
                "one of them.",
                code=_INVALID,
            )
        if value is not None:
            encoded[widget.id] = _encode(widget, value, zone, f"Field {name!r} of {where}")
    return list(encoded.values())


def _encode(widget: Widget, value: Any, zone: dt.tzinfo | None, what: str) -> dict[str, Any]:
    if not widget.can_be_written:
        raise InvalidRequestError(
            f"{what} is a {widget.type}, which no request can fill in. Next: leave it out, or let people "
            "start this approval in Lark.",
            code=_INVALID,
        )
    base = {"id": widget.id, "type": widget.type}
    try:
        if widget.type == "fieldList":
            return base | {"value": _encode_rows(widget, value, zone, what)}
        return base | _WRITERS.get(widget.type, _keep_value)(widget, value, zone)
    except WidgetMisfitError as error:
        raise InvalidRequestError(
            f"{what} {error}, got {value!r:.80}. Next: pass a value for a field of type {widget.type}.",
            code=_INVALID,
        ) from None


def _encode_rows(widget: Widget, value: Any, zone: dt.tzinfo | None, what: str) -> list[list[dict[str, Any]]]:
    if not isinstance(value, list | tuple) or not all(isinstance(row, Mapping) for row in value):
        raise WidgetMisfitError("must be a list of dicts, one for each row")
    return [
        encode_form(widget.children, row, zone, f"{what}, row {number}")
        for number, row in enumerate(value, 1)
    ]


def _keep_value(_widget: Widget, value: Any, _zone: dt.tzinfo | None) -> dict[str, Any]:
    """Pass a value through unchanged, for types that have no counterpart in Python."""
    return {"value": value}


def _encode_text(_widget: Widget, value: Any, _zone: dt.tzinfo | None) -> dict[str, Any]:
    if not isinstance(value, str):
        raise WidgetMisfitError("must be a string")
    return {"value": value}


def _encode_number(_widget: Widget, value: Any, _zone: dt.tzinfo | None) -> dict[str, Any]:
    return {"value": _require_finite(value)}


def _require_finite(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        raise WidgetMisfitError("must be a finite number")
    if not isinstance(value, float) and abs(Decimal(value)) >= _TOO_LARGE:
        raise WidgetMisfitError("must be a number of less than 19 digits")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _encode_amount(widget: Widget, value: Any, _zone: dt.tzinfo | None) -> dict[str, Any]:
    pair = value if isinstance(value, list | tuple) else (value, None)
    if len(pair) != _PAIR:
        raise WidgetMisfitError('must be a number and a currency, such as (12.5, "CNY")')
    currency = pair[1] or (widget.currencies[0] if len(widget.currencies) == 1 else None)
    if not isinstance(currency, str):
        raise WidgetMisfitError('must name its currency, such as (12.5, "CNY")')
    if widget.currencies and currency not in widget.currencies:
        raise WidgetMisfitError(f"must have one of the currencies {', '.join(widget.currencies)}")
    return {"value": _require_finite(pair[0]), "currency": currency}


def _parse_moment(value: Any, zone: dt.tzinfo | None) -> dt.datetime:
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            raise WidgetMisfitError('must be a datetime or such as "2026-01-31T08:00:00+08:00"') from None
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the zone follows
    if not isinstance(value, dt.datetime):
        raise WidgetMisfitError("must be a date or a datetime")
    moment: dt.datetime = value
    if moment.tzinfo is None:
        if zone is None:
            raise WidgetMisfitError("must have a time zone, unless zone= names one")
        moment = moment.replace(tzinfo=zone)
    return moment


def _format_moment(value: dt.datetime) -> str:
    return value.replace(microsecond=0).isoformat()


def _encode_date(_widget: Widget, value: Any, zone: dt.tzinfo | None) -> dict[str, Any]:
    return {"value": _format_moment(_parse_moment(value, zone))}


def _encode_interval(_widget: Widget, value: Any, zone: dt.tzinfo | None) -> dict[str, Any]:
    if isinstance(value, Mapping):
        value = tuple(value.get(name) for name in ("start", "end", "interval") if name in value)
    if not isinstance(value, list | tuple) or len(value) not in (_PAIR, _TRIPLE):
        raise WidgetMisfitError(
            "must be a start and an end, with the number of days as a third value if wanted"
        )
    start, end = _parse_moment(value[0], zone), _parse_moment(value[1], zone)
    if end < start:
        raise WidgetMisfitError("must not end before it starts")
    days = (
        _require_finite(value[2]) if len(value) == _TRIPLE else (end - start).total_seconds() / _DAY_SECONDS
    )
    return {"value": {"start": _format_moment(start), "end": _format_moment(end), "interval": float(days)}}


def _find_option(widget: Widget, value: Any) -> str:
    """Return the value of an option, which may be given by its text."""
    if not isinstance(value, str):
        raise WidgetMisfitError("must be the text or value of an option")
    if not widget.options or any(value == option for option, _ in widget.options):
        return value  # options of an outside source are not in the definition
    matches = [option for option, text in widget.options if text == value]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise WidgetMisfitError(
            f"must be the value of an option ({', '.join(matches)}), since several have that text"
        )
    raise WidgetMisfitError(f"must be one of {', '.join(text or option for option, text in widget.options)}")


def _encode_radio(widget: Widget, value: Any, _zone: dt.tzinfo | None) -> dict[str, Any]:
    return {"value": _find_option(widget, value)}


def _encode_checkbox(widget: Widget, value: Any, _zone: dt.tzinfo | None) -> dict[str, Any]:
    return {"value": [_find_option(widget, option) for option in _list_distinct(value)]}


def _list_distinct(value: Any) -> list[Any]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, list | tuple | set | frozenset):
        raise WidgetMisfitError("must be a list")
    items = list(value)
    return [item for number, item in enumerate(items) if item not in items[:number]]


def _list_texts(value: Any, what: str) -> list[str]:
    texts = [value] if isinstance(value, str) else _list_distinct(value)
    if not all(isinstance(text, str) and text for text in texts):
        raise WidgetMisfitError(f"must be a list of {what}")
    return texts


def _encode_contact(_widget: Widget, value: Any, _zone: dt.tzinfo | None) -> dict[str, Any]:
    ids = _list_texts(value, "open_ids or user_ids")
    open_ids = [person for person in ids if person.startswith(_OPEN_ID)]
    return {"value": [person for person in ids if not person.startswith(_OPEN_ID)], "open_ids": open_ids}


def _encode_department(_widget: Widget, value: Any, _zone: dt.tzinfo | None) -> dict[str, Any]:
    return {
        "value": [{"open_id": department_id} for department_id in _list_texts(value, "department ids (od-…)")]
    }


def _encode_codes(_widget: Widget, value: Any, _zone: dt.tzinfo | None) -> dict[str, Any]:
    return {"value": _list_texts(value, "codes")}


def _encode_telephone(_widget: Widget, value: Any, _zone: dt.tzinfo | None) -> dict[str, Any]:
    if isinstance(value, Mapping):
        value = (value.get("countryCode"), value.get("nationalNumber"))
    if not (isinstance(value, list | tuple) and len(value) == _PAIR) or not all(
        isinstance(part, str) and part for part in value
    ):
        raise WidgetMisfitError('must be a country code and a number, such as ("+86", "13800000000")')
    return {"value": {"countryCode": value[0], "nationalNumber": value[1]}}


def _encode_document(_widget: Widget, value: Any, _zone: dt.tzinfo | None) -> dict[str, Any]:
    if isinstance(value, str):
        value = {"token": value, "type": "docx"}
    if not isinstance(value, Mapping):
        raise WidgetMisfitError("must be the token of a document")
    token, kind = value.get("token"), value.get("type", "docx")
    if not (isinstance(token, str) and token and isinstance(kind, str)):
        raise WidgetMisfitError('must be the token of a document, or {"token": …, "type": "docx"}')
    return {"value": {"token": token, "type": kind}}


_Writer = Callable[[Widget, Any, "dt.tzinfo | None"], "dict[str, Any]"]
_WRITERS: dict[str, _Writer] = {
    "input": _encode_text,
    "textarea": _encode_text,
    "number": _encode_number,
    "formula": _encode_number,
    "amount": _encode_amount,
    "date": _encode_date,
    "dateInterval": _encode_interval,
    "radio": _encode_radio,
    "radioV2": _encode_radio,
    "checkbox": _encode_checkbox,
    "checkboxV2": _encode_checkbox,
    "contact": _encode_contact,
    "department": _encode_department,
    "connect": _encode_codes,
    "document": _encode_document,
    "attachmentV2": _encode_codes,
    "image": _encode_codes,
    "imageV2": _encode_codes,
    "telephone": _encode_telephone,
}


def read_value(kind: str, widget: Mapping[str, Any]) -> Any:
    """Return the value of a widget of an instance as a Python object.

    Args:
        kind: The widget's type.
        widget: The widget, as Lark shows it.

    Returns:
        A datetime for a date, a pair of them for an interval, `(number, currency)` for an amount, the texts
        of chosen options, open_ids of people, `(country code, number)` for a telephone, a list of dicts for
        rows; anything else as Lark sends it.
    """
    value = widget.get("value")
    try:
        match kind:
            case "date" if isinstance(value, str):
                return dt.datetime.fromisoformat(value)
            case "dateInterval" if isinstance(value, Mapping):
                return tuple(dt.datetime.fromisoformat(value[name]) for name in ("start", "end"))
            case "amount":
                return (
                    value,
                    widget.get("currency")
                    or (widget.get("ext") if isinstance(widget.get("ext"), str) else None),
                )
            case "telephone" if isinstance(value, Mapping):
                return (value["country_code"], value["national_number"])
            case "contact":
                return list(widget.get("open_ids") or value or ())
            case "fieldList" if isinstance(value, list):
                return [
                    {
                        str(cell.get("name") or cell["id"]): read_value(str(cell.get("type")), cell)
                        for cell in row
                    }
                    for row in value
                ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return value  # an undocumented shape is returned unchanged rather than lost
    return value
