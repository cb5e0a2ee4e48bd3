"""Find the time zone in which the days of an operation begin if its caller names none: the base's own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from lark_provider.api.clouddoc.conversion import MAX_AGE, make_converter, make_misfits_error, read_base_zone
from lark_provider.api.clouddoc.dates import DayWithoutZoneError
from lark_provider.api.clouddoc.fields import BadValue, collect_names
from lark_provider.api.clouddoc.record_converter import Converter
from lark_provider.protocol.errors import PermissionDeniedError
from lark_provider.protocol.operations import Procedure

ConvertedRecords: TypeAlias = tuple[list[dict[str, Any]], list[BadValue]]
UTC_NAME = "UTC"


@dataclass(slots=True)
class DayZone:
    """The time zone of the days of one operation: read when the first day occurs, and then kept.

    Attributes:
        app_token: The base.
        max_age: Maximum age in seconds of a cached answer of Lark; 0 asks Lark.
        known: The zone, once it is known.
        record: The function that records the zone that was read, by its name, and returns the one that
            counts.
    """

    app_token: str
    max_age: float = 0.0
    known: ZoneInfo | None = None
    record: Callable[[ZoneInfo], Procedure[ZoneInfo]] | None = None

    def decide(self) -> Procedure[ZoneInfo]:
        """Return the zone; UTC if Lark names none for the base, or one that this machine does not know.

        Raises:
            PermissionDeniedError: The app may not read the base's settings.
        """
        if self.known is None:
            try:
                own = yield from read_base_zone(self.app_token, max_age=self.max_age)
            except PermissionDeniedError as error:
                why = "A day has no time zone of its own, so that of the base is read; with zone= it is not."
                error.args = (f"{error} {why}",)
                raise
            zone = own or ZoneInfo(UTC_NAME)
            self.known = zone if self.record is None else (yield from self.record(zone))
        return self.known

    def to_wire(
        self,
        converter: Converter,
        records: Sequence[Mapping[str, Any]],
        names: Collection[Any],
        first_row: int = 1,
        *,
        clear: bool = False,
    ) -> Procedure[ConvertedRecords]:
        """Convert records for writing; if they have days, find out first in which time zone these begin.

        Args:
            converter: The table's converter, made from its fields.
            records: The records, each a dict of values by field name.
            names: The field names in use.
            first_row: The number of the first record, from 1, for errors.
            clear: Whether None clears a cell, instead of leaving it out.
        """
        converter = converter.with_days(self.known)
        try:
            return converter.convert_all_to_wire(records, names, first_row, clear=clear)
        except DayWithoutZoneError:
            # This happens at most once in an operation, since the zone is known from now on.
            zone: dt.tzinfo = yield from self.decide()
        return converter.with_days(zone).convert_all_to_wire(records, names, first_row, clear=clear)


def convert_records(
    app_token: str,
    table_id: str,
    zone: str | dt.tzinfo | None,
    records: Sequence[Mapping[str, Any]],
    first_row: int = 1,
    *,
    days: DayZone | None = None,
    clear: bool = False,
    empty_as_none: bool = False,
) -> Procedure[list[dict[str, Any]]]:
    """Convert records for writing.

    Args:
        app_token: The base.
        table_id: The table.
        zone: The time zone of naive datetimes, and of days (a `date`, or "2026-01-31"), which are midnight in
            it. Without one, naive datetimes are refused, and days are those of the base's own time zone,
            which is read from Lark if there are any.
        records: Values by field name.
        first_row: The number of the first record, for errors.
        days: The time zone of days without `zone`; by default the base's own, from a recent answer of Lark.
        clear: Whether None clears a cell, instead of leaving it out.
        empty_as_none: Whether an empty string is taken as None in every field that is not text, as in rows of
            a CSV file; if False, it is refused there.

    Raises:
        InvalidRequestError: Some values do not fit.
        PermissionDeniedError: There are days, and the app may not read the base's time zone.
    """
    names = collect_names(records)
    converter = yield from make_converter(app_token, table_id, zone, names=names, empty_as_none=empty_as_none)
    begins = days or DayZone(app_token, MAX_AGE)
    wire, bad = yield from begins.to_wire(converter, records, names, first_row, clear=clear)
    if bad:
        raise make_misfits_error(bad)
    return wire
