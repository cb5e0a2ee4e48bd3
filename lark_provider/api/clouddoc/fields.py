"""Bitable fields: the names of their types, time zones of days, and values that do not fit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Required, TypedDict
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lark_provider.api.clouddoc.field_types import (
    ATTACHMENT,
    AUTO_NUMBER,
    BUTTON,
    CHECKBOX,
    CREATED_BY,
    CREATED_TIME,
    DATE,
    DUPLEX_LINK,
    FORMULA,
    GROUP,
    LINK,
    LOCATION,
    LOOKUP,
    MODIFIED_BY,
    MODIFIED_TIME,
    MULTI_SELECT,
    NUMBER,
    PERSON,
    PHONE,
    SINGLE_SELECT,
    STAGE,
    TEXT,
    URL,
)
from lark_provider.protocol.errors import InvalidRequestError

__all__ = [
    "ATTACHMENT",
    "AUTO_NUMBER",
    "BUTTON",
    "CHECKBOX",
    "CREATED_BY",
    "CREATED_TIME",
    "DATE",
    "DUPLEX_LINK",
    "FORMULA",
    "GROUP",
    "LINK",
    "LOCATION",
    "LOOKUP",
    "MODIFIED_BY",
    "MODIFIED_TIME",
    "MULTI_SELECT",
    "NUMBER",
    "PERSON",
    "PHONE",
    "SINGLE_SELECT",
    "STAGE",
    "TEXT",
    "URL",
    "BadValue",
    "Field",
    "collect_names",
    "find_zone",
    "parse_zone",
]  # fmt: skip


MAPPINGS = (dict, Mapping)
"""Both, since `isinstance(…, Mapping)` alone is slow for a dict."""


class Field(TypedDict, total=False):
    """A field as Lark describes it."""

    field_id: str
    field_name: Required[str]
    type: Required[int]
    ui_type: str
    is_primary: bool
    property: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class BadValue:
    """A value that its field does not take. `row` counts from 1."""

    row: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}, field {self.field!r}: {self.reason}"


def find_zone(name: str | dt.tzinfo | None) -> dt.tzinfo | None:
    """Find a time zone.

    Args:
        name: An IANA name such as "Asia/Shanghai", a tzinfo, or None.

    Raises:
        InvalidRequestError: There is no zone of that name.
    """
    if name is None or isinstance(name, dt.tzinfo):
        return name
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, AttributeError, OSError):
        raise InvalidRequestError(
            f"zone must be a tzinfo or an IANA name, got {name!r}. Next: pass a name such as 'Asia/Shanghai'."
        ) from None


def parse_zone(name: object) -> ZoneInfo | None:
    """Return the time zone that Lark names for a base; None if it names none, or one unknown to this machine.

    Args:
        name: The base's `time_zone`.
    """
    try:
        return ZoneInfo(name) if isinstance(name, str) and name else None
    except (LookupError, ValueError, OSError):
        return None


def collect_names(records: Iterable[Any]) -> set[Any]:
    """Return the field names that records use."""
    names: set[Any] = set()
    return names.union(*(record for record in records if isinstance(record, MAPPINGS)))
