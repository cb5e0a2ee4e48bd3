"""Read the event `drive.file.bitable_record_changed_v1`, and decode its values by the types of the fields.

A value in the event is always a string, in an encoding that no other endpoint uses; most are JSON. Lark
documents a few of the encodings; others were observed, and unknown values are left unchanged.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from lark_provider.api.clouddoc import field_types as types
from lark_provider.api.clouddoc.dates import EPOCH
from lark_provider.api.clouddoc.fields import Field

RECORD_CHANGED = "drive.file.bitable_record_changed_v1"
FIELD_CHANGED = "drive.file.bitable_field_changed_v1"
FILE_EDITED = "drive.file.edit_v1"
_MOMENTS = frozenset({types.DATE, types.CREATED_TIME, types.MODIFIED_TIME})
_PEOPLE = frozenset({types.PERSON, types.CREATED_BY, types.MODIFIED_BY})


@dataclass(frozen=True, slots=True)
class RecordChange:
    """The changes of one record in an event.

    Attributes:
        record_id: The record.
        kind: `record_added`, `record_edited` or `record_deleted`.
        before: The values before, as Lark sends them; empty for an added record.
        after: The values after; empty for a deleted record.
    """

    record_id: str
    kind: str
    before: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    after: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    def get_changed_ids(self) -> set[str]:
        """Return the ids of the fields whose values differ; Lark may list others as well."""
        before, after = _by_field(self.before), _by_field(self.after)
        return {
            field_id
            for field_id in before.keys() | after.keys()
            if before.get(field_id) != after.get(field_id)
        }


@dataclass(frozen=True, slots=True)
class RecordsChanged:
    """One write to one table, as its event reports it.

    Attributes:
        app_token: The base.
        table_id: The table.
        revision: The table's revision after the write; None if Lark does not say.
        at_s: The time of the write, in seconds since the epoch.
        operator: The open_id of the person or app that wrote; "" if Lark does not say.
        changes: The changes, one for each record.
    """

    app_token: str
    table_id: str
    revision: int | None
    at_s: int
    operator: str
    changes: tuple[RecordChange, ...]

    def compute_key(self, event_id: str) -> str:
        """Return a key that is the same for all deliveries of a write, even under different event ids.

        Args:
            event_id: The event's id, for events without a revision.
        """
        if self.revision is None:
            return event_id
        parts = [(change.record_id, change.kind, change.before, change.after) for change in self.changes]
        content = json.dumps([self.table_id, self.at_s, parts], sort_keys=True, default=str)
        return f"{self.revision}:{hashlib.sha256(content.encode()).hexdigest()[:40]}"


def parse_change(event: Mapping[str, Any]) -> RecordsChanged | None:
    """Read the body of an event; None if it does not have the expected form, which Lark may change.

    Args:
        event: The event's member `event`, as Lark sends it.
    """
    app_token, table_id = event.get("file_token"), event.get("table_id")
    actions = event.get("action_list")
    if not (isinstance(app_token, str) and isinstance(table_id, str) and isinstance(actions, list)):
        return None
    revision = _parse_whole(event.get("revision"))
    operator = event.get("operator_id")
    open_id = operator.get("open_id") if isinstance(operator, Mapping) else None
    return RecordsChanged(
        app_token,
        table_id,
        revision,
        _parse_whole(event.get("update_time")) or 0,
        open_id if isinstance(open_id, str) else "",
        tuple(change for change in map(_change, actions) if change is not None),
    )


def _change(action: Any) -> RecordChange | None:
    if not isinstance(action, Mapping):
        return None
    record_id, kind = action.get("record_id"), action.get("action")
    if not (isinstance(record_id, str) and record_id and isinstance(kind, str)):
        return None
    return RecordChange(
        record_id, kind, _select_values(action.get("before_value")), _select_values(action.get("after_value"))
    )


def _select_values(values: Any) -> tuple[Mapping[str, Any], ...]:
    listed = values if isinstance(values, list) else []
    return tuple(
        value for value in listed if isinstance(value, Mapping) and isinstance(value.get("field_id"), str)
    )


def _by_field(values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {value["field_id"]: value.get("field_value") for value in values}


def _parse_whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None


class EventValues:
    """Decodes the values of a table's record events.

    Args:
        fields: The table's fields, as `list_fields` returns them.
    """

    def __init__(self, fields: Iterable[Field]) -> None:
        known = list(fields)
        self.names = {known_field.get("field_id", ""): known_field["field_name"] for known_field in known}
        self._types = {known_field.get("field_id", ""): known_field["type"] for known_field in known}
        self._options = {known_field.get("field_id", ""): _read_options(known_field) for known_field in known}

    def has_unknown(self, change: RecordsChanged) -> bool:
        """Return whether an event has fields, or options, that are newer than the fields known here.

        Args:
            change: The event.
        """
        values = [
            value
            for record_change in change.changes
            for value in (*record_change.before, *record_change.after)
        ]
        return any(
            value["field_id"] not in self.names
            or (
                self._types[value["field_id"]] == types.SINGLE_SELECT
                and (option := value.get("field_value"))
                and option not in self._options[value["field_id"]]
            )
            for value in values
        )

    def decode(self, values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Return one side of a change, by field name; by field id if the field no longer exists.

        Args:
            values: `before` or `after`.

        Returns:
            None for an empty cell; text as str, numbers, options by name, dates as ISO 8601 in UTC, people as
            dicts with `id` (open_id) and `name`, links as dicts with `text` and `link`. A value of unknown
            form stays the text that Lark sent.
        """
        return {
            self.names.get(value["field_id"], value["field_id"]): self._decode_value(value["field_id"], value)
            for value in values
        }

    def _decode_value(self, field_id: str, item: Mapping[str, Any]) -> Any:
        raw = item.get("field_value")
        if raw is None or raw == "":
            return None
        kind, options = self._types.get(field_id), self._options.get(field_id, {})
        if not isinstance(raw, str):
            return raw
        if kind == types.SINGLE_SELECT:
            return options.get(raw, raw)  # the raw value is an id, not JSON
        try:
            parsed = orjson.loads(raw)  # unlike `json`, it accepts nothing that could not be encoded again
        except orjson.JSONDecodeError:
            return raw
        if kind == types.TEXT:
            return _join_text(parsed, raw)
        if kind == types.MULTI_SELECT and isinstance(parsed, list):
            return [options.get(option, option) if isinstance(option, str) else option for option in parsed]
        if kind in _MOMENTS:
            return _format_moment(parsed)
        if kind in _PEOPLE:
            return _read_people(item, parsed)
        if kind == types.URL and isinstance(parsed, list) and parsed and isinstance(parsed[0], Mapping):
            return {name: parsed[0][name] for name in ("text", "link") if name in parsed[0]}
        if kind == types.AUTO_NUMBER and isinstance(parsed, list) and parsed:
            first = parsed[0]
            return first.get("number", raw) if isinstance(first, Mapping) else raw
        if kind in {types.PHONE, types.LOCATION}:
            return raw  # a text of digits is not a number here
        return parsed


