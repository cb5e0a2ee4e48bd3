"""How a load is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from lark_provider.api.clouddoc import field_types as types
from lark_provider.api.clouddoc.loads.leasing import LEASE_SECONDS, WAIT_SECONDS
from lark_provider.api.clouddoc.rejects import OnBadRow
from lark_provider.api.contact import UserIdType
from lark_provider.protocol.arguments import check_seconds
from lark_provider.protocol.errors import InvalidRequestError

TOKEN_SECONDS = 300.0
SETTLE_SECONDS = 90.0
"""After this a request that was sent is done or lost: a lease is 30 s, and Lark has 60 s to be late."""
_MAX_RESTARTS = 2**63
"""Restart numbers are below this, so that each fits into a signed 64-bit integer."""
_KEY_TYPES = {types.TEXT, types.NUMBER, types.PHONE, types.SINGLE_SELECT, types.DATE}


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a load is written; see `bulk_insert`."""

    chunk_size: int
    user_id_type: UserIdType
    zone: str | dt.tzinfo | None
    convert: bool
    empty_as_none: bool
    keep_ids: bool
    key_fields: Sequence[str] = ()
    marker_field: str | None = None
    token_window: float = TOKEN_SECONDS
    settle_after: float = SETTLE_SECONDS
    table_wait: float = WAIT_SECONDS
    restart: int = 0
    on_bad_row: OnBadRow = "fail"
    lease_seconds: float = LEASE_SECONDS

    def check(self) -> None:
        """Check what can be known before reading the source.

        Raises:
            InvalidRequestError: An option is invalid.
        """
        names = self.key_fields
        if (
            isinstance(names, str)
            or not isinstance(names, Sequence)
            or not all(isinstance(name, str) for name in names)
        ):
            raise InvalidRequestError(
                f"key_fields must be a list of field names, got {self.key_fields!r}. Next: pass it as "
                "['Order ID']."
            )
        if type(self.restart) is not int or not 0 <= self.restart < _MAX_RESTARTS:
            raise InvalidRequestError(
                f"restart must be an int from 0 to 2**63 - 1, got {self.restart!r}. Next: pass a number "
                "above that of the last call to load again."
            )
        if self.marker_field is not None and not (isinstance(self.marker_field, str) and self.marker_field):
            raise InvalidRequestError(
                f"marker_field must be the name of a text field, got {self.marker_field!r}. Next: pass the "
                "name that the table shows, such as 'Load', or leave it out."
            )
        for name in ("token_window", "settle_after", "table_wait"):
            check_seconds(name, getattr(self, name))

    def check_marker(self, names: Collection[Any], field_types: Mapping[str, int]) -> None:
        """Check that the marker has a field of its own.

        Args:
            names: The fields that the rows name.
            field_types: Lark's numbers for the types, by field name.

        Raises:
            InvalidRequestError: It is not a text field, or the rows write it.
        """
        if self.marker_field is None:
            return
        is_named = self.marker_field in names
        if is_named or field_types.get(self.marker_field) != types.TEXT:
            problem = "the rows write it, too" if is_named else "the table has no such text field"
            raise InvalidRequestError(
                f"marker_field must be a text field that only the load writes, got {self.marker_field!r}: "
                f"{problem}. Nothing of the chunk was sent. Next: add a field for it."
            )

    def encode_keys(
        self, wire: Sequence[Mapping[str, Any]], first_row: int, field_types: Mapping[str, int]
    ) -> str | None:
        """Return what the rows of a chunk can be looked for by, as JSON; None without key fields.

        Args:
            wire: The rows, as Lark takes them.
            first_row: The number of the first one.
            field_types: Lark's numbers for the types, by field name.

        Raises:
            InvalidRequestError: A row lacks a key, or a field cannot be one.
        """
        if not self.key_fields:
            return None
        if wrong := [name for name in self.key_fields if field_types.get(name) not in _KEY_TYPES]:
            raise InvalidRequestError(
                f"key_fields must be fields of text, number, phone, single select or date, got {wrong[0]!r}. "
                "Next: name others, or use marker_field=."
            )
        keys = []
        for number, row in enumerate(wire, first_row):
            if empty := [name for name in self.key_fields if row.get(name) in (None, "")]:
                raise InvalidRequestError(
                    f"Record {number} of the source must have a value in {empty[0]!r}, since it is one of "
                    "key_fields, got none. Nothing of its chunk was sent. Next: fill in the field, or "
                    "choose key_fields that each record has."
                )
            keys.append([[name, _make_operand(row[name], field_types[name])] for name in self.key_fields])
        return orjson.dumps(keys).decode()


def _make_operand(value: Any, field_type: int) -> list[str]:
    if field_type == types.DATE:
        return ["ExactDate", str(value)]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return [str(value)]  # for a float, the shortest text that reads back as the same value
