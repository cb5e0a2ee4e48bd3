"""Check every row of a load before the first one is sent."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any, Literal, TypeAlias

from lark_provider.api.clouddoc.conversion import MAX_BAD_VALUES, make_misfits_error
from lark_provider.api.clouddoc.dates import DayWithoutZoneError
from lark_provider.api.clouddoc.days import DayZone
from lark_provider.api.clouddoc.fields import BadValue, collect_names
from lark_provider.api.clouddoc.loads.options import LoadOptions
from lark_provider.api.clouddoc.record_converter import Converter
from lark_provider.protocol.effects import Stream, Take
from lark_provider.protocol.operations import Procedure, run_local, take
from lark_provider.protocol.spool import Spool

Validate: TypeAlias = Literal["chunk", "all"]
_ROWS = 1000
_WORK_SECONDS = 600.0


def spool_source(
    stream: Stream[Any], converter: Converter, options: LoadOptions, days: DayZone, spool: Spool
) -> Procedure[None]:
    """Read a source to its end, check all of its rows, and put them into a spool in the form to be sent.

    Args:
        stream: The rows. Those that are to be left out are not among them.
        converter: The table's converter, made from its fields.
        options: The options of the load.
        days: The time zone of days without `zone`.
        spool: The spool to which the converted rows are added.

    Raises:
        InvalidRequestError: Some values do not fit, or a row lacks a key; nothing was sent.
    """
    bad: list[BadValue] = []
    count = 0
    while len(bad) < MAX_BAD_VALUES and (rows := (yield from take(Take(stream, _ROWS)))):
        spool_rows = partial(_spool_rows, spool, options, rows, count + 1)
        misfitting: list[BadValue] | None = None
        with suppress(DayWithoutZoneError):
            misfitting = yield from run_local(
                partial(spool_rows, converter.with_days(days.known)), _WORK_SECONDS
            )
        if misfitting is None:
            zone = yield from days.decide()
            misfitting = yield from run_local(partial(spool_rows, converter.with_days(zone)), _WORK_SECONDS)
        bad += misfitting
        count += len(rows)
    if bad:
        raise make_misfits_error(bad)


def _spool_rows(
    spool: Spool, options: LoadOptions, rows: list[Any], first_row: int, converter: Converter
) -> list[BadValue]:
    """Convert rows, and put them into the spool if all of them fit; return the values that do not.

    Raises:
        DayWithoutZoneError: The zone of days is needed; nothing was put into the spool.
    """
    names = collect_names(rows)
    wire, bad = converter.convert_all_to_wire(rows, names, first_row)
    if not bad:
        options.check_marker(names, converter.types)
        options.encode_keys(wire, first_row, converter.types)
        spool.add(wire)
    return bad
