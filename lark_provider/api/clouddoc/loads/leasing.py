"""One writer per table: take its lease, wait for another writer, and say for whom and how long."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from lark_provider.protocol.calls import Call, LarkResponse
from lark_provider.protocol.effects import NewKey, Sleep
from lark_provider.protocol.errors import ConflictError, DeadlineExceededError, LarkError, OutcomeUnknownError
from lark_provider.protocol.ledger import Claimant, Lease, LeaseConflict, LedgerStep
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.store import Store, perform_leased, with_store

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
"""A writer that died holds its table no longer than this."""
WAIT_SECONDS = 600.0
"""How long another writer of the table is waited for, by default."""
MAX_LEASES = 4
"""For how many leases in a row one request is tried."""
_POLL_SECONDS, _LOG_INTERVAL_SECONDS = 2.0, 30.0


def compute_wait(lease: Lease, renewed: Lease, seconds: float) -> float:
    """Return how long to wait before a call is made again that its lease has cut off.

    A call gives up long before its lease ends if Lark asked it to wait for longer than the lease. Calling
    again at once would only be refused again.

    Args:
        lease: The lease of the call.
        renewed: The lease that was taken after it.
        seconds: How long a lease is.

    Returns:
        Seconds; 0 where the time is over.
    """
    passed = renewed.ends - lease.ends
    return seconds - passed if passed < seconds / 2 else 0.0


class _Leased(Protocol):
    @property
    def lease(self) -> Lease | LeaseConflict: ...


T = TypeVar("T")
S = TypeVar("S", bound=_Leased)


class TakenOverError(ConflictError):
    """Another process wrote to the document while this process was suspended."""


def format_target(app_token: str, table_id: str) -> str:
    """Return what names a table, among the leases and in the ledger.

    Args:
        app_token: The base.
        table_id: The table.
    """
    return f"{app_token}/{table_id}"


def with_required_store(work: Callable[[Store], T]) -> Procedure[T]:
    """Work on what processes share, where there is a database: what is worked on has come from it.

    Args:
        work: The function to call with the shared store, whose result is returned.

    Raises:
        StorageError: The database is unavailable.
    """
    outcome = yield from with_store(work)
    assert outcome is not None  # noqa: S101 - see above
    (result,) = outcome
    return result


def with_lease(
    wait: float, work: Callable[[Store], S], what: str = "table", option: str | None = "table_wait"
) -> Procedure[tuple[S, Lease] | None]:
    """Do work that needs the lease of a table or document; if another writer has it, wait and do it again.

    Args:
        wait: Seconds to wait at most.
        work: Takes or renews the lease, and does nothing else if another writer has it.
        what: What is written, in a word.
        option: The argument that says how long to wait; None if the caller has none.

    Returns:
        What the work returned, and the lease; None without a database.

    Raises:
        ConflictError: The other writer still has the table; a retry may succeed.
        StorageError: The database is unavailable.
    """
    waited, said = 0.0, -_LOG_INTERVAL_SECONDS
    while True:
        outcome = yield from with_store(work)
        if outcome is None:
            return None
        (result,) = outcome
        lease = result.lease
        if isinstance(lease, Lease):
            return result, lease
        if waited >= wait:
            wait_longer = f", or wait longer with {option}=" if option else ""
            raise ConflictError(
                f"The {what} is being written by {lease.holder}, and still was after {waited:.0f} s. Next: "
                f"call again later{wait_longer}.",
                retryable=True,
            )
        if waited - said >= _LOG_INTERVAL_SECONDS:
            said = waited
            logger.info(
                "Waiting for another writer",
                extra={
                    "of": what,
                    "writer": lease.holder,
                    "lease_ends_in_s": round(lease.seconds, 1),
                    "waited_s": round(waited),
                    "up_to_s": wait,
                },
            )
        pause = min(_POLL_SECONDS, max(lease.seconds, 0.1), max(wait - waited, 0.1))
        yield Sleep(pause)
        waited += pause


def make_writer(app_token: str, table_id: str, what: str) -> Procedure[Claimant]:
    """Return a new writer of a table.

    Args:
        app_token: The base.
        table_id: The table.
        what: What the writer does, for people.
    """
    owner: str = yield NewKey()
    return Claimant(format_target(app_token, table_id), owner, what, LEASE_SECONDS)


def write_leased(
    call: Call[Any],
    claimant: Claimant,
    wait: float,
    *,
    is_repeatable: bool,
    take: Callable[[Store], LedgerStep] | None = None,
) -> Procedure[LarkResponse[Any]]:
    """Make a call that writes a table, while no other writer has it; without a database, just make it.

    Args:
        call: The call.
        claimant: The writer.
        wait: Seconds to wait for another writer at most.
        is_repeatable: Whether a lost answer may be followed by another such call.
        take: Takes the lease where more than that is to be looked at.

    Raises:
        ConflictError: Another writer still has the table.
        LarkError: As for any call, and if the database is unavailable.
    """

    def renew() -> Procedure[Lease | None]:
        leased = yield from with_lease(wait, take or (lambda store: LedgerStep(store.leases.take(claimant))))
        return None if leased is None else leased[1]

    return (yield from perform_under_leases(call, renew, claimant.seconds, is_repeatable=is_repeatable))


def perform_under_leases(
    call: Call[Any], renew: Callable[[], Procedure[Lease | None]], seconds: float, *, is_repeatable: bool
) -> Procedure[LarkResponse[Any]]:
    """Make a call that ends before a lease does, and again under the next lease if it has not succeeded.

    Args:
        call: The call. It is tried under up to `MAX_LEASES` leases.
        renew: Takes the lease or renews it; returns None without a database.
        seconds: How long a lease is.
        is_repeatable: Whether a lost answer may be followed by another such call.

    Raises:
        OutcomeUnknownError: It may have been performed, and no repeat was answered with success.
        TakenOverError: `renew` raises it: the caller decides again what to write.
        LarkError: As for any call, and what else `renew` raises.
    """
    period, before = 1, None
    unknown: OutcomeUnknownError | None = None
    while True:
        try:
            lease = yield from renew()
        except LarkError as error:
            if unknown is None or isinstance(error, TakenOverError):
                raise
            raise unknown from error
        if lease is None:
            return (yield from perform(call))
        if before is not None and (pause := compute_wait(before, lease, seconds)):
            before = None
            yield Sleep(pause)
            continue
        try:
            uncertain = None if unknown is None else unknown.problem
            return (yield from perform_leased(call, lease, uncertain))
        except DeadlineExceededError:
            if period == MAX_LEASES:
                raise
            before = lease
        except OutcomeUnknownError as error:
            if period == MAX_LEASES or not (is_repeatable and _may_succeed(error.__cause__)):
                raise
            # Without a new problem nothing was sent under this lease that may have been performed.
            is_known = unknown is not None and error.problem == unknown.problem
            is_cut_off = is_known and isinstance(error.__cause__, DeadlineExceededError)
            before, unknown = lease if is_cut_off else None, error
        period += 1


def _may_succeed(failure: BaseException | None) -> bool:
    """Return whether a call may succeed under another lease, whose last attempt failed like this."""
    is_late = isinstance(failure, DeadlineExceededError)
    return is_late or (isinstance(failure, LarkError) and failure.retryable)


def release(claimant: Claimant) -> Procedure[None]:
    """Let the next writer have the table; a lease that cannot be released ends by itself.

    Args:
        claimant: The writer.
    """
    with suppress(LarkError):
        yield from with_store(lambda store: store.leases.release(claimant), wait_for_database=False)
