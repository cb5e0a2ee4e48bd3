"""Rows of a load in a temporary file: none is sent until all of them are checked.

This is the interface; `storage.spool` implements it. All methods block, and are run by the effect `Local`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Spool(Protocol):
    """Rows in the order in which they were added."""

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, whose values are those of JSON."""

    def read(self) -> Iterator[dict[str, Any]]:
        """Return all rows; nothing can be added after that."""

    def close(self) -> None:
        """Remove the file."""


@dataclass(frozen=True, slots=True)
class OpenSpool:
    """Effect: an empty `Spool`. The file is made when it is first used."""


def open_spool() -> Generator[OpenSpool, object, Spool]:
    """Open a spool, inside a procedure."""
    spool: Spool = yield OpenSpool()  # type: ignore[assignment]  # as the effect says
    return spool
