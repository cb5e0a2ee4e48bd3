"""A table of values as Lark takes them, with the formats that its cells need."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lark_provider.api.clouddoc.sheets.addressing import MAX_COLUMNS, Cell, Range
from lark_provider.api.clouddoc.sheets.blocks import encode_block, iterate_blocks
from lark_provider.api.clouddoc.sheets.runs import Runs
from lark_provider.api.clouddoc.sheets.values import FIRST, WRONG_VALUE, iterate_checked, make_ragged_error
from lark_provider.protocol.errors import InvalidRequestError


@dataclass(slots=True)
class TabulatedValues:
    """Values as Lark takes them.

    Attributes:
        rows: The cells.
        formats: The ranges of the cells that need a formatter, by formatter.
        range: The range that the cells are written to.
    """

    rows: Sequence[Sequence[Any]]
    range: Range
    formats: dict[str, list[Range]] = field(default_factory=dict)


def encode(
    rows: Iterable[Sequence[Any]], first: Cell = FIRST, zone: dt.tzinfo | None = None
) -> TabulatedValues:
    """Convert rows of the same length, and gather the formats that they need.

    Args:
        rows: The rows, from the top.
        first: The upper left cell.
        zone: The time zone to which aware datetimes are converted; if None, they are written in their own.

    Returns:
        The cells and their formats, in runs down the columns.

    Raises:
        InvalidRequestError: There are no values, the rows differ in length, or a value does not fit.
    """
    wire: list[tuple[Any, ...]] = []
    runs = Runs(first.column)
    width = 0
    for block in iterate_blocks(iterate_checked(rows)):
        number = first.row + len(wire)
        width = width or len(block[0])
        if len(block[0]) != width:
            raise make_ragged_error(width, len(block[0]), number)
        encoded = encode_block(block, number, first.column, zone)
        encoded.add_to(runs, number)
        wire += encoded.rows
    if not width:
        raise InvalidRequestError(
            "The values must have at least one cell, got none. Next: pass a list of rows, or use clear.",
            code=90226,
        )
    if first.column + width - 1 > MAX_COLUMNS:
        raise InvalidRequestError(
            f"The values must end within {MAX_COLUMNS:,} columns, got {width:,} from {first} on. Next: split "
            f"them.",
            code=WRONG_VALUE,
        )
    return TabulatedValues(wire, Range.from_size(first, len(wire), width), runs.close())