def _read_options(known: Field) -> dict[str, str]:
    listed = (known.get("property") or {}).get("options") or ()
    return {
        str(option.get("id")): str(option.get("name")) for option in listed if isinstance(option, Mapping)
    }


def _join_text(parsed: Any, raw: str) -> str:
    if not isinstance(parsed, list) or not all(isinstance(part, Mapping) for part in parsed):
        return raw
    return "".join(str(part.get("text", "")) for part in parsed)


def _format_moment(parsed: Any) -> Any:
    if isinstance(parsed, bool) or not isinstance(parsed, int | float):
        return parsed
    try:
        return (EPOCH + dt.timedelta(milliseconds=parsed)).isoformat()
    except (OverflowError, ValueError):
        return parsed


def _read_people(item: Mapping[str, Any], parsed: Any) -> Any:
    """Return people with ids that other endpoints take; the ids in the value itself are internal numbers."""
    identity = item.get("field_identity_value")
    users = identity.get("users") if isinstance(identity, Mapping) else None
    if not isinstance(users, list):
        return parsed
    people = []
    for user in users:
        if isinstance(user, Mapping):
            ids = user.get("user_id")
            people.append(
                {"id": ids.get("open_id") if isinstance(ids, Mapping) else None, "name": user.get("name")}
            )
    return people
