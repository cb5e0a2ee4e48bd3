"""Convert between the values of Bitable and those in files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from lark_provider.api.clouddoc import field_types as types
from lark_provider.files.formats import JSON_LINES, get_kind

_STRUCTURED = types.SEVERAL | {types.URL, types.LOCATION}
"""The types of fields whose cells an export writes as JSON."""
_KINDS: Final[dict[int, str]] = {
    types.TEXT: "text", types.SINGLE_SELECT: "text", types.PHONE: "text", types.AUTO_NUMBER: "text",
    types.NUMBER: "number", types.CHECKBOX: "bool", types.DATE: "moment", types.CREATED_TIME: "moment",
    types.MODIFIED_TIME: "moment", types.MULTI_SELECT: "texts", types.LINK: "texts",
    types.DUPLEX_LINK: "texts",
}  # fmt: skip


def from_file(
    rows: Iterator[dict[str, Any]], name: str, field_types: Callable[[], Mapping[str, int]]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file as Bitable takes them: JSON in cells of lists and objects is parsed.

    Args:
        rows: The rows as read from the file, each with its values by column.
        name: The file's name; rows of JSON Lines stay as they are.
        field_types: Returns the types of the table's fields by name. It is called after the first row was
            read, so that a broken file is reported before Lark is called.
    """
    if get_kind(name) == JSON_LINES:
        yield from rows
        return
    first = next(rows, None)
    if first is None:
        return
    structured = select_structured(field_types())
    yield parse(first, structured)
    for row in rows:
        yield parse(row, structured)


def select_structured(field_types: Mapping[str, int]) -> set[str]:
    """Return the fields that hold lists or objects.

    Args:
        field_types: The types of the table's fields by name.
    """
    return {name for name, kind in field_types.items() if kind in _STRUCTURED}


def choose_columns(field_types: Mapping[str, int], names: Iterable[str]) -> dict[str, str]:
    """Return the columns of a file for fields, each with the kind of its values.

    Args:
        field_types: The types of the table's fields by name.
        names: The names of the fields that are wanted; if empty, all fields.
    """
    return {name: _KINDS.get(field_types[name], "json") for name in list(names) or field_types}


def to_file(records: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield records as rows of a file.

    Args:
        records: The records, as `search_records` returns them.
        columns: The kind of values of each column, by its name, from `choose_columns`.
    """
    # Lark leaves out a checkbox that was never set.
    unset = {name: False for name, kind in columns.items() if kind == "bool"}
    for record in records:
        yield unset | record["fields"]


def parse(row: dict[str, Any], structured: set[str]) -> dict[str, Any]:
    """Parse the JSON in the cells of a row whose fields hold lists or objects.

    Args:
        row: The row of an export or another file, which is changed in place.
        structured: The names of the fields that hold lists or objects, from `select_structured`.
    """
    for name in structured & row.keys():
        cell = row[name]
        if isinstance(cell, str) and cell[:1] in {"[", "{"}:
            try:
                row[name] = orjson.loads(cell)
            except orjson.JSONDecodeError:
                continue  # it is not JSON: the name of an option may begin with a bracket
    return row
