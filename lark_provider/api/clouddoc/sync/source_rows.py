"""Rows of the source and single values of them, before they are converted."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from lark_provider.api.clouddoc import cells
from lark_provider.api.clouddoc.sync import canonical

_DAY_CHARS = len("2026-01-31")


class OwnRows:
    """Rows that are copied before they are first changed, since those of the source belong to the caller."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self.rows = list(rows)
        self._are_own = False

    def ensure_own(self) -> None:
        """Copy the rows, unless they are copies already."""
        if not self._are_own:
            self.rows = [dict(row) if isinstance(row, MAPPINGS) else row for row in self.rows]
            self._are_own = True

    def replace(self, name: str, old: Sequence[Any], new: Sequence[Any]) -> None:
        """Replace the values of one field.

        Args:
            name: The name of the field.
            old: The field's present values, one for each row.
            new: The values in their place, one for each row; the same object where nothing changes.
        """
        changed = [
            place
            for place, (old_value, other) in enumerate(zip(old, new, strict=True))
            if old_value is not other
        ]
        if changed:
            self.ensure_own()
            for place in changed:
                self.rows[place][name] = new[place]

    def remove(self, name: str) -> None:
        """Remove one field from all rows.

        Args:
            name: The name of the field.
        """
        self.ensure_own()
        for row in self.rows:
            if isinstance(row, dict):
                row.pop(name, None)

    def update(self, values: Mapping[str, Any]) -> None:
        """Set some fields in all rows.

        Args:
            values: The value of each field.
        """
        self.ensure_own()
        for row in self.rows:
            if isinstance(row, dict):
                row.update(values)


MAPPINGS = (dict, Mapping)
"""`dict` comes first, since `isinstance` is much faster with it than with `Mapping`."""


def convert_integral(value: Any) -> Any:
    """Return an integral number as an int, so that its text has no fraction; anything else unchanged.

    Args:
        value: A value of the source.
    """
    value = cells.convert_to_python(value)
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return int(value)
    return value


def convert_calendar_day(value: Any, zone: dt.tzinfo) -> tuple[Any, str]:
    """Return a calendar day as the moment of its start, and how it is compared; anything else unchanged.

    Args:
        value: A date, or text such as `2026-01-31`.
        zone: The base's time zone.
    """
    day = value
    if isinstance(value, str) and len(value.strip()) == _DAY_CHARS:
        try:
            day = dt.date.fromisoformat(value.strip())
        except ValueError:
            return value, canonical.EXACT
    if isinstance(day, dt.date) and not isinstance(day, dt.datetime):
        # Not as a number: the converter would take a moment of early 1970 for seconds.
        return dt.datetime(day.year, day.month, day.day, tzinfo=zone), canonical.DAY
    return value, canonical.EXACT
