"""Judge what the rows of a segment with an unknown outcome contain. Pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lark_provider.api.clouddoc.sheets.tables.chunks import TableChunk
from lark_provider.api.clouddoc.sheets.tables.encoding import SUM_BYTES, compute_sums, normalize_cell


class SegmentVerdict(enum.Enum):
    """What is in the rows of a segment."""

    BLANK = enum.auto()
    """Nothing: it can be written."""
    OURS = enum.auto()
    """Only rows of the segment: it can be written again."""
    MIXED = enum.auto()
    """It was written, and others have changed some of its rows since."""
    FOREIGN = enum.auto()
    """What others have written."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is in the rows of a segment.

    Attributes:
        verdict: The verdict on all of the rows together.
        foreign: Rows that others have written, from 0.
        is_full: Whether no row is blank that should not be.
    """

    verdict: SegmentVerdict
    foreign: tuple[int, ...]
    is_full: bool


def is_blank(row: Sequence[Any]) -> bool:
    """Return whether a row has no content.

    Args:
        row: The cells, as Lark answers them.
    """
    # Few rows are looked at cell by cell: those without any content but 0 and False.
    return not any(row) and all(cell is None or cell == "" for cell in row)


def judge(now: Sequence[Sequence[Any]], chunk: TableChunk) -> Judgement:
    """Compare what is there with what was to be written.

    A request writes all rows of one block of columns, or none. So some blocks of a wide table may be written
    and others not.

    Args:
        now: The rows, as Lark answers them; as many as the chunk has.
        chunk: What was to be written.
    """
    foreign, any_ours, is_full = list[int](), False, True
    for place, (actual, ours) in enumerate(zip(now, chunk.rows, strict=True)):
        for first, end in chunk.blocks:
            is_empty = is_blank(ours[first:end])
            if is_blank(actual[first:end]):
                is_full = is_full and is_empty
            elif all(
                column in chunk.unchecked_columns
                or normalize_cell(actual[column]) == normalize_cell(ours[column])
                for column in range(first, end)
            ):
                any_ours = True
            else:
                foreign.append(place)
                break
    if foreign:
        return Judgement(
            SegmentVerdict.MIXED if any_ours else SegmentVerdict.FOREIGN, tuple(foreign), is_full
        )
    return Judgement(SegmentVerdict.OURS if any_ours else SegmentVerdict.BLANK, (), is_full)


def list_changed_rows(
    now: Sequence[Sequence[Any]], sums: bytes, unchecked_columns: frozenset[int]
) -> list[int]:
    """Return the rows that are not what was written, from 0.

    Args:
        now: The rows, as Lark answers them.
        sums: The checksums of what was written.
        unchecked_columns: Columns that are not compared.
    """
    actual = compute_sums(now, frozenset(range(len(now[0]))), unchecked_columns) if now else b""
    starts = range(0, len(actual), SUM_BYTES)
    return [at // SUM_BYTES for at in starts if actual[at : at + SUM_BYTES] != sums[at : at + SUM_BYTES]]


def find_offset(now: Sequence[Sequence[Any]], sums: bytes, unchecked_columns: frozenset[int]) -> int | None:
    """Return how far below its place a segment is written as a whole; None if it is not.

    Args:
        now: The rows from its place on, as Lark answers them.
        sums: The checksums of what was written.
        unchecked_columns: Columns that are not compared.
    """
    actual = compute_sums(now, frozenset(range(len(now[0]))), unchecked_columns) if now else b""
    at = actual.find(sums)
    while at > 0 and at % SUM_BYTES:
        at = actual.find(sums, at + 1)
    return None if at < 0 else at // SUM_BYTES


def format_spans(numbers: Sequence[int]) -> str:
    """Return numbers for people, such as `rows 3 to 5, 9`.

    Args:
        numbers: The numbers, in ascending order, not empty.
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = [str(first) if first == last else f"{first} to {last}" for first, last in runs[:10]]
    more = f" and {len(runs) - 10} more" if len(runs) > 10 else ""  # noqa: PLR2004 - as many as are shown
    return f"row{'s' if len(numbers) > 1 else ''} {', '.join(shown)}{more}"
