"""Forms: what a request may fill in, and how it is read afterwards."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.approval.parameters import make_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NOT_CREATABLE = ("text", "mutableGroup", "account", "serialNumber", "tripGroup", "remedyGroupV2")
URL = "https://emulator.invalid/approval/"
_SIBLINGS = ("currency", "open_ids", "timezoneOffset")


def as_text(form: list[dict[str, Any]]) -> str:
    """Return a form as answers hold it: a JSON string."""
    return orjson.dumps(form).decode()


def fill(widgets: Iterable[dict[str, Any]], entries: list[Any]) -> list[dict[str, Any]]:
    """Check the form of a request and return it as it is read.

    A required widget may be left out, as in Lark.

    Args:
        widgets: The widgets that the definition describes, each with at least `id` and `type`.
        entries: The filled-in widgets of the request, each with `id`, `type` and `value`.

    Raises:
        RefusedError: 1390001; the text names the widget.
    """
    known = list(widgets)
    return [_fill(known, entry) for entry in entries]


def _fill(known: list[dict[str, Any]], entry: Any) -> dict[str, Any]:
    name = entry.get("id") if isinstance(entry, dict) else None
    widget = next(
        (candidate for candidate in known if name and name in (candidate["id"], candidate.get("custom_id"))),
        None,
    )
    if widget is None:
        raise _make_widget_error(name, "unknown widget")
    kind = widget["type"]
    if entry.get("type") != kind:
        raise _make_widget_error(name, f"type must be {kind}")
    if kind in NOT_CREATABLE or kind.startswith("apaascorehr"):
        raise _make_widget_error(name, f"{kind} is not supported")
    if "value" not in entry and not (kind == "contact" and "open_ids" in entry):
        raise _make_widget_error(name, "value is required")
    check = _CHECKS.get(kind)
    if check is not None and not check(widget, entry):
        raise _make_widget_error(name, "value is invalid")
    shown = {
        "id": widget["id"],
        "custom_id": widget.get("custom_id", ""),
        "name": widget.get("name", ""),
        "type": kind,
        "ext": None,
    }
    shown |= {sibling: entry[sibling] for sibling in _SIBLINGS if sibling in entry}
    return shown | _READ.get(kind, _read_as_sent)(widget, entry)


def _make_widget_error(name: Any, why: str) -> Exception:
    return make_refusal(f"控件={name} {why}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_moment(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _get_option_texts(widget: dict[str, Any]) -> dict[str, str] | None:
    """Return value → text of the options; None if they are of an outside source."""
    options = widget.get("option")
    return None if not options else {option["value"]: option.get("text", "") for option in options}


def _is_amount(widget: dict[str, Any], entry: dict[str, Any]) -> bool:
    currencies = _get_option_texts(widget)
    currency = entry.get("currency")
    return (
        _is_number(entry["value"])
        and isinstance(currency, str)
        and (currencies is None or currency in currencies)
    )


def _is_interval(_: dict[str, Any], entry: dict[str, Any]) -> bool:
    value = entry["value"]
    if not isinstance(value, dict) or not _is_number(value.get("interval")):
        return False
    return _is_moment(value.get("start")) and _is_moment(value.get("end"))


def _is_option(widget: dict[str, Any], entry: dict[str, Any]) -> bool:
    known = _get_option_texts(widget)
    return isinstance(entry["value"], str) and (known is None or entry["value"] in known)


def _are_options(widget: dict[str, Any], entry: dict[str, Any]) -> bool:
    known = _get_option_texts(widget)
    return _are_texts(entry["value"]) and (known is None or all(value in known for value in entry["value"]))


def _is_telephone(_: dict[str, Any], entry: dict[str, Any]) -> bool:
    value = entry["value"]
    return isinstance(value, dict) and all(
        isinstance(value.get(part), str) for part in ("countryCode", "nationalNumber")
    )


def _are_objects_with(*parts: str) -> Callable[[dict[str, Any], dict[str, Any]], bool]:
    """Return the check of a list of objects that all have these members."""

    def check(_: dict[str, Any], entry: dict[str, Any]) -> bool:
        value = entry["value"]
        return isinstance(value, list) and all(
            isinstance(item, dict) and all(item.get(part) for part in parts) for item in value
        )

    return check


def _are_rows(widget: dict[str, Any], entry: dict[str, Any]) -> bool:
    rows = entry["value"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return False
    for row in rows:
        fill(widget.get("children") or (), row)
    return True


def _is_text(_: dict[str, Any], entry: dict[str, Any]) -> bool:
    return isinstance(entry["value"], str)


_CHECKS: dict[str, Callable[[dict[str, Any], dict[str, Any]], bool]] = {
    "input": _is_text,
    "textarea": _is_text,
    "number": lambda _, entry: _is_number(entry["value"]),
    "formula": lambda _, entry: _is_number(entry["value"]),
    "amount": _is_amount,
    "date": lambda _, entry: _is_moment(entry["value"]),
    "dateInterval": _is_interval,
    "radio": _is_option,
    "radioV2": _is_option,
    "checkbox": _are_options,
    "checkboxV2": _are_options,
    "contact": lambda _, entry: _are_texts(entry.get("value", [])) and _are_texts(entry.get("open_ids", [])),
    "department": _are_objects_with("open_id"),
    "connect": lambda _, entry: _are_texts(entry["value"]),
    "document": lambda _, entry: isinstance(entry["value"], dict) and bool(entry["value"].get("token")),
    "attachmentV2": lambda _, entry: _are_texts(entry["value"]),
    "image": lambda _, entry: _are_texts(entry["value"]),
    "imageV2": lambda _, entry: _are_texts(entry["value"]),
    "telephone": _is_telephone,
    "address": _are_objects_with("id"),
    "fieldList": _are_rows,
}


def _read_as_sent(_: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    return {"value": entry.get("value", [])}


def _read_options(widget: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """Replace option values by their texts; an option of an external source stays as it is."""
    texts = _get_option_texts(widget) or {}
    value = entry["value"]
    if isinstance(value, str):
        return {"value": texts.get(value, value), "option": {"key": value, "text": texts.get(value, value)}}
    return {"value": [texts.get(key, key) for key in value]}


def _read_urls(_: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    return {"value": [f"{URL}{code}" for code in entry["value"]], "ext": ",".join(entry["value"])}


def _read_telephone(_: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    value = entry["value"]
    return {"value": {"country_code": value["countryCode"], "national_number": value["nationalNumber"]}}


def _read_document(_: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    value = entry["value"]
    token = value["token"]
    return {
        "value": {
            "token": token,
            "type": value.get("type", "docx"),
            "title": "Document",
            "url": f"{URL}{token}",
        }
    }


def _read_address(_: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    first = entry["value"][0] if entry["value"] else {}
    return {"value": "/".join(str(first[part]) for part in ("id", "detailAddress") if first.get(part))}


def _read_rows(widget: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    return {"value": [fill(widget.get("children") or (), row) for row in entry["value"]]}


_READ: dict[str, Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]] = {
    "radio": _read_options,
    "radioV2": _read_options,
    "checkbox": _read_options,
    "checkboxV2": _read_options,
    "telephone": _read_telephone,
    "document": _read_document,
    "attachmentV2": _read_urls,
    "image": _read_urls,
    "imageV2": _read_urls,
    "address": _read_address,
    "fieldList": _read_rows,
}
