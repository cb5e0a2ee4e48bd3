"""From the JSON of a callback or an event to its type. Nothing is proven here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from lark_provider.protocol.callbacks.model import OLD_CARD, Action, CardClick, Delivery, Event, Operator
from lark_provider.protocol.callbacks.refusal import CallbackRefusedError
from lark_provider.protocol.callbacks.storable import is_id
from lark_provider.protocol.callbacks.times import seconds

_SCHEMA = "2.0"
_CARDS = frozenset({"card.action.trigger", OLD_CARD})


def read(content: dict[str, Any]) -> Delivery:
    """Read a callback or an event that needs no proof: it was proven, or came over a long connection.

    Args:
        content: Schema 2.0, or an event 1.0, decrypted.

    Returns:
        The click or the event; `content` becomes its `raw`.

    Raises:
        CallbackRefusedError: It has not the shape of either. Status 400.
    """
    try:
        orjson.dumps([[[[content]]]])
    except TypeError:
        # The encoder gives up earlier than the decoder: nobody could pass this on, in an envelope.
        raise _refused("", "The body", "is nested too deep") from None
    if "schema" not in content:
        return _event_1(content)
    if content["schema"] != _SCHEMA:
        raise _refused("", "schema", "is none that is known")
    header, event = _object(content, "", "header"), _object(content, "", "event")
    event_id, kind = _id(header, "header", "event_id"), _needed(header, "header", "event_type")
    app_id, tenant_key = _id(header, "header", "app_id"), _text(header, "header", "tenant_key")
    created_at = _moment(header, "header", "create_time")
    if kind not in _CARDS:
        return Event(event_id, kind, app_id, tenant_key, event, created_at, content)
    operator = _object(event, "event", "operator")
    context = {} if event.get("context") is None else _object(event, "event", "context")
    return CardClick(
        event_id,
        app_id,
        tenant_key,
        Operator(
            _needed(operator, "event.operator", "open_id"),
            _text(operator, "event.operator", "user_id"),
            _text(operator, "event.operator", "union_id"),
        ),
        _action(_object(event, "event", "action")),
        _id(context, "event.context", "open_message_id")
        if _text(context, "event.context", "open_message_id")
        else None,
        _text(context, "event.context", "open_chat_id"),
        _text(event, "event", "token"),
        created_at,
        content,
    )


def modern(old: Mapping[str, Any], *, event_id: str, app_id: str, created: float) -> dict[str, Any]:
    """Put an old, flat card callback into schema 2.0, so that whoever comes after knows one shape.

    Args:
        old: `card.action.trigger_v1`, as it came.
        event_id: The old form has none.
        app_id: Nor this.
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


def _event_1(content: dict[str, Any]) -> Event:
    event = _object(content, "", "event")
    return Event(
        _id(content, "", "uuid"),
        _needed(event, "event", "type"),
        _text(event, "event", "app_id"),
        _text(event, "event", "tenant_key"),
        event,
        _moment(content, "", "ts"),
        content,
    )


def _action(action: dict[str, Any]) -> Action:
    form, checked, options = action.get("form_value"), action.get("checked"), action.get("options")
    if not (form is None or isinstance(form, dict)):
        raise _refused("event.action", "form_value", "is no object")
    if not (checked is None or isinstance(checked, bool)):
        raise _refused("event.action", "checked", "is neither true nor false")
    if not (options is None or (isinstance(options, list) and all(isinstance(one, str) for one in options))):
        raise _refused("event.action", "options", "is no list of texts")
    return Action(
        _text(action, "event.action", "tag"),
        _text(action, "event.action", "name"),
        action.get("value"),
        form,
        _text(action, "event.action", "option"),
        tuple(options or ()),
        _text(action, "event.action", "input_value"),
        checked,
        _text(action, "event.action", "timezone"),
    )


def _object(parent: Mapping[str, Any], path: str, name: str) -> dict[str, Any]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise _refused(path, name, "is no object")
    return value


def _text(parent: Mapping[str, Any], path: str, name: str) -> str | None:
    value = parent.get(name)
    if value is None or isinstance(value, str):
        return value
    raise _refused(path, name, "is no text")


def _needed(parent: Mapping[str, Any], path: str, name: str) -> str:
    value = parent.get(name)
    if isinstance(value, str) and value:
        return value
    raise _refused(path, name, "is missing or no text")


def _id(parent: Mapping[str, Any], path: str, name: str) -> str:
    # Refused here, where Lark hears of it: behind, it could be stored by nobody.
    value = parent.get(name)
    if is_id(value):
        return value
    raise _refused(path, name, "is missing or no usable id")


def _moment(parent: Mapping[str, Any], path: str, name: str) -> datetime:
    value = seconds(parent.get(name))
    if value is None:
        raise _refused(path, name, "is no time")
    return datetime.fromtimestamp(value, UTC)


def _refused(path: str, name: str, state: str) -> CallbackRefusedError:
    return CallbackRefusedError(
        f"{path}{'.' if path else ''}{name} {state}. Next: point only Lark's callbacks and events at "
        "this URL; if Lark sent it, report it."
    )
