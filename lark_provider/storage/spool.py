"""Rows in a temporary file; implements `protocol.spool.Spool`.

The file has no name on systems that allow it, so that it is gone even after SIGKILL. `TMPDIR` names its
folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import IO, Any

import orjson

from lark_provider.protocol.errors import InvalidRequestError, LarkError


class SpoolFullError(LarkError):
    """The temporary file cannot be written."""


class FileSpool:
    """Rows, a line of JSON each."""

    def __init__(self) -> None:
        self._count = 0

    @cached_property
    def _file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(prefix="lark-rows-")

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows.

        Args:
            rows: The rows; their values must have a JSON form.

        Raises:
            InvalidRequestError: One has no JSON form.
            SpoolFullError: The file cannot be written.
        """
        try:
            for row in rows:
                self._count += 1
                self._file.write(orjson.dumps(row) + b"\n")
        except TypeError as error:
            raise InvalidRequestError(
                f"Record {self._count} of the source must be serialisable as JSON: {error}. Nothing was "
                "sent. Next: pass dicts, lists, strings, numbers, booleans."
            ) from None
        except OSError as error:
            raise _make_full_error(error) from None

    def read(self) -> Iterator[dict[str, Any]]:
        """Return all rows, in their order.

        Raises:
            SpoolFullError: The last of them cannot be written to the file.
        """
        try:
            self._file.flush()
            self._file.seek(0)
        except OSError as error:
            raise _make_full_error(error) from None
        for line in self._file:
            yield orjson.loads(line)

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # The rows that are not written yet are not needed any more.
            self._file.close()


def _make_full_error(error: OSError) -> SpoolFullError:
    return SpoolFullError(
        f"The temporary file of the load's rows cannot be written: {error}. Nothing was sent. Next: make "
        "room in the folder for temporary files, or name another one by TMPDIR; or leave out validate='all'."
    )
