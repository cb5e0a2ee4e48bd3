"""Convert and check records by their table's fields, which are read once and cached."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from lark_provider.api.clouddoc.bitable import list_fields
from lark_provider.api.clouddoc.fields import BadValue, Field, collect_names, find_zone, parse_zone
from lark_provider.api.clouddoc.record_converter import Converter
from lark_provider.protocol.calls import make_request
from lark_provider.protocol.effects import Memoize, Sleep
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Listing, Procedure, memoize, perform
from lark_provider.protocol.paging import Pager
from lark_provider.protocol.paths import fill_path

T = TypeVar("T")
MAX_AGE = 300.0  # seconds; the list is read again earlier if a field is missing in it
_SLICE = 1000  # records that are checked before the event loop may run
MAX_BAD_VALUES = 100  # enough to see what is wrong with the source
_SHOWN_BAD_VALUES = 10


def make_converter(
    app_token: str,
    table_id: str,
    zone: str | dt.tzinfo | None,
    names: Iterable[object] = (),
    *,
    empty_as_none: bool = False,
    fresh: bool = False,
) -> Procedure[Converter]:
    """Make the converter of a table, from its cached fields where they are recent enough.

    Args:
        app_token: The base, or a link to it.
        table_id: The table.
        zone: The time zone of naive datetimes, and of days (a `date`, or "2026-01-31"), which are midnight in
            it; without one, days are midnight UTC until `Converter.with_days` says otherwise.
        names: Field names in use; if one of them is not cached, the fields are read again.
        empty_as_none: Whether an empty string is taken as None in every field that is not text, as in rows of
            a CSV file; if False, it is refused there.
        fresh: Whether to read the fields now, even if they are cached.
    """
    tz = find_zone(zone)
    fields = yield from read_fields(app_token, table_id, max_age=0.0 if fresh else MAX_AGE)
    if not set(names) <= {field["field_name"] for field in fields}:
        fields = yield from read_fields(app_token, table_id)
    return Converter(fields, tz, empty_as_none=empty_as_none)


def read_fields(app_token: str, table_id: str, *, max_age: float = 0.0) -> Procedure[list[Field]]:
    """Read a table's fields, and cache them.

    Args:
        app_token: The base, or a link to it.
        table_id: The table.
        max_age: Maximum age in seconds of a cached list; 0 reads it again.
    """

    def read() -> Procedure[list[Field]]:
        return (yield from _list_items(list_fields(app_token, table_id)))

    return (yield from memoize(Memoize(("bitable.fields", app_token, table_id), read, max_age)))


def read_base_zone(app_token: str, *, max_age: float = 0.0) -> Procedure[ZoneInfo | None]:
    """Return a base's own time zone; None if Lark names none, or one that this machine does not know.

    See GET /open-apis/bitable/v1/apps/:app_token.

    Args:
        app_token: The base.
        max_age: Maximum age in seconds of a cached answer; 0 reads it again.
    """
    url = fill_path("/bitable/v1/apps/{app_token}", app_token=app_token)

    def read() -> Procedure[ZoneInfo | None]:
        answer = yield from perform(make_request("GET", url))
        return parse_zone((answer.data.get("app") or {}).get("time_zone"))

    return (yield from memoize(Memoize(("bitable.zone", app_token), read, max_age)))


def check(
    app_token: str,
    table_id: str,
    zone: str | dt.tzinfo | None,
    records: Sequence[Mapping[str, Any]],
    *,
    empty_as_none: bool = False,
) -> Procedure[None]:
    """Check all records before the first is sent; an event loop can run between slices of them.

    Args:
        app_token: The base.
        table_id: The table.
        zone: The time zone of naive datetimes; without one they are refused. Days are accepted either way.
        records: Values by field name.
        empty_as_none: Whether an empty string is taken as None in every field that is not text, as in rows of
            a CSV file; if False, it is refused there.

    Raises:
        InvalidRequestError: Some values do not fit.
    """
    firsts = range(0, len(records), _SLICE)
    names: set[object] = set()
    for first in firsts:
        names |= collect_names(records[first : first + _SLICE])
        yield Sleep(0)
    converter = yield from make_converter(app_token, table_id, zone, names=names, empty_as_none=empty_as_none)
    bad: list[BadValue] = []
    for first in firsts:
        bad += converter.convert_all_to_wire(records[first : first + _SLICE], names, first + 1)[1]
        if len(bad) >= MAX_BAD_VALUES:
            break
        yield Sleep(0)
    if bad:
        raise make_misfits_error(bad)


def _list_items(listing: Listing[T]) -> Procedure[list[T]]:
    """Return all items of a listing, inside a procedure."""
    items: list[T] = []
    pager = Pager(listing)
    while not pager.ended:
        items += yield from pager.read_next_page()
    return items


def make_misfits_error(bad: list[BadValue]) -> InvalidRequestError:
    """Return the error that names the values that do not fit.

    Args:
        bad: The first of them.
    """
    shown = "; ".join(str(misfit) for misfit in bad[:_SHOWN_BAD_VALUES])
    more = f"; and {len(bad) - _SHOWN_BAD_VALUES} more" if len(bad) > _SHOWN_BAD_VALUES else ""
    return InvalidRequestError(
        f"{len(bad)} value(s) do not fit the table: {shown}{more}. Nothing of these was sent. Next: correct "
        "the records or the table's fields.",
        code=1254015,
        field_violations=[
            {"field": misfit.field, "value": f"row {misfit.row}", "description": misfit.reason}
            for misfit in bad
        ],
    )
