"""The fields that a row of the source names, and the form in which it gives their values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from lark_provider.api.clouddoc.sync import canonical

_SHAPES_CACHED = 4096
_MODES = canonical.DAY + canonical.ADDRESS + canonical.NAMED


class ComparedField(NamedTuple):
    """A field that is compared.

    Attributes:
        name: The name of the field.
        type: Lark's number for the field's type.
        mode: How the source gives the field's values, see `canonical`.
    """

    name: str
    type: int
    mode: str


class SyncLayout:
    """Numbers the compared fields, so that the shape of a row is a short text such as `0,1d,4`.

    A name that is missing in a row leaves the cell as it is, and so rows may have different shapes. The
    shapes are stored with the rows; only the names are in memory.

    Args:
        types: Lark's numbers for the types of the table's fields, by name.
        zone: The base's time zone.
    """

    def __init__(self, types: Mapping[str, int], zone: dt.tzinfo) -> None:
        self.types, self.zone = types, zone
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}
        self.columns = lru_cache(_SHAPES_CACHED)(self._parse_columns)

    def make_shape(self, modes: Mapping[str, str]) -> str:
        """Return the shape of rows.

        Args:
            modes: The compared fields that they name, each with its mode.
        """
        for name in modes:
            if name not in self._numbers:
                self._numbers[name] = len(self.names)
                self.names.append(name)
        numbered = sorted((self._numbers[name], mode) for name, mode in modes.items())
        return ",".join(f"{number}{mode}" for number, mode in numbered)

    def _parse_columns(self, shape: str) -> tuple[ComparedField, ...]:
        """Return the fields of a shape, in its order."""
        columns = []
        for part in shape.split(",") if shape else ():
            name = self.names[int(part.rstrip(_MODES))]
            columns.append(ComparedField(name, self.types[name], part.lstrip("0123456789")))
        return tuple(columns)

    def make_vectors(
        self, shapes: Sequence[str | None], records: Sequence[Mapping[str, Any]], *, written: bool
    ) -> list[tuple[Any, ...] | None]:
        """Return the canonical values of records, those of the fields in the shape of each.

        Args:
            shapes: The shapes; None for a record that is not compared.
            records: Cells by field name.
            written: Whether the cells are in the shape in which they are written, else as they are read.
        """
        convert = canonical.of_source if written else canonical.of_table

        def convert_columns(columns: Sequence[ComparedField]) -> list[Sequence[Any]]:
            column_cells = select_cells([column.name for column in columns], records)
            return [
                convert(column.type, column.mode, cells, self.zone)
                for column, cells in zip(columns, column_cells, strict=True)
            ]

        if len(set(shapes)) == 1 and shapes[0]:  # as in most sources
            return list(zip(*convert_columns(self.columns(shapes[0])), strict=True))
        positions: dict[str | None, list[int]] = {}
        for index, shape in enumerate(shapes):
            positions.setdefault(shape, []).append(index)
        used = list(dict.fromkeys(column for shape in positions if shape for column in self.columns(shape)))
        converted = dict(zip(used, convert_columns(used), strict=True))
        vectors: list[tuple[Any, ...] | None] = [None] * len(shapes)
        for shape, indexes in positions.items():
            if shape is not None:
                columns = [converted[column] for column in self.columns(shape)]
                for index in indexes:
                    vectors[index] = tuple(column[index] for column in columns)
        return vectors


def select_cells(names: Sequence[str], records: Sequence[Mapping[str, Any]]) -> list[Sequence[Any]]:
    """Return some fields of all records, each as a column, None where a record does not name it.

    Args:
        names: The fields.
        records: Cells by field name.
    """
    if len(names) > 1 and records:
        try:
            return list(zip(*map(itemgetter(*names), records), strict=True))
        except KeyError:
            pass  # most of the columns may still be complete
    return [_select_column(name, records) for name in names]


def _select_column(name: str, records: Sequence[Mapping[str, Any]]) -> list[Any]:
    try:
        return list(map(itemgetter(name), records))
    except KeyError:
        return [record.get(name) for record in records]


def compute_digests(vectors: Sequence[Sequence[Any] | None]) -> list[int]:
    """Return a hash of 64 bits for the canonical values of each row.

    Python's own hash is several times faster than a cryptographic one. It differs between processes, and here
    it never leaves one; and it only ever tells apart two states of one record.
    """
    return list(map(hash, map(orjson.dumps, vectors)))
