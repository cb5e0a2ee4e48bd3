"""Write files that hold rows: CSV, JSON Lines and Parquet, row by row, and entirely or not at all."""

from __future__ import annotations

import csv
import datetime as dt
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from lark_provider.files.formats import (
    CSV,
    JSON_LINES,
    PARQUET,
    PARQUET_ROWS,
    FileError,
    get_kind,
    import_pyarrow,
)
from lark_provider.support.atomic_files import replace_when_complete
from lark_provider.support.text import format_decimal


def write(name: str, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a file on this machine; if that fails, an existing file stays as it was.

    Args:
        name: The file; one that exists is replaced when the new one is complete, which has its permissions.
        columns: The columns, each with the kind of its values, see `write_to`.
        rows: The rows, each with its values by column.

    Returns:
        How many rows were written.

    Raises:
        FileError: The file cannot be written.
    """
    # If the path is a symbolic link, the file that it points to is replaced, and the link stays.
    target, kind = Path(os.path.realpath(name)), get_kind(name)
    with ExitStack() as stack:
        try:
            if target.exists() and not target.is_file():
                raise FileError(f"{name} cannot be written: it is not a file. Next: name another one.")
            mode = target.stat().st_mode & 0o777 if target.exists() else None
            unfinished = stack.enter_context(replace_when_complete(target, mode))
        except OSError as error:
            raise FileError(f"{name} cannot be written: {error}. Next: name another folder.") from None
        return write_to(unfinished, kind, columns, rows)


def touch(path: Path) -> None:
    """Check that a file can be written, without changing it.

    Args:
        path: The file.

    Raises:
        OSError: The file cannot be written.
    """
    target = Path(os.path.realpath(path))  # A link stays, even if its target does not exist yet.
    try:
        target.open("xb").close()
    except FileExistsError:
        if target.is_file() or target.is_dir():  # a pipe would wait for its reader
            target.open("ab").close()
    else:
        target.unlink()


def write_to(path: Path, kind: str, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a file in place.

    Args:
        path: The file to write.
        kind: The file's format, `csv`, `jsonl` or `parquet`.
        columns: The columns, each with the kind of its values: `text`, `number`, `bool`, `moment`, `texts` or
            `json`.
        rows: The rows, each with its values by column.

    Returns:
        How many rows were written.
    """
    writer: Callable[[Path, Mapping[str, str], Iterable[Mapping[str, Any]]], int]
    writer = {CSV: _write_csv, JSON_LINES: _write_json_lines, PARQUET: _write_parquet}[kind]
    return writer(path, columns, rows)


def _write_csv(path: Path, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    # With a byte order mark, since Excel would otherwise read the file in its local encoding.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(columns)
        for row in rows:
            lines.writerow([_convert_for_csv(row.get(name)) for name in columns])
            count += 1
    return count


def _convert_for_csv(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format_decimal(value)
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else value


def _write_json_lines(path: Path, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    with path.open("wb") as file:
        for row in rows:
            values = {name: row.get(name) for name in columns}
            file.write(orjson.dumps(values, _encode_datetime, orjson.OPT_PASSTHROUGH_DATETIME) + b"\n")
            count += 1
    return count


def _encode_datetime(value: Any) -> str:
    """Return a datetime as JSON text; orjson drops the seconds of an offset, as of Shanghai before 1901."""
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raise TypeError


def _write_parquet(path: Path, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    pa, count = import_pyarrow(), 0
    kinds = {
        "number": pa.float64(), "bool": pa.bool_(), "moment": pa.timestamp("ms", "UTC"),
        "texts": pa.list_(pa.string()),
    }  # fmt: skip
    schema = pa.schema([(name, kinds.get(kind, pa.string())) for name, kind in columns.items()])
    with import_pyarrow("parquet").ParquetWriter(path, schema) as file:
        iterator = iter(rows)
        while batch := [row for _, row in zip(range(PARQUET_ROWS), iterator, strict=False)]:
            values = [
                {name: _convert_for_parquet(row.get(name), kind) for name, kind in columns.items()}
                for row in batch
            ]
            file.write_table(pa.Table.from_pylist(values, schema=schema))
            count += len(batch)
    return count


def _convert_for_parquet(value: Any, kind: str) -> Any:
    if kind == "number" and value is not None:
        return float(value)  # Lark's numbers are doubles; pyarrow refuses an int that is not exactly one.
    if value is None or kind in {"bool", "moment", "texts"}:
        return value
    return value if isinstance(value, str) else orjson.dumps(value).decode()
