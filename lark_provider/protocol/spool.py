"""Rows of a load in a temporary file: none is sent until all of them are checked.

The interface; `storage.spool` implements it. Everything in it blocks, and is run by the effect `Local`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Spool(Protocol):
    """Rows in the order in which they were added."""

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, which are as JSON has them."""

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
