"""What the endpoints of approvals share: parameters, people, and what is refused how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.validation import parse, parse_whole_number, read_json_object, read_user_id_type
from lark_emulator.world.apps import App

if TYPE_CHECKING:
    from lark_emulator.routing import Call
    from lark_emulator.world.approvals import Definition, Instance, Person


def make_refusal(detail: str) -> RefusedError:
    """Return the refusal of a parameter or a form: 1390001."""
    return RefusedError(codes.APPROVAL_PARAM, detail)


def read_body(call: Call) -> dict[str, Any]:
    """Return the body."""
    return read_json_object(call, codes.APPROVAL_PARAM)


def require(source: dict[str, Any], name: str) -> str:
    """Return a string that must be there."""
    value = source.get(name)
    if not isinstance(value, str) or not value:
        raise make_refusal(f"{name} is required")
    return value


def read_optional(source: dict[str, Any], name: str) -> str:
    """Return a string; empty if it is absent."""
    value = source.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise make_refusal(f"{name} must be a string")
    return value


def read_objects(source: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a list of objects; empty if it is absent.

    Raises:
        RefusedError: 1390001.
    """
    value = source.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise make_refusal(f"{name} must be a list of objects")
    return value


def find_definition(call: Call, code: str) -> Definition:
    """Return the definition with a code.

    Raises:
        RefusedError: 1390002, or 60009 if its data is not open to the app.
    """
    definition = call.world.approvals.definitions.get(code.upper())
    if definition is None:
        raise RefusedError(codes.APPROVAL_NOT_FOUND)
    if definition.visible_to is not None and call.app.app_id not in definition.visible_to:
        raise RefusedError(codes.APPROVAL_DATA_DENIED)
    return definition


def find_instance(call: Call, name: str, approval_code: str | None = None) -> Instance:
    """Return the instance with a code or uuid, of one definition if that is named.

    Raises:
        RefusedError: 1390002 or 1390003.
    """
    if approval_code is not None:
        find_definition(call, approval_code)
    instance = call.world.approvals.find(name)
    if instance is None or (approval_code is not None and instance.definition.code != approval_code.upper()):
        raise RefusedError(codes.APPROVAL_INSTANCE_NOT_FOUND)
    find_definition(call, instance.definition.code)
    return instance


def find_person(call: Call, value: str, id_type: str | None = None) -> Person:
    """Return a person, or the app's own bot, by an id.

    Args:
        call: The request that names the person.
        value: The id of the person or bot, of the kind `id_type`.
        id_type: The kind of id: `open_id`, `user_id` or `union_id`; None = the one in the query's
            `user_id_type`.

    Raises:
        RefusedError: 1390004.
    """
    kind = id_type or read_user_id_type(call)
    if kind == "open_id" and value == call.app.bot_open_id:
        return call.app
    user = call.world.find_user(call.app, kind, value)
    if user is None or user.is_external or user.status in ("resigned", "exited"):
        raise RefusedError(codes.APPROVAL_USER_NOT_FOUND)
    return user


def read_people(call: Call, body: dict[str, Any], name: str, id_type: str | None = None) -> list[Person]:
    """Return a list of people.

    Raises:
        RefusedError: 1390001 or 1390004.
    """
    ids = body.get(name)
    if not isinstance(ids, list) or not ids or not all(isinstance(person_id, str) for person_id in ids):
        raise make_refusal(f"{name} must be a list of ids")
    return [find_person(call, person_id, id_type) for person_id in ids]


def shows_user_ids(app: App) -> bool:
    """Return whether an app sees user_ids."""
    return not app.store and app.has_any("contact:user.employee_id:readonly")


def get_ids(app: App, person: Person | None) -> dict[str, str]:
    """Return `open_id` and `user_id` of a person as an app sees them."""
    if person is None:
        return {"open_id": "", "user_id": ""}
    if isinstance(person, App):
        return {"open_id": person.bot_open_id, "user_id": ""}
    return {
        "open_id": person.get_id(app, "open_id"),
        "user_id": person.user_id if shows_user_ids(app) else "",
    }


def parse_form(value: Any, name: str = "form") -> list[Any]:
    """Return the list that a JSON string holds.

    Raises:
        RefusedError: 1390001.
    """
    if not isinstance(value, str):
        raise make_refusal(f"{name} must be a JSON string")
    try:
        widgets = parse(value)
    except orjson.JSONDecodeError:
        raise make_refusal(f"{name} is not JSON") from None
    if not isinstance(widgets, list):
        raise make_refusal(f"{name} must be a list of widgets")
    return widgets


def read_milliseconds(source: dict[str, Any], name: str) -> int:
    """Return a required time in milliseconds, sent as digits.

    Raises:
        RefusedError: 1390001.
    """
    number = parse_whole_number(str(source.get(name, "")))
    if number is None or number < 0:
        raise make_refusal(f"{name} must be milliseconds")
    return number


def read_page_size(call: Call, *, least: int, limit: int, default: int) -> int:
    """Return the size of a page.

    Raises:
        RefusedError: 1390001.
    """
    raw = call.query.get("page_size")
    if not raw:
        return default
    size = parse_whole_number(raw)
    if size is None or not least <= size <= limit:
        raise make_refusal(f"page_size must be between {least} and {limit}")
    return size
