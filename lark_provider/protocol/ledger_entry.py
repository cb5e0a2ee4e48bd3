"""An entry of the ledger and its state: the part of the ledger that messages need.

It is separate from `ledger`, so that a process that only sends messages does not import the rest.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class LedgerState(enum.StrEnum):
    """The state of a load, a chunk or a message."""

    PENDING = "pending"
    """Recorded, and perhaps sent: it is not known whether it was written."""
    DONE = "done"
    REFUSED = "refused"
    """Nothing was written: Lark refused it, or it was never sent."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A message with a key, as the ledger records it.

    Attributes:
        id: The id of the entry in the ledger.
        state: The state of the entry: `PENDING`, `DONE` or `REFUSED`.
        token: The `uuid` that it was sent with, or is to be sent with.
        result: What Lark answered; empty until it is done.
        age: Seconds since that `uuid` was first sent, by the database's clock.
        is_new: Whether this `uuid` was recorded just now, so that nobody has sent it before.
        updated_at: When this attempt recorded that it sends the message, by the database's clock. If the
            ledger has another time, another attempt sends it as well.
    """

    id: str
    state: LedgerState
    token: str
    result: Mapping[str, Any] = field(repr=False)
    age: float
    is_new: bool
    updated_at: datetime


def make_ledger_id(app: str, kind: str, target: str, key: str) -> str:
    """Return the id of the ledger's entry for a caller's key.

    Args:
        app: The name of the app in the ledger.
        kind: `load`, `message`, `sheet` or `file`.
        target: The target of the write, such as the base and table of a load, or the receiver of a message.
        key: The caller's key.
    """
    text = f"{app}\0{kind}\0{target}\0{key}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
