"""The formats of files that hold rows, and the error for an unusable file."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Final

from lark_provider.errors import InvalidRequestError

CSV: Final = "csv"
JSON_LINES: Final = "jsonl"
PARQUET: Final = "parquet"
XLSX: Final = "xlsx"
"""A format that is only written, for people to open."""
KINDS: Final = {".csv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES, ".parquet": PARQUET}
PARQUET_ROWS: Final = 10_000


class FileError(InvalidRequestError):
    """A file cannot be read or written, or its content is invalid."""


def get_kind(name: str) -> str:
    """Return the format of a file, by the extension of its name.

    Args:
        name: The name, path or URL of the file.

    Raises:
        FileError: The extension is unknown.
    """
    kind = KINDS.get(PurePosixPath(name).suffix.lower())
    if kind is None:
        raise FileError(
            f"{name} must be a CSV file (.csv), JSON Lines (.jsonl, .ndjson) or Parquet (.parquet). Next: "
            "convert it, or name it so."
        )
    return kind


def import_pyarrow(module: str = "") -> Any:
    """Return pyarrow, or its module for Parquet files, which an extra installs.

    Args:
        module: `parquet` for the module for Parquet files; empty for pyarrow itself.

    Raises:
        FileError: It is not installed.
    """
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # an extra
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise FileError(
            "Parquet needs pyarrow, which is not installed. Next: install 'airflow-provider-lark[parquet]', "
            "or use CSV or JSON Lines."
        ) from error
    return pa.parquet if module else pa


def import_openpyxl() -> Any:
    """Return openpyxl, which an extra installs.

    Raises:
        FileError: It is not installed.
    """
    try:
        import openpyxl  # type: ignore[import-untyped]  # an extra
    except ImportError as error:
        raise FileError(
            "XLSX needs openpyxl, which is not installed. Next: install 'airflow-provider-lark[xlsx]', "
            "or use CSV."
        ) from error
    return openpyxl
