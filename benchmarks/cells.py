"""A table of a million cells, with the types that a query of a shop's orders has."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

ROWS, COLUMNS, TOKEN = 50_000, 20, "shtcnBench0000000000000001"
"""The header included."""
NAMES = [f"c{place}" for place in range(COLUMNS)]
EPOCH, DAY = dt.datetime(1899, 12, 30), dt.timedelta(days=1)  # noqa: DTZ001 - cells have no zone
_DATE, _MOMENT = dt.date(2026, 1, 1), dt.datetime(2026, 1, 1, 8)  # noqa: DTZ001 - likewise


def make_row(n: int) -> tuple[Any, ...]:
    """Return the values of row `n`."""
    return (
        n, f"row {n}", _DATE + dt.timedelta(days=n % 300), _MOMENT + dt.timedelta(seconds=n), Decimal(n) / 4,
        n * 1.25, n % 2 == 0, f"0{n:08}", None if n % 3 else "note", "East region", n + 1, f"customer {n}",
        n * 7, "shipped", n / 3, f"user{n}@example.com", n % 100, "上海", n * 2, f"order A-{n}",
    )  # fmt: skip


def make_rows(count: int = ROWS - 1) -> Iterator[tuple[Any, ...]]:
    """Return the rows below the header."""
    return map(make_row, range(count))


def wide(count: int, columns: int) -> Iterator[list[str]]:
    """Return rows of so many texts that they reach the limit of bytes before the limit of rows."""
    return ([f"{n:08} {place:012}" for place in range(columns)] for n in range(count))


def convert(value: Any) -> Any:
    """Return a value as a cell takes it, converted as hand-written code would."""
    if isinstance(value, dt.datetime):
        return (value - EPOCH) / DAY
    if isinstance(value, dt.date):
        return (value - EPOCH.date()).days
    if isinstance(value, Decimal):
        return float(value)
    return "" if value is None else value


def wire(n: int) -> list[Any]:
    """Return row `n` as Lark answers it."""
    return [None if value is None else convert(value) for value in make_row(n)]


def by_hand(url: str) -> int:
    """Write the table with json and httpx2 by hand; return how many requests it took."""
    import json

    import httpx2

    token = httpx2.post(f"{url}/open-apis/auth/v3/tenant_access_token/internal", content=b"{}").json()
    client = httpx2.Client(headers={"Authorization": f"Bearer {token['tenant_access_token']}"})
    at, source, calls = 2, make_rows(), 0
    while part := list(itertools.islice(source, 4000)):
        range_ = f"Q7PlXT!A{at}:T{at + len(part) - 1}"
        values = [[convert(value) for value in cells] for cells in part]
        content = json.dumps({"valueRange": {"range": range_, "values": values}}).encode()
        answer = client.put(f"{url}/open-apis/sheets/v2/spreadsheets/{TOKEN}/values", content=content).json()
        if answer["code"]:
            raise RuntimeError(answer["msg"])
        at, calls = at + len(part), calls + 1
    return calls
