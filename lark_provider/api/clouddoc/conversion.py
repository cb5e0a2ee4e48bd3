"""Between records and their table: its fields are read and remembered, and what does not fit is named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from lark_provider.api.clouddoc.bitable import list_fields
from lark_provider.api.clouddoc.fields import BadValue, Converter, Field, names_of, zone_of
from lark_provider.protocol.calls import Listing, Procedure, Remember, Sleep, remember
from lark_provider.protocol.errors import InvalidRequestError

T = TypeVar("T")
_FIELDS_MAX_AGE = 300.0  # seconds; a field unknown to a remembered list makes it be read anew
_SLICE = 1000  # records that are looked at without a pause
_MAX_BAD_VALUES = 100  # stop collecting there: such a source is not mended value by value
_SHOWN_BAD_VALUES = 10


def converter_for(
    app_token: str, table_id: str, zone: str | dt.tzinfo | None, names: Iterable[object] = ()
) -> Procedure[Converter]:
    """Make the converter of a table, from its remembered fields where these are young enough.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        zone: The time zone of naive datetimes.
        names: Field names in use; one that is not remembered makes the fields be read anew.
    """
    tz = zone_of(zone)

    def read() -> Procedure[list[Field]]:
        return (yield from _every(list_fields(app_token, table_id)))

    key = ("bitable.fields", app_token, table_id)
    fields = yield from remember(Remember(key, read, _FIELDS_MAX_AGE))
    if not set(names) <= {field["field_name"] for field in fields}:
        fields = yield from remember(Remember(key, read, 0.0))
    return Converter(fields, tz)


def converted(
    app_token: str,
    table_id: str,
    zone: str | dt.tzinfo | None,
    records: Sequence[Mapping[str, Any]],
    first_row: int = 1,
    *,
    clear: bool = False,
) -> Procedure[list[dict[str, Any]]]:
    """Records as Lark takes them.

    Args:
        app_token: The base.
        table_id: The table.
        zone: The time zone of naive datetimes.
        records: Values by field name.
        first_row: The number of the first record, for errors.
        clear: Whether None clears a cell, instead of leaving it out.

    Raises:
        InvalidRequestError: Some values do not fit.
    """
    names = names_of(records)
    converter = yield from converter_for(app_token, table_id, zone, names=names)
    wire, bad = converter.all_to_wire(records, names, first_row, clear=clear)
    if bad:
        raise _misfits(bad)
    return wire


def check(
    app_token: str, table_id: str, zone: str | dt.tzinfo | None, records: Sequence[Mapping[str, Any]]
) -> Procedure[None]:
    """Check all records before the first is sent; an event loop can go on between slices of them.

    Args:
        app_token: The base.
        table_id: The table.
        zone: The time zone of naive datetimes.
        records: Values by field name.

    Raises:
        InvalidRequestError: Some values do not fit.
    """
    firsts = range(0, len(records), _SLICE)
    names: set[object] = set()
    for first in firsts:
        names |= names_of(records[first : first + _SLICE])
        yield Sleep(0)
    converter = yield from converter_for(app_token, table_id, zone, names=names)
    bad: list[BadValue] = []
    for first in firsts:
        bad += converter.all_to_wire(records[first : first + _SLICE], names, first + 1)[1]
        if len(bad) >= _MAX_BAD_VALUES:
            break
        yield Sleep(0)
    if bad:
        raise _misfits(bad)


def _every(listing: Listing[T]) -> Procedure[list[T]]:
    """All items of a listing, inside a procedure."""
    items: list[T] = []
    token: str | None = None
    while True:
        page = yield from listing.page(token)
        items += page.items
        token = page.next_token
        if token is None:
            return items


def _misfits(bad: list[BadValue]) -> InvalidRequestError:
    """The error for values that do not fit, naming each."""
    shown = "; ".join(str(one) for one in bad[:_SHOWN_BAD_VALUES])
    more = f"; and {len(bad) - _SHOWN_BAD_VALUES} more" if len(bad) > _SHOWN_BAD_VALUES else ""
    return InvalidRequestError(
        f"{len(bad)} value(s) do not fit the table: {shown}{more}. Nothing of these was sent. Next: correct "
        "the records or the table's fields.",
        code=1254015,
        field_violations=[
            {"field": one.field, "value": f"row {one.row}", "description": one.reason} for one in bad
        ],
    )
