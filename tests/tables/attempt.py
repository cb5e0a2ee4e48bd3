"""One attempt to write a table in a process of its own, see `tests.loads.attempts`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lark_provider.api.clouddoc.sheets.tables.options import TableOptions
from lark_provider.api.clouddoc.sheets.tables.procedure import write_with_options
from lark_provider.protocol.operations import Procedure
from tests.loads.attempts import perform

DAY = dt.date(2026, 1, 1)
FORMATS: dict[str | type, Any] = {"Amount": "#,##0.00"}


def make_row(number: int, version: int = 0, columns: int = 10) -> dict[str, Any]:
    """Return a row; every seventh one changes with each version of the source."""
    mark = version if number % 7 == 0 else 0
    cells: dict[str, Any] = {
        "No": number,
        "Name": f"row {number}, version {mark}",
        "Day": DAY + dt.timedelta(days=number % 300),
        "Amount": number / 4,
        "Phone": f"0{number:08}",
    }
    return cells | {f"C{column}": f"{number}:{column}" for column in range(len(cells), columns)}


def yield_rows(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of an attempt."""
    first = spec.get("first", 0)
    for number in range(first, first + spec["rows"]):
        yield make_row(number, spec.get("version", 0), spec["columns"])


def attempt(spec: dict[str, Any]) -> dict[str, Any]:
    """Write, in this process."""
    raw_options = spec["options"]
    raw_options["freeze"] = tuple(raw_options["freeze"])
    options = TableOptions(formats=FORMATS, header_style={"font": {"bold": True}}, **raw_options)
    names = {name: spec[name] for name in ("title", "key") if name in spec}
    steps: Procedure[Any] = write_with_options(spec.get("target"), yield_rows(spec), options, (1, 1), **names)
    return perform(steps, spec, asdict)
