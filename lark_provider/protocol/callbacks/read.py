"""Read the JSON of a callback or an event, which must have been verified before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from lark_provider.protocol.callbacks.model import OLD_CARD, Action, CardClick, Delivery, Event, Operator
from lark_provider.protocol.callbacks.storable import LONGEST_ID, is_id
from lark_provider.protocol.callbacks.times import seconds
from lark_provider.protocol.errors import CallbackRefusedError

_SCHEMA = "2.0"
_CARDS = frozenset({"card.action.trigger", OLD_CARD})


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
        raise _refused("The body must not be nested so deeply that it cannot be encoded again") from None
    if "schema" not in content:
        return _event_1(content)
    if content["schema"] != _SCHEMA:
        raise _refused(f"schema must be {_SCHEMA!r}, got another value")
    header, event = _object(content, "", "header"), _object(content, "", "event")
    event_id, kind = _id(header, "header", "event_id"), _required(header, "header", "event_type")
    app_id, tenant = _id(header, "header", "app_id"), _texts(header, "header", "tenant_key")
    created_at = _moment(header, "header", "create_time")
    if kind not in _CARDS:
        return Event(
            event_id=event_id,
            type=kind,
            app_id=app_id,
            event=event,
            created_at=created_at,
            raw=content,
            **tenant,
        )
    context = {} if event.get("context") is None else _object(event, "event", "context")
    where = _texts(context, "event.context", "open_message_id", "open_chat_id")
    return CardClick(
        event_id=event_id,
        app_id=app_id,
        operator=_operator(_object(event, "event", "operator")),
        action=_action(_object(event, "event", "action")),
        message_id=_id(where, "event.context", "open_message_id") if where["open_message_id"] else None,
        chat_id=where["open_chat_id"],
        created_at=created_at,
        raw=content,
        **tenant,
        **_texts(event, "event", "token"),
    )


def modern(old: Mapping[str, Any], *, event_id: str, app_id: str, created: float) -> dict[str, Any]:
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


def _event_1(content: dict[str, Any]) -> Event:
    event = _object(content, "", "event")
    return Event(
        event_id=_id(content, "", "uuid"),
        type=_required(event, "event", "type"),
        event=event,
        created_at=_moment(content, "", "ts"),
        raw=content,
        **_texts(event, "event", "app_id", "tenant_key"),
    )


def _operator(operator: dict[str, Any]) -> Operator:
    path = "event.operator"
    return Operator(
        open_id=_required(operator, path, "open_id"),
        **_texts(operator, path, "user_id", "union_id", "tenant_key"),
    )


def _action(action: dict[str, Any]) -> Action:
    path = "event.action"
    form, checked, options = action.get("form_value"), action.get("checked"), action.get("options")
    if not (form is None or isinstance(form, dict)):
        raise _invalid(path, "form_value", "an object", form)
    if not (checked is None or isinstance(checked, bool)):
        raise _invalid(path, "checked", "true or false", checked)
    if not (options is None or (isinstance(options, list) and all(isinstance(one, str) for one in options))):
        raise _invalid(path, "options", "a list of strings", options)
    return Action(
        value=action.get("value"),
        form_value=form,
        options=tuple(options or ()),
        checked=checked,
        **_texts(action, path, "tag", "name", "option", "input_value", "timezone"),
    )


def _object(parent: Mapping[str, Any], path: str, name: str) -> dict[str, Any]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise _invalid(path, name, "an object", value)
    return value


def _texts(parent: Mapping[str, Any], path: str, *names: str) -> dict[str, str | None]:
    """Return members by name; each must be a string, or may be missing."""
    found: dict[str, str | None] = {}
    for name in names:
        found[name] = value = parent.get(name)
        if not (value is None or isinstance(value, str)):
            raise _invalid(path, name, "a string", value)
    return found


def _required(parent: Mapping[str, Any], path: str, name: str) -> str:
    value = parent.get(name)
    if isinstance(value, str) and value:
        return value
    raise _invalid(path, name, "a non-empty string", value)


def _id(parent: Mapping[str, Any], path: str, name: str) -> str:
    # Refused here, where Lark is answered: later it could not be stored.
    value = parent.get(name)
    if is_id(value):
        return value
    raise _invalid(path, name, f"1 to {LONGEST_ID} printable characters", value)


def _moment(parent: Mapping[str, Any], path: str, name: str) -> datetime:
    value = seconds(parent.get(name))
    if value is None:
        raise _invalid(path, name, "a time stamp", parent.get(name))
    return datetime.fromtimestamp(value, UTC)


def _invalid(path: str, name: str, wanted: str, value: object) -> CallbackRefusedError:
    """Return the error for a member. It quotes the type alone, since the body may hold personal data."""
    got = "nothing" if value is None else f"a {type(value).__name__}"
    return _refused(f"{path}{'.' if path else ''}{name} must be {wanted}, got {got}")


def _refused(reason: str) -> CallbackRefusedError:
    return CallbackRefusedError(
        f"{reason}. Next: point only Lark's callbacks and events at this URL; if Lark sent it, report it."
    )
