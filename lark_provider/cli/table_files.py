"""Files that hold rows of a table: CSV, JSON Lines and Parquet, read and written row by row."""

from __future__ import annotations

import csv
import datetime as dt
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import orjson

from lark_provider.cli.arguments import WrongUseError

CSV, JSON_LINES, PARQUET = "csv", "jsonl", "parquet"
KINDS = {".csv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES, ".parquet": PARQUET}
_PARQUET_ROWS = 10_000


def kind_of(name: str) -> str:
    """Return what a file holds, by the ending of its name.

    Raises:
        WrongUseError: It is another ending.
    """
    kind = KINDS.get(Path(name).suffix.lower())
    if kind is None:
        raise WrongUseError(
            f"{name} must be a CSV file (.csv), JSON Lines (.jsonl, .ndjson) or Parquet (.parquet). Next: "
            "convert it, or name it so."
        )
    return kind


def read(name: str, encoding: str, required: Sequence[str] = ()) -> Generator[dict[str, Any], None, None]:
    """Yield the rows of a file.

    Args:
        name: The file.
        encoding: Of its text.
        required: Columns that it must have. JSON Lines have no columns, so there each row is checked later.

    Raises:
        WrongUseError: It cannot be read, a line in it is broken, or a column is missing.
    """
    kind = kind_of(name)
    if kind == PARQUET:
        yield from _parquet(name, required)
        return
    try:
        with opened(name, encoding) as file:
            yield from _csv(file, name, required) if kind == CSV else _json_lines(file, name)
    except UnicodeError as error:
        raise WrongUseError(
            f"{name}{_undecodable(name, encoding)} is not in the encoding {encoding}: "
            f"{getattr(error, 'reason', error)}. Next: pass --encoding, such as gb18030."
        ) from None


def opened(name: str, encoding: str) -> TextIO:
    """Open a text file for reading.

    Raises:
        WrongUseError: That fails.
    """
    try:
        return Path(name).open(encoding=encoding, newline="")
    except (OSError, LookupError) as error:
        raise WrongUseError(
            f"{name} cannot be read: {error}. Next: correct the name or the encoding."
        ) from None


def _undecodable(name: str, encoding: str) -> str:
    """Return the first line that is not in an encoding, as an error names it."""
    with Path(name).open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return f", line {number}, byte {error.start + 1}"
            except UnicodeError:
                break  # an encoding whose lines do not end with that byte
    return ""


def _csv(file: TextIO, name: str, required: Sequence[str]) -> Iterator[dict[str, Any]]:
    lines = csv.reader(file, strict=True)
    try:
        head = next(lines, [])
        twice = sorted({field for field in head if head.count(field) > 1})
        if not head or twice or "" in head:
            what = f"{twice[0]!r} twice" if twice else "a column without a name" if head else "no lines"
            raise WrongUseError(
                f"{name} must name each field once in its first line, got {what}. Next: correct it."
            )
        _require(name, head, required)
        for cells in lines:
            if cells and len(cells) != len(head):
                raise WrongUseError(
                    f"{name}, line {lines.line_num}: a row must have {len(head)} cells, got {len(cells)}. "
                    "Next: correct it."
                )
            if cells:
                yield dict(zip(head, cells, strict=True))
    except csv.Error as error:
        raise WrongUseError(f"{name}, line {lines.line_num}: {error}. Next: correct it.") from None


def _json_lines(file: TextIO, name: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise WrongUseError(f"{name}, line {number}: {error}. Next: correct it.") from None
        if not isinstance(row, dict):
            raise WrongUseError(f"{name}, line {number}: a row must be a JSON object. Next: correct it.")
        yield row


def _parquet(name: str, required: Sequence[str]) -> Iterator[dict[str, Any]]:
    parquet = _pyarrow("parquet")
    try:
        with parquet.ParquetFile(name) as file:
            names = file.schema_arrow.names
            twice = sorted({field for field in names if names.count(field) > 1})
            if twice:
                raise WrongUseError(f"{name} has the column {twice[0]!r} twice. Next: rename one.")
            _require(name, names, required)
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
                yield from batch.to_pylist()
    except (OSError, ValueError) as error:  # pyarrow's own are kinds of these
        raise WrongUseError(f"{name} cannot be read: {error}. Next: correct the file.") from None


def _require(name: str, names: Sequence[str], required: Sequence[str]) -> None:
    missing = [one for one in required if one not in names]
    if missing:
        raise WrongUseError(
            f"{name} has no column {missing[0]!r}, which --key names; it has "
            f"{', '.join(map(repr, names))}. Next: correct --key or the file."
        )


def _pyarrow(module: str = "") -> Any:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # an extra
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise WrongUseError(
            "Parquet needs pyarrow, which is not installed. Next: install 'airflow-provider-lark[parquet]', "
            "or use CSV or JSON Lines."
        ) from error
    return pa.parquet if module else pa


def write(name: str, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a file, which is as it was before if that fails.

    Args:
        name: The file; one that exists is replaced when the new one is complete.
        columns: The columns, each with the kind of its values: `text`, `number`, `bool`, `moment`, `texts` or
            `json`.
        rows: Values by column.

    Returns:
        How many rows were written.

    Raises:
        WrongUseError: The file cannot be written.
    """
    writer: Callable[[Path, Mapping[str, str], Iterable[Mapping[str, Any]]], int]
    writer = {CSV: _write_csv, JSON_LINES: _write_json_lines, PARQUET: _write_parquet}[kind_of(name)]
    target = Path(name)
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as made:
            unfinished = Path(made.name)
    except OSError as error:
        raise WrongUseError(f"{name} cannot be written: {error}. Next: name another folder.") from None
    try:
        count = writer(unfinished, columns, rows)
        unfinished.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def _write_csv(path: Path, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    # With a byte order mark, since Excel takes a file without one for its local encoding.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(columns)
        for row in rows:
            lines.writerow([_text(row.get(name)) for name in columns])
            count += 1
    return count


def _text(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else value


def _write_json_lines(path: Path, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    with path.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps({name: row.get(name) for name in columns}) + b"\n")
            count += 1
    return count


def _write_parquet(path: Path, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    pa, count = _pyarrow(), 0
    kinds = {
        "number": pa.float64(), "bool": pa.bool_(), "moment": pa.timestamp("ms", "UTC"),
        "texts": pa.list_(pa.string()),
    }  # fmt: skip
    schema = pa.schema([(name, kinds.get(kind, pa.string())) for name, kind in columns.items()])
    with _pyarrow("parquet").ParquetWriter(path, schema) as file:
        iterator = iter(rows)
        while batch := [row for _, row in zip(range(_PARQUET_ROWS), iterator, strict=False)]:
            values = [{name: _plain(row.get(name), kind) for name, kind in columns.items()} for row in batch]
            file.write_table(pa.Table.from_pylist(values, schema=schema))
            count += len(batch)
    return count


def _plain(value: Any, kind: str) -> Any:
    if value is None or kind in {"number", "bool", "moment", "texts"}:
        return value
    return value if isinstance(value, str) else orjson.dumps(value).decode()
