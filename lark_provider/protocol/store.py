"""The interface to the database that processes share; `storage` implements it.

An operation passes a function that takes a `Store` in the effect `Shared`, which runs it where blocking is
allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from lark_provider.protocol.calls import Call, LarkResponse
    from lark_provider.protocol.ledger import (
        Claimant,
        Intent,
        Lease,
        LeaseConflict,
        LedgerStep,
        Load,
        LoadChunk,
        RecordedChunk,
        WrittenChunk,
    )
    from lark_provider.protocol.ledger_entry import LedgerEntry
    from lark_provider.protocol.pacing import Limit
    from lark_provider.protocol.sheet_ledger import Tables

T = TypeVar("T")
D = TypeVar("D")


class Leases(Protocol):
    """The leases of tables and documents, and what a sync is about to create there."""

    def take(self, claimant: Claimant) -> Lease | LeaseConflict:
        """Take a table's lease, or renew it."""

    def release(self, claimant: Claimant) -> None:
        """Release a table's lease for the next writer; a recorded intent stays."""

    def record_intent(self, claimant: Claimant, text: str) -> Lease | LeaseConflict:
        """Record what is about to be created and renew the lease, in one commit; do nothing if it is lost."""

    def read_intent(self, key: str) -> Intent | None:
        """Return the recorded intent of a table, if it is not settled."""

    def clear_intent(self, claimant: Claimant) -> Lease | LeaseConflict:
        """Delete the intent, which is settled, and renew the lease; do nothing if the lease is lost."""


class Ledger(Protocol):
    """What each load has written."""

    def open(self, target: str, key: str, chunk_size: int, restart: int) -> Load:
        """Return a load, which is recorded if it is new."""

    def read_recorded_zone(self, target: str, key: str, restart: int) -> str | None:
        """Return the time zone recorded for the days of a load; None if it is still to be decided."""

    def record_days(self, load: str, zone: str) -> str:
        """Record the time zone of a load's days unless one is recorded; return the recorded one."""

    def record_step(
        self, load: str, claimant: Claimant, done: WrittenChunk | None, pending: LoadChunk | None
    ) -> LedgerStep:
        """Record in one commit that a chunk is written, and the next one as pending, and renew the lease."""

    def resend(self, load: str, claimant: Claimant, token: str, chunk: LoadChunk) -> LedgerStep:
        """Record that a chunk is sent again, with a new token or with the same one."""

    def refuse(self, load: str, number: int, token: str, reason: str) -> None:
        """Record that Lark refused a chunk."""

    def take(self, load: str, claimant: Claimant) -> LedgerStep:
        """Take or renew the lease of the table that a load writes."""

    def finish(self, load: str, claimant: Claimant, done: WrittenChunk | None) -> None:
        """Record that the source has ended and every chunk is written."""

    def read_chunks(self, load: str, after: int, count: int) -> Sequence[RecordedChunk]:
        """Return the chunks after a number, in order."""

    def read_parts(self, load: str, number: int) -> Sequence[RecordedChunk]:
        """Return the parts in which a refused chunk is written."""

    def revise(self, load: str, claimant: Claimant, token: str, chunk: LoadChunk) -> LedgerStep:
        """Record other rows for a refused chunk that is being written in parts."""

    def forget_parts(self, load: str, number: int) -> None:
        """Delete the parts of a chunk, none of which was written."""

    def select_known_records(self, target: str, since: float, candidates: Sequence[str]) -> set[str]:
        """Return which records belong to chunks that any load of a table has finished since a time."""

    def clear(self, load: str, claimant: Claimant, restart: int, done: int) -> bool:
        """Delete a load's chunks, whose records are deleted; False if there are other chunks now."""


class Messages(Protocol):
    """The messages that were sent, or the files that were made, for each key."""

    def begin(self, receiver: str, key: str, token: str) -> LedgerEntry:
        """Return a message, which is recorded as pending if it is new."""

    def resend(self, entry: LedgerEntry, token: str) -> LedgerEntry:
        """Record that a message is sent under another token, or for the first time after a refusal.

        Returns what is recorded: a message that another attempt has finished meanwhile is done.
        """

    def mark_done(self, entry: LedgerEntry, result: Mapping[str, Any]) -> bool:
        """Record that a message is sent; return False if another process has recorded that before."""

    def refuse(self, entry: LedgerEntry) -> None:
        """Record that nothing was sent, unless another attempt has tried meanwhile."""


class Pace(Protocol):
    """The times at which requests may be sent."""

    def reserve(self, wanted: Mapping[Limit, int], within: float) -> dict[Limit, float]:
        """Reserve times for requests; return for each limit how many seconds from now the first one is.

        Nothing is reserved for a limit whose first time is not within `within` seconds, nor for the limits
        before it in `wanted`.
        """


class Store(Protocol):
    """The shared database of an app."""

    @property
    def pace(self) -> Pace:
        """The pace of requests."""

    @property
    def leases(self) -> Leases:
        """Leases of tables."""

    @property
    def ledger(self) -> Ledger:
        """Loads."""

    @property
    def messages(self) -> Messages:
        """Messages with a key."""

    @property
    def files(self) -> Messages:
        """Files that were made for a key."""

    @property
    def sheets(self) -> Tables:
        """Tables in spreadsheets."""


@dataclass(frozen=True, slots=True)
class Shared(Generic[T]):
    """Effect: run a function on the shared database. Answered with its result in a tuple of one.

    The answer is None without a database. Raises `StorageError` if the database stays unavailable for too
    long.

    Attributes:
        work: The function; it may run more than once, if an outcome is lost.
        wait_for_database: Whether to wait for a database that is unavailable.
    """

    work: Callable[[Store], T]
    wait_for_database: bool = True


@dataclass(frozen=True, slots=True)
class Leased(Generic[D]):
    """Effect: make a call that ends before a lease does. Answered with its answer.

    Before each attempt the lease is compared with the clock.

    Attributes:
        call: The call.
        lease: The lease.
        uncertain: Why the call may have been performed under an earlier lease; None if it was not.
    """

    call: Call[D]
    lease: Lease
    uncertain: str | None = None


def with_store(
    work: Callable[[Store], T], *, wait_for_database: bool = True
) -> Generator[Shared[T], Any, tuple[T] | None]:
    """Use the database that processes share, inside a procedure; the result is typed."""
    result: tuple[T] | None = yield Shared(work, wait_for_database)
    return result


def perform_leased(
    call: Call[D], lease: Lease, uncertain: str | None = None
) -> Generator[Leased[D], Any, LarkResponse[D]]:
    """Make a call that ends before a lease does, inside a procedure; the answer is typed."""
    answer: LarkResponse[D] = yield Leased(call, lease, uncertain)
    return answer
