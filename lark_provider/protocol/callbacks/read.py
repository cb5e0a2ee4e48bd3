"""Read the JSON of a callback or an event, which must have been verified before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import NoneType
from typing import Any, NamedTuple

import orjson

from lark_provider.protocol.callbacks.model import OLD_CARD, Action, CardClick, Delivery, Event, Operator
from lark_provider.protocol.callbacks.storable import MAX_ID_LENGTH, is_id
from lark_provider.protocol.callbacks.times import parse_seconds
from lark_provider.protocol.errors import CallbackRefusedError

_SCHEMA = "2.0"
_CARDS = frozenset({"card.action.trigger", OLD_CARD})


class _Kind(NamedTuple):
    """What a member must be.

    Attributes:
        types: The types that its JSON may be decoded to.
        wanted: The kind, as the text of an error names it.
    """

    types: tuple[type, ...]
    wanted: str


_OBJECT, _OPTIONAL_OBJECT = _Kind((dict,), "an object"), _Kind((dict, NoneType), "an object")
_NAME, _TEXT = _Kind((str,), "a non-empty string"), _Kind((str, NoneType), "a string")
_FLAG, _TEXTS = _Kind((bool, NoneType), "true or false"), _Kind((list, NoneType), "a list of strings")
# What cannot be stored as an id is refused here, where Lark is answered. An empty optional one is missing.
_ID = _Kind((str,), f"1 to {MAX_ID_LENGTH} printable characters")
_OPTIONAL_ID = _Kind((str, NoneType), _ID.wanted)

# The members that are read; others may be anything.
_CONTENT = {"header": _OBJECT, "event": _OBJECT}
_HEADER = {"event_id": _ID, "event_type": _NAME, "app_id": _ID, "tenant_key": _TEXT}
_CLICK = {"operator": _OBJECT, "action": _OBJECT, "context": _OPTIONAL_OBJECT, "token": _TEXT}
_CONTEXT = {"open_message_id": _OPTIONAL_ID, "open_chat_id": _TEXT}
_OPERATOR = {"open_id": _NAME, "user_id": _TEXT, "union_id": _TEXT, "tenant_key": _TEXT}
_ACTION = {
    "tag": _TEXT,
    "name": _TEXT,
    "form_value": _OPTIONAL_OBJECT,
    "option": _TEXT,
    "options": _TEXTS,
    "input_value": _TEXT,
    "checked": _FLAG,
    "timezone": _TEXT,
}
_CONTENT_1 = {"uuid": _ID, "event": _OBJECT}
_EVENT_1 = {"type": _NAME, "app_id": _TEXT, "tenant_key": _TEXT}


def read(content: dict[str, Any]) -> Delivery:
    """Read a callback or an event that was verified, or came over a long connection.

    Args:
        content: Schema 2.0, or an event 1.0, decrypted.

    Returns:
        The click or the event; `content` becomes its `raw`.

    Raises:
        CallbackRefusedError: It has the shape of neither. Status 400.
    """
    try:
        orjson.dumps([[[[content]]]])
    except TypeError:
        # The encoder's limit is lower than the decoder's, and the content is passed on in an envelope.
        raise _make_refusal_error(
            "The body must not be nested so deeply that it cannot be encoded again"
        ) from None
    if "schema" not in content:
        return _read_event_1(content)
    if content["schema"] != _SCHEMA:
        raise _make_refusal_error(f"schema must be {_SCHEMA!r}, got another value")
    _check(content, "", _CONTENT)
    header, event = content["header"], content["event"]
    _check(header, "header", _HEADER)
    event_id, app_id, tenant_key = header["event_id"], header["app_id"], header.get("tenant_key")
    created_at = _read_moment(header, "header", "create_time")
    if header["event_type"] not in _CARDS:
        return Event(
            event_id=event_id,
            type=header["event_type"],
            app_id=app_id,
            tenant_key=tenant_key,
            event=event,
            created_at=created_at,
            raw=content,
        )
    _check(event, "event", _CLICK)
    context = event.get("context") or {}
    _check(context, "event.context", _CONTEXT)
    return CardClick(
        event_id=event_id,
        app_id=app_id,
        tenant_key=tenant_key,
        operator=_read_operator(event["operator"]),
        action=_read_action(event["action"]),
        message_id=context.get("open_message_id") or None,
        chat_id=context.get("open_chat_id"),
        token=event.get("token"),
        created_at=created_at,
        raw=content,
    )


def assign_app(delivery: Delivery, app_id: str) -> Delivery:
    """Return a delivery as one of the app that it was proven for: events 1.0 may not name their app.

    Without an app, the event would later be taken for one of the default app.

    Args:
        delivery: The click or the event.
        app_id: The app whose keys, or whose connection, prove it.

    Returns:
        The delivery itself if it names an app; else one that does, in its `raw` as well.
    """
    if delivery.app_id or not isinstance(delivery, Event):
        return delivery
    event = delivery.event | {"app_id": app_id}
    return replace(delivery, app_id=app_id, event=event, raw=delivery.raw | {"event": event})


def modernize(old: Mapping[str, Any], *, event_id: str, app_id: str, created: float) -> dict[str, Any]:
    """Convert an old, flat card callback to schema 2.0, so that all later code knows one shape.

    Args:
        old: `card.action.trigger_v1`, as received.
        event_id: The event id, which the old form lacks.
        app_id: The app id, which it lacks, too.
        created: Seconds since the epoch.
    """
    return {
        "schema": _SCHEMA,
        "header": {
            "event_id": event_id,
            "create_time": str(round(created * 1000)),
            "event_type": OLD_CARD,
            "tenant_key": old.get("tenant_key"),
            "app_id": app_id,
        },
        "event": {
            "operator": {name: old.get(name) for name in ("tenant_key", "open_id", "user_id", "union_id")},
            "token": old.get("token"),
            "action": old.get("action"),
            "context": {name: old.get(name) for name in ("open_message_id", "open_chat_id")},
        },
    }


def _read_event_1(content: dict[str, Any]) -> Event:
    _check(content, "", _CONTENT_1)
    event = content["event"]
    _check(event, "event", _EVENT_1)
    return Event(
        event_id=content["uuid"],
        type=event["type"],
        app_id=event.get("app_id"),
        tenant_key=event.get("tenant_key"),
        event=event,
        created_at=_read_moment(content, "", "ts"),
        raw=content,
    )


def _read_operator(operator: dict[str, Any]) -> Operator:
    _check(operator, "event.operator", _OPERATOR)
    return Operator(
        open_id=operator["open_id"],
        user_id=operator.get("user_id"),
        union_id=operator.get("union_id"),
        tenant_key=operator.get("tenant_key"),
    )


def _read_action(action: dict[str, Any]) -> Action:
    _check(action, "event.action", _ACTION)
    return Action(
        tag=action.get("tag"),
        name=action.get("name"),
        value=action.get("value"),
        form_value=action.get("form_value"),
        option=action.get("option"),
        options=tuple(action.get("options") or ()),
        input_value=action.get("input_value"),
        checked=action.get("checked"),
        timezone=action.get("timezone"),
    )


def _check(parent: Mapping[str, Any], path: str, members: Mapping[str, _Kind]) -> None:
    """Raise a `CallbackRefusedError` for the first member that is not what it must be."""
    for name, kind in members.items():
        value = parent.get(name)
        fits = isinstance(value, kind.types)
        if kind is _NAME:
            fits = fits and value != ""
        elif kind is _ID or (kind is _OPTIONAL_ID and value):
            fits = is_id(value)
        elif kind is _TEXTS and value:
            fits = fits and all(isinstance(text, str) for text in value)
        if not fits:
            raise _make_invalid_error(path, name, kind.wanted, value)


def _read_moment(parent: Mapping[str, Any], path: str, name: str) -> datetime:
    value = parse_seconds(parent.get(name))
    if value is None:
        raise _make_invalid_error(path, name, "a time stamp", parent.get(name))
    return datetime.fromtimestamp(value, UTC)


def _make_invalid_error(path: str, name: str, wanted: str, value: object) -> CallbackRefusedError:
    """Return the error for a member. It quotes the type alone, since the body may hold personal data."""
    got = "nothing" if value is None else f"a {type(value).__name__}"
    return _make_refusal_error(f"{path}{'.' if path else ''}{name} must be {wanted}, got {got}")


def _make_refusal_error(reason: str) -> CallbackRefusedError:
    return CallbackRefusedError(
        f"{reason}. Next: point only Lark's callbacks and events at this URL; if Lark sent it, report it."
    )
