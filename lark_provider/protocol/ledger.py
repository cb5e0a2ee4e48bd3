"""The records of the ledger, and the leases of writers: plain data, shared by api and storage.

Every decision that a later step depends on is a row, written before its effect is visible. A chunk of a load
is recorded as pending before it is sent, and as done with the ids that Lark answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lark_provider.protocol.errors import ConflictError
from lark_provider.protocol.ledger_entry import LedgerState

PARTS: Final = 4096
"""How many numbers are reserved for the parts of one chunk."""
MAX_DIVIDED: Final = 2**31 // PARTS
"""The first chunk whose parts would have numbers that are too large for the database."""


def compute_part_number(chunk: int, node: int) -> int:
    """Return the number of a part of a chunk that is written in parts because Lark has refused it.

    Args:
        chunk: The number of the chunk, from 0.
        node: The part: the halves of `node` are `2 * node` and `2 * node + 1`, and the chunk itself is 1.
    """
    return -(chunk * PARTS + node)


def decode_number(number: int) -> tuple[int, int]:
    """Return the chunk that a number belongs to, and the part of it; part 0 is the chunk itself.

    Args:
        number: The number of a chunk or a part.
    """
    return (number, 0) if number >= 0 else divmod(-number, PARTS)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one table for a while.

    Attributes:
        key: The name of the table, see `api.clouddoc.loads.leasing.format_target`.
        owner: The id of the writer, a new one for each operation.
        ends: When it ends, by the monotonic clock of this process. The clock is read before the query, so
            that the lease never ends in the database earlier than here.
        is_renewed: Whether no other writer has had the table since this one took it.
    """

    key: str
    owner: str
    ends: float
    is_renewed: bool = True


@dataclass(frozen=True, slots=True)
class LeaseConflict:
    """Another writer has the table.

    Attributes:
        holder: The other writer, for people: host, process and what it writes.
        seconds: How long until its lease ends, unless it is renewed, in seconds.
    """

    holder: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Claimant:
    """A writer that wants a table's lease, or keeps it.

    Attributes:
        key: The name of the table, see `api.clouddoc.loads.leasing.format_target`.
        owner: The id of the writer, a new one for each operation.
        holder: What the writer does, for people, such as `load 1a2b3c4d5e6f`.
        seconds: How long the lease is taken each time, in seconds.
        edition: The edition of the load that it writes, see `Load.edition`; None where it writes no load.
        clears: Whether it deletes what the load has written, for a restart.
    """

    key: str
    owner: str
    holder: str
    seconds: float
    edition: str | None = None
    clears: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """What a writer was about to create when it was recorded.

    Attributes:
        text: The text as it was recorded; None if it cannot be decrypted because the app's secret was
            replaced.
        age: Seconds since it was recorded, by the database's clock.
    """

    text: str | None = field(repr=False)
    age: float


@dataclass(frozen=True, slots=True)
class LoadChunk:
    """A chunk of a load.

    Attributes:
        number: The number of the chunk, from 0; below 0 for a part of a chunk, see `compute_part_number`.
        first_row: The number of its first row in the source, from 1.
        row_count: How many rows it has.
        content: Digest of the values sent.
        row_sums: A checksum of 4 bytes for each row, to name the first one that differs.
        fields: Ids of the fields written, by name; empty if they are not known.
        keys: The keys by which its rows can be looked for, as JSON; None if there are none.
        token: The `client_token`.
        sends: How many other tokens were used for it before this one.
    """

    number: int
    first_row: int
    row_count: int
    content: str
    row_sums: bytes = field(repr=False)
    fields: Mapping[str, str]
    keys: str | None = field(repr=False)
    token: str
    sends: int = 0


@dataclass(frozen=True, slots=True)
class RecordedChunk:
    """A chunk as the ledger records it.

    Attributes:
        chunk: The chunk as it was recorded before it was sent.
        state: The state of the chunk in the ledger: `PENDING`, `DONE` or `REFUSED`.
        record_ids: The ids of the created records; None until they are known.
        reason: Why the chunk was refused; None if it was not.
        age: Seconds since its token was first sent, by the database's clock.
        seconds_since_sent: Seconds since it was last sent, by the database's clock.
        sent_at: When its token was first sent, in seconds since the epoch, by the database's clock.
    """

    chunk: LoadChunk
    state: LedgerState
    record_ids: Sequence[str] | None
    reason: str | None
    age: float
    seconds_since_sent: float
    sent_at: float


def make_edition(restart: int, record: str) -> str:
    """Return the edition of a load; see `Load.edition`.

    Args:
        restart: The highest `restart` number of the load, see `Load.restart`.
        record: A text that distinguishes the load from an earlier one with the same key, see `Load.record`.
    """
    return f"{restart} {record}"


class SupersededError(ConflictError):
    """Another process has restarted, cleared or forgotten a load while this attempt was running."""


def make_superseded_error(load: str) -> SupersededError:
    """Return the error for an attempt whose load another process has meanwhile restarted or forgotten.

    Args:
        load: The load's id.
    """
    return SupersededError(
        f"Load {load[:12]} was restarted or forgotten by another process while this attempt was running. "
        "Next: let the other attempt finish; or call again, which continues from what is written then."
    )


@dataclass(frozen=True, slots=True)
class Load:
    """A load as the ledger records it.

    Attributes:
        id: The id of the load in the ledger.
        state: `PENDING` until its source has ended and every chunk is written.
        chunk_size: Rows of a chunk, as set by the first attempt.
        restart: The highest `restart` number that a call has passed.
        is_clearing: Whether its records are being deleted, to load it again.
        chunks: How many chunks are recorded.
        written: Rows in chunks that are done.
        days: The time zone in which its days begin if its caller names none; None if it has not been needed
            yet.
        record: A text that distinguishes it from an earlier load with the same key that was forgotten; empty
            if there was none.
    """

    id: str
    state: LedgerState
    chunk_size: int
    restart: int
    is_clearing: bool
    chunks: int
    written: int
    days: str | None = None
    record: str = ""

    @property
    def edition(self) -> str:
        """A text that changes when the load is restarted, or forgotten and recorded again."""
        return make_edition(self.restart, self.record)


@dataclass(frozen=True, slots=True)
class WrittenChunk:
    """A chunk that is written, as it is to be recorded.

    Attributes:
        number: The number of the chunk.
        token: The token that it was sent with; a row with another one is left alone.
        record_ids: The ids of the created records.
    """

    number: int
    token: str
    record_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class LedgerStep:
    """The answer to a step of a load.

    Attributes:
        lease: The lease, taken or renewed; or the conflict with its holder.
        recorded: The chunk as it is recorded now; None if the step had no chunk, or the lease was not
            granted.
        is_new: Whether this step has recorded the chunk, so that it can be sent.
    """

    lease: Lease | LeaseConflict
    recorded: RecordedChunk | None = None
    is_new: bool = False
