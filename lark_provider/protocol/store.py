"""What operations may do in the database that processes share: the interface; `storage` implements it.

An operation passes a function of a `Store` in the effect `Shared`, which runs it where blocking is allowed.
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
    """Who may write which table or document, and what a sync is about to create there."""

    def take(self, claimant: Claimant) -> Lease | LeaseConflict:
        """Take a table's lease, or renew it."""

    def release(self, claimant: Claimant) -> None:
        """Let the next writer have the table; what is recorded as intended stays."""

    def record_intent(self, claimant: Claimant, text: str) -> Lease | LeaseConflict:
        """Record what is about to be created, and renew the lease, in one commit; nothing if it is lost."""

    def read_intent(self, key: str) -> Intent | None:
        """Return what was recorded as intended for a table, if it was not settled."""

    def clear_intent(self, claimant: Claimant) -> Lease | LeaseConflict:
        """Forget the intent, since it is settled, and renew the lease; nothing if it is lost."""


class Ledger(Protocol):
    """What each load has written."""

    def open(self, target: str, key: str, chunk_size: int, restart: int) -> Load:
        """Return a load, which is recorded if it is new."""

    def read_recorded_zone(self, target: str, key: str, restart: int) -> str | None:
        """Return the time zone recorded for the days of a load; None if it is still to be decided."""

    def record_days(self, load: str, zone: str) -> str:
        """Record the time zone of a load's days, unless one is recorded; return the one that counts."""

    def record_step(
        self, load: str, claimant: Claimant, done: WrittenChunk | None, pending: LoadChunk | None
    ) -> LedgerStep:
        """Record in one commit that a chunk is written, and the next one as pending, and renew the lease."""

    def resend(self, load: str, claimant: Claimant, token: str, chunk: LoadChunk) -> LedgerStep:
        """Record that a chunk is sent again: with a new token, or once more with the same one."""

    def refuse(self, load: str, number: int, token: str, reason: str) -> None:
        """Record that Lark refused a chunk."""

    def take(self, load: str, claimant: Claimant) -> LedgerStep:
        """Take or renew the lease of the table that a load writes."""

    def finish(self, load: str, claimant: Claimant, done: WrittenChunk | None) -> None:
        """Record that the source has ended and every chunk is written."""

    def read_chunks(self, load: str, after: int, count: int) -> Sequence[RecordedChunk]:
        """Return chunks by number, those after one."""

    def read_parts(self, load: str, number: int) -> Sequence[RecordedChunk]:
        """Return the parts in which a refused chunk is written."""

    def revise(self, load: str, claimant: Claimant, token: str, chunk: LoadChunk) -> LedgerStep:
        """Record other rows for a refused chunk of which parts are written."""

    def forget_parts(self, load: str, number: int) -> None:
        """Forget the parts of a chunk, of which nothing was written."""

    def select_known_records(self, target: str, since: float, candidates: Sequence[str]) -> set[str]:
        """Return which records belong to chunks of any load of a table that were done since a time."""

    def clear(self, load: str, claimant: Claimant, restart: int, done: int) -> bool:
        """Forget a load's chunks, since their records are deleted; False if there are others now."""


class Messages(Protocol):
    """Which message each key has sent, or which file it has made."""

    def begin(self, receiver: str, key: str, token: str) -> LedgerEntry:
        """Return a message, which is recorded as pending if it is new."""

    def resend(self, entry: LedgerEntry, token: str) -> None:
        """Record that a message is sent under another token, or for the first time after a refusal."""

    def mark_done(self, entry: LedgerEntry, result: Mapping[str, Any]) -> bool:
        """Record that a message is sent; return whether no other process has done so before."""

    def refuse(self, entry: LedgerEntry) -> None:
        """Record that Lark refused a message, so that nothing was sent."""


class Pace(Protocol):
    """When requests may be sent."""

    def reserve(self, wanted: Mapping[Limit, int], within: float) -> dict[Limit, float]:
        """Reserve times for so many requests by limit; return how many seconds from now the first is.

        Where that is not within so many seconds, nothing is reserved.
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
    """Effect: work on what processes share. Answered with its result in a tuple of one.

    It is None without a database. `StorageError` if the database stays unavailable for as long as is waited.

    Attributes:
        work: What to do; it may run more than once, if its outcome was lost.
        wait_for_database: Whether a database that is unavailable is waited for.
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
    """

    call: Call[D]
    lease: Lease


def with_store(
    work: Callable[[Store], T], *, wait_for_database: bool = True
) -> Generator[Shared[T], Any, tuple[T] | None]:
    """Use the database that processes share, inside a procedure; the result is typed."""
    result: tuple[T] | None = yield Shared(work, wait_for_database)
    return result


def perform_leased(call: Call[D], lease: Lease) -> Generator[Leased[D], Any, LarkResponse[D]]:
    """Make a call that ends before a lease does, inside a procedure; the answer is typed."""
    answer: LarkResponse[D] = yield Leased(call, lease)
    return answer
