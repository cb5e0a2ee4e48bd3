"""An entry of the ledger and its state: all of the ledger that a message needs.

Apart from `ledger`, so that a process that only sends messages does not load what loads of tables record.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class LedgerState(enum.StrEnum):
    """Of a load, a chunk or a message."""

    PENDING = "pending"
    """Recorded, and perhaps sent: nobody knows whether it was written."""
    DONE = "done"
    REFUSED = "refused"
    """Lark refused it, so that nothing was written."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A message with a key, as the ledger has it.

    Attributes:
        id: The id of the entry in the ledger.
        state: The state of the entry: `PENDING`, `DONE` or `REFUSED`.
        token: The `uuid` that it was sent with, or is to be sent with.
        result: What Lark answered; empty until it is done.
        age: Seconds since that `uuid` was first sent, by the database's clock.
        is_new: Whether it was recorded just now, so that it was never sent.
    """

    id: str
    state: LedgerState
    token: str
    result: Mapping[str, Any] = field(repr=False)
    age: float
    is_new: bool
