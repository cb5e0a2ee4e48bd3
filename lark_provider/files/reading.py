"""Read files that hold rows: CSV, JSON Lines and Parquet, row by row."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

import orjson

from lark_provider.files.broken_lines import BrokenLines
from lark_provider.files.formats import CSV, PARQUET, PARQUET_ROWS, FileError, get_kind, import_pyarrow

_PERMANENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
"""Errors of a storage that a retry cannot fix."""
csv.field_size_limit(max(csv.field_size_limit(), 2**24))
"""Python's default limit is lower than the size of a cell that an export may write: a list of a thousand long
options."""
_UNCLOSED = "unexpected end of data"
"""The message of the `csv` module at the end of a file in which a quote is not closed."""
_LONG_INT = re.compile(r"\d{19}")
"""Matches an int that may exceed 64 bits, which orjson would silently convert to a float."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that can be read.

    Attributes:
        name: The name of the file for people; its extension decides the format.
        open: The function that opens it as a binary file.
        is_pipe: Whether it can be read only once.
    """

    name: str
    open: Callable[[], IO[bytes]]
    is_pipe: bool = False


def make_local_source(name: str) -> SourceFile:
    """Return a file of this machine."""
    try:
        is_pipe = Path(name).is_fifo()
    except OSError:  # opening the file raises the reason
        is_pipe = False
    return SourceFile(name, lambda: Path(name).open("rb"), is_pipe)


def read(
    source: SourceFile, encoding: str, required: Sequence[str] = ()
) -> Generator[dict[str, Any], None, None]:
    """Yield the rows of a file.

    Args:
        source: The file.
        encoding: The encoding of a CSV or JSON Lines file, such as `utf-8`.
        required: Columns that it must have. JSON Lines have no columns; their rows are checked later.

    Raises:
        FileError: It cannot be read, lines in it are broken (all of them are reported), or a column is
            missing.
    """
    name, kind = source.name, get_kind(source.name)
    if kind == PARQUET:
        yield from _read_parquet(source, required)
        return
    try:
        with open_text(source, encoding) as file:
            yield from _read_csv(file, name, required) if kind == CSV else _read_json_lines(file, name)
    except UnicodeError as error:
        raise FileError(
            f"{name}{_describe_undecodable(source, encoding)} is not in the encoding {encoding}: "
            f"{getattr(error, 'reason', error)}. Next: name its encoding, such as gb18030."
        ) from None


def read_ascii_text(source: SourceFile) -> str:
    """Return a text in any encoding that extends ASCII; only its ASCII characters are reliable.

    Args:
        source: The file, as a spreadsheet program saves it.

    Raises:
        FileError: It cannot be read.
    """
    with open_text(source, "utf-8-sig", "replace") as file:
        return file.read()


def open_text(source: SourceFile, encoding: str, errors: str = "strict") -> TextIO:
    """Open a text file for reading.

    Args:
        source: The file.
        encoding: The encoding of the file, such as `utf-8`.
        errors: How bytes in another encoding are handled, as for `open`.

    Raises:
        FileError: The file cannot be opened.
    """
    file: IO[bytes] | None = None
    try:
        file = source.open()
        return io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="")
    except (OSError, LookupError) as error:
        if file is not None:
            file.close()
        raise FileError(
            f"{source.name} cannot be read: {error}. Next: correct the name or the encoding.",
            retryable=isinstance(error, OSError) and not isinstance(error, _PERMANENT),
        ) from None


def _describe_undecodable(source: SourceFile, encoding: str) -> str:
    """Return the words by which an error names the first line that is not in an encoding."""
    if source.is_pipe:
        return ""
    with source.open() as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return f", line {number}, byte {error.start + 1}"
            except UnicodeError:
                break  # in this encoding, lines do not end with that byte
    return ""


def _read_csv(file: TextIO, name: str, required: Sequence[str]) -> Iterator[dict[str, Any]]:
    lines, broken = csv.reader(file, strict=True), BrokenLines(name)
    head: list[str] | None = None
    while True:
        begins = lines.line_num + 1
        try:
            cells = next(lines)
        except StopIteration:
            break
        except csv.Error as error:
            # The `csv` module notices a quote that is not closed only at the end of the file.
            at = begins if str(error) == _UNCLOSED else lines.line_num
            broken.add(at, str(error))
            if head is None:
                break  # without a header, the rows cannot be checked
            continue
        if head is None:
            head = _check_head(name, cells, required)
        elif cells and len(cells) != len(head):
            broken.add(lines.line_num, f"a row must have {len(head)} cells, got {len(cells)}")
        elif cells and not broken.count:
            yield dict(zip(head, cells, strict=True))
    broken.check()
    if head is None:
        raise FileError(
            f"{name} must name each field once in its first line, got no lines. Next: add a header such as "
            "id,name."
        )


def _check_head(name: str, head: list[str], required: Sequence[str]) -> list[str]:
    """Check the names of the columns, and return them."""
    wrong = [f"{field!r} twice" for field in _list_duplicates(head) if field]
    wrong += ["a column without a name"] if "" in head else [] if head else ["no names"]
    if wrong:
        raise FileError(
            f"{name} must name each field once in its first line, got {', '.join(wrong)}. Next: give "
            "each column its own name."
        )
    _require(name, head, required)
    return head


def _read_json_lines(file: TextIO, name: str) -> Iterator[dict[str, Any]]:
    broken = BrokenLines(name)
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
            if _LONG_INT.search(line):
                row = json.loads(line)
        except ValueError as error:  # also that of orjson, and that of an int of too many digits
            broken.add(number, str(error))
            continue
        if not isinstance(row, dict):
            broken.add(number, "a row must be a JSON object")
        elif repeated := _list_repeated(line, row):
            broken.add(number, f"a row must name each field once, got {', '.join(repeated)} twice")
        elif not broken.count:
            yield row
    broken.check()


def _list_repeated(line: str, row: dict[str, Any]) -> list[str]:
    """Return the names that an object has more than once; parsers silently take the last value."""
    if line.count(":") == len(row):  # Each name has a colon, so none occurs twice.
        return []
    pairs: list[tuple[str, Any]] = json.loads(line, object_pairs_hook=list)
    return [repr(name) for name in _list_duplicates([name for name, _ in pairs])]


def _read_parquet(source: SourceFile, required: Sequence[str]) -> Iterator[dict[str, Any]]:
    parquet, name = import_pyarrow("parquet"), source.name
    try:
        with source.open() as opened_file, parquet.ParquetFile(opened_file) as file:
            names = file.schema_arrow.names
            _check_columns(name, names, required)
            for batch in file.iter_batches(batch_size=PARQUET_ROWS):
                yield from batch.to_pylist()
    except FileError:
        raise
    except (OSError, ValueError) as error:  # pyarrow's own errors are subclasses of these
        is_transient = isinstance(error, OSError) and not isinstance(error, _PERMANENT)
        raise FileError(
            f"{name} cannot be read: {error}. Next: check that it is a complete Parquet file.",
            retryable=is_transient,
        ) from None


def _check_columns(name: str, names: Sequence[str], required: Sequence[str]) -> None:
    if twice := _list_duplicates(names):
        columns = ", ".join(map(repr, twice))
        raise FileError(f"{name} must name each column once, got twice: {columns}. Next: rename them.")
    if "" in names:
        raise FileError(
            f"{name} must name each column, got one without a name. Next: write the file again with a name "
            "for it."
        )
    _require(name, names, required)


def _list_duplicates(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _require(name: str, names: Sequence[str], required: Sequence[str]) -> None:
    missing = [repr(column) for column in required if column not in names]
    if missing:
        raise FileError(
            f"{name} has no column {' or '.join(missing)}, which is to be a key; it has "
            f"{', '.join(map(repr, names))}. Next: choose a key from this list, or add the column to the "
            "file."
        )
