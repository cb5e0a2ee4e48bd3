"""Rows of a load in a temporary file, and a disk that is full."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lark_provider.storage.spool import FileSpool, SpoolFullError


@contextmanager
def limit_files(size: int) -> Iterator[None]:
    """Have the system refuse to write more than so many bytes to a file, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_rows_come_in_their_order() -> None:
    spool = FileSpool()
    rows = [{"a": number} for number in range(3)]
    spool.add(rows[:1])
    spool.add(rows[1:])
    assert list(spool.read()) == rows
    spool.close()


def test_a_disk_that_is_full_before_the_last_rows_are_written() -> None:
    """They are in a buffer until the file is read, or closed."""
    spool = FileSpool()
    spool.add([{"a": "x" * 100}])
    with limit_files(10):
        with pytest.raises(SpoolFullError, match=r"cannot be written: .*Nothing was sent\. Next: make "):
            next(spool.read())
        spool.close()


def test_a_spool_that_was_never_read_is_closed_on_a_full_disk() -> None:
    spool = FileSpool()
    spool.add([{"a": "x" * 100}])
    with limit_files(10):
        spool.close()
