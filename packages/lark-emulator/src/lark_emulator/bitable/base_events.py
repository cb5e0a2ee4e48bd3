"""Events of a base: its records or fields changed, and with each of them `drive.file.edit_v1`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.bitable import values
from lark_emulator.world.users import User

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lark_emulator.settings import Settings
    from lark_emulator.world.apps import App
    from lark_emulator.world.bases import Base, Field, Table
    from lark_emulator.world.records import Record
    from lark_emulator.world.world import World

RECORDS = "drive.file.bitable_record_changed_v1"
FIELDS = "drive.file.bitable_field_changed_v1"
EDITED = "drive.file.edit_v1"
#: One of these scopes lets an app have the events.
_SCOPES = {
    RECORDS: ("base:record:read", "bitable:app", "drive:drive"),
    FIELDS: ("base:field:read", "bitable:app", "drive:drive"),
}


@dataclass(slots=True)
class Changes:
    """What one write does to the records of a table; `send` tells the apps that subscribed to the base.

    Args:
        world: The emulated tenant, whose clock and subscriptions are used.
        settings: The emulator's settings, which say what fields of an edited record are shown.
        base: The base that the table belongs to.
        table: The table whose records are written.
        by: The app or user that makes the change.
    """

    world: World
    settings: Settings
    base: Base
    table: Table
    by: App | User
    _actions: list[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=list)

    @property
    def wanted(self) -> bool:
        """Whether any app subscribed to the base."""
        return bool(self.world.drive.subscribers.get(self.base.app_token))

    def note_added(self, record: Record) -> None:
        """Note a new record."""
        if self.wanted:
            self._actions.append(("record_added", record.record_id, {}, record.cells))

    def note_edited(self, record: Record, before: Record) -> None:
        """Note a record, and what it was before."""
        if not self.wanted:
            return
        old, new = before.cells, record.cells
        if self.settings.record_event_values == "changed":
            changed = {field_id for field_id in {**old, **new} if old.get(field_id) != new.get(field_id)}
            old, new = ({field_id: cells.get(field_id) for field_id in changed} for cells in (old, new))
        if old != new:
            self._actions.append(("record_edited", record.record_id, old, new))

    def note_deleted(self, record: Record) -> None:
        """Note a record that is about to be removed."""
        if self.wanted:
            self._actions.append(("record_deleted", record.record_id, record.cells, {}))

    def send(self) -> None:
        """Send one event for all that was noted, once the write is counted."""
        actions, self._actions = self._actions, []
        if not actions:
            return

        def make_content(app: App) -> list[dict[str, Any]]:
            action_list = []
            for action, record_id, old, new in actions:
                shown: dict[str, Any] = {"record_id": record_id, "action": action}
                if action != "record_added":
                    shown["before_value"] = self._render_values(app, old)
                if action != "record_deleted":
                    shown["after_value"] = self._render_values(app, new)
                action_list.append(shown)
            return action_list

        _send(self.world, self.base, self.table, self.by, RECORDS, make_content)

    def _render_values(self, app: App, cells: Mapping[str, Any]) -> list[dict[str, Any]]:
        fields = self.table.fields
        return [
            _render_value(self.world, app, fields[field_id], value)
            for field_id, value in cells.items()
            if field_id in fields and fields[field_id].type not in values.COMPUTED
        ]


def note_field(
    world: World, base: Base, table: Table, by: App | User, before: Field | None, after: Field | None
) -> None:
    """Tell the apps that subscribed to a base of a field that was added (no `before`), edited or deleted."""
    if not world.drive.subscribers.get(base.app_token):
        return
    action = "field_edited" if before and after else "field_added" if after else "field_deleted"
    known = after or before
    assert known is not None  # noqa: S101 - one of them is there
    shown: dict[str, Any] = {"action": action, "field_id": known.field_id}
    if before is not None:
        shown["before_value"] = _render_field(before)
    if after is not None:
        shown["after_value"] = _render_field(after)
    _send(world, base, table, by, FIELDS, lambda _: [shown])


def _render_field(column: Field) -> dict[str, Any]:
    properties = dict(column.property or {})
    if column.options:
        properties["options"] = [
            {"id": option_id, "name": name, "color": column.colors[name]}
            for name, option_id in column.options.items()
        ]
    return {
        "id": column.field_id,
        "name": column.name,
        "type": column.type,
        "description": column.description,
        "property": properties,
    }


def _send(world: World, base: Base, table: Table, by: App | User, event_type: str, content: Any) -> None:
    """Send one event to each app that subscribed to the base, and that the base was edited."""
    for app_id, tenant_key in world.drive.subscribers.get(base.app_token, {}).items():
        app = world.apps.get(app_id)
        if app is None:
            continue
        file: dict[str, Any] = {
            "file_type": "bitable",
            "file_token": base.app_token,
            "subscriber_id_list": [_get_ids(app, app)],
        }
        if app.has_any(*_SCOPES[event_type]):
            event = {
                **file,
                "table_id": table.table_id,
                "operator_id": _get_ids(app, by),
                "revision": table.revision,
                "update_time": int(world.clock.get_time()),
                "action_list": content(app),
            }
            world.announce(app, event_type, event, tenant_key)
        world.announce(app, EDITED, {**file, "operator_id_list": [_get_ids(app, by)]}, tenant_key)


def _get_ids(app: App, who: App | User) -> dict[str, str]:
    if not isinstance(who, User):
        return {"open_id": who.bot_open_id, "union_id": "", "user_id": ""}
    user_id = who.user_id if app.has_any("contact:user.employee_id:readonly") else ""
    return {"open_id": who.get_id(app, "open_id"), "union_id": who.union_id, "user_id": user_id}


def _render_value(world: World, app: App, column: Field, value: Any) -> dict[str, Any]:
    """Return a value as events show it: always a string, of which most are JSON."""
    shown: dict[str, Any] = {"field_id": column.field_id, "field_value": ""}
    if value is None:
        return shown
    kind = column.type
    if kind == values.SINGLE_SELECT:
        shown["field_value"] = column.options.get(value, value)
    elif kind in (values.PHONE, values.LOCATION):
        shown["field_value"] = value
    elif kind == values.USER:
        people = [
            {"userId": _compute_number(user), "name": user.name, "enName": user.en_name} for user in value
        ]
        shown["field_value"] = _encode_json({"users": people})
        shown["field_identity_value"] = {"users": [_render_person(app, user) for user in value]}
    else:
        shown["field_value"] = _encode_json(_convert_value(world, column, value))
    return shown


def _convert_value(world: World, column: Field, value: Any) -> Any:
    """Return what the JSON of a value holds."""
    kind = column.type
    if kind == values.TEXT:
        return [{"type": "text", "text": value}]
    if kind == values.MULTI_SELECT:
        return [column.options.get(name, name) for name in value]
    if kind == values.URL:
        return [{"type": "url", **value, "csvText": value["text"]}]
    if kind == values.ATTACHMENT:
        medias = [world.drive.medias[token] for token in value]
        return [
            {
                "file_token": media.token,
                "name": media.name,
                "size": len(media.content),
                "type": media.content_type,
            }
            for media in medias
        ]
    return value


def _encode_json(held: Any) -> str:
    return orjson.dumps(held).decode()


def _compute_number(user: User) -> str:
    """Return the internal number of a person, which no other endpoint takes."""
    return str(int(hashlib.blake2s(user.user_id.encode()).hexdigest()[:15], 16))


def _render_person(app: App, user: User) -> dict[str, Any]:
    return {
        "user_id": _get_ids(app, user),
        "name": user.name,
        "en_name": user.en_name,
        "avatar_url": f"https://emulator.invalid/avatar/{user.user_id}.png",
    }
