"""The lease of a spreadsheet or folder that is written: checked before each request, and longer than it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lark_provider.api.clouddoc.loads.leasing import PERIODS, early, granted, released
from lark_provider.protocol.calls import Call, LarkResponse
from lark_provider.protocol.effects import NewKey, Now, Sleep
from lark_provider.protocol.errors import ConflictError, DeadlineExceededError, LarkError, OutcomeUnknownError
from lark_provider.protocol.ledger import Claimant, Held, Lease, Step
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.sheet_ledger import Reservation
from lark_provider.protocol.store import Store, leased, shared
from lark_provider.support.once import Once

logger = logging.getLogger(__name__)

_said = Once()
"""That there is no database holds for every call of a process."""

_RENEWED_AFTER = 1 / 3
"""The part of a lease after which it is renewed."""
_TAKEN_OVER = "Another process has written the spreadsheet while this one was not running. Next: call again."


class TakenOverError(ConflictError):
    """Another writer has had the spreadsheet while this process was not running."""


@dataclass(slots=True)
class DocumentLease:
    """A lease that is kept while a document is written. Without a database there is none.

    Attributes:
        claimant: Who writes which document.
        wait: Seconds to wait for another writer.
        is_tolerant: Whether what is written stands also if another process had the document meanwhile,
            since its rows are reserved; only requests that are `strict` must not follow then.
        is_shared: Whether there is a database, so that nothing is written without the lease.
    """

    claimant: Claimant
    wait: float
    is_tolerant: bool = False
    is_shared: bool = False
    _is_lost: bool = False
    _lease: Lease | None = None
    _renewed: float = 0.0

    def begin(self) -> Procedure[None]:
        """Wait for the document.

        Raises:
            ConflictError: Another writer still has it.
        """
        answer = yield from granted(
            self.wait, lambda store: Step(store.leases.take(self.claimant)), "spreadsheet", "lease_wait"
        )
        if answer is None:
            if _said.is_first("no database"):
                logger.warning(
                    "No database: nothing keeps other processes from writing the same spreadsheet, and rows "
                    "that are appended twice, or a spreadsheet that is created twice, are not noticed"
                )
            return
        self.is_shared, self._lease = True, answer[1]
        self._renewed = yield Now()

    def keep(self) -> Procedure[None]:
        """Renew the lease if it is some seconds old; run between requests that read."""
        if self.is_shared:
            now: float = yield Now()
            if not 0 <= now - self._renewed < self.claimant.seconds * _RENEWED_AFTER:
                yield from self.renew(strict=False)

    def renew(self, *, strict: bool = True) -> Procedure[Lease | None]:
        """Renew the lease.

        Args:
            strict: Whether to raise although the lease is tolerant.

        Raises:
            TakenOverError: Another writer has had the document since.
        """
        if not self.is_shared:
            return None
        (answer,) = (yield from shared(lambda store: store.leases.take(self.claimant))) or (None,)
        return (yield from self.checked(answer, strict=strict))

    def decide_again(self) -> None:
        """Forget that another process had the document: what depends on it is decided after this."""
        self._is_lost = False

    def reserve(self, work: Callable[[Store], Reservation]) -> Procedure[Reservation | None]:
        """Do work of the ledger that renews the lease.

        Args:
            work: Reserves rows.

        Returns:
            Its answer; None without a database.

        Raises:
            TakenOverError: Another writer has had the document since. What the work recorded stays.
        """
        self.decide_again()
        if not self.is_shared:
            return None
        (answer,) = (yield from shared(work)) or (None,)
        yield from self.checked(None if answer is None else answer.lease)
        return answer

    def checked(self, lease: Lease | Held | None, *, strict: bool = True) -> Procedure[Lease | None]:
        """Return a lease that was renewed; if another writer has had the document, take it, and raise."""
        if isinstance(lease, Lease):
            self._lease, self._renewed = lease, (yield Now())
            if lease.is_renewed:
                return lease
        else:
            yield from self.begin()
        if self.is_tolerant and not strict:
            self._is_lost = True
            return self._lease
        raise TakenOverError(_TAKEN_OVER, retryable=True)

    def send(self, call: Call[Any], *, strict: bool = False) -> Procedure[LarkResponse[Any]]:
        """Renew the lease, and make a call that writes; it ends before the lease does.

        Args:
            call: One that may be repeated is, for a few leases.
            strict: Whether it must not follow, under a tolerant lease either, if another process had the
                document since the last decision.

        Raises:
            TakenOverError: Another writer has had the document since.
            LarkError: As for any call.
        """
        if strict and self._is_lost:
            self.decide_again()
            raise TakenOverError(_TAKEN_OVER, retryable=True)
        failure: LarkError | None = None
        before: Lease | None = None
        for _ in range(PERIODS):
            lease = yield from self.renew(strict=strict)
            if lease is None:
                return (yield from perform(call))
            if before is not None and (pause := early(before, lease, self.claimant.seconds)):
                yield Sleep(pause)
                lease = (yield from self.renew(strict=strict)) or lease
            before = None
            try:
                return (yield from leased(call, lease))
            except DeadlineExceededError as error:
                failure, before = error, lease
            except OutcomeUnknownError as error:
                if not call.idempotent:
                    raise
                failure = error
        assert failure is not None  # noqa: S101 - each period ends with an answer or with a failure
        raise failure

    def pause(self, seconds: float) -> Procedure[None]:
        """Wait, and keep the lease."""
        while seconds > 0:
            step = min(seconds, self.claimant.seconds * _RENEWED_AFTER)
            yield Sleep(step)
            seconds -= step
            yield from self.keep()

    def end(self) -> Procedure[None]:
        """Let the next writer have the document."""
        if self._lease is not None:
            self._lease = None
            yield from released(self.claimant)


def document_lease(document: str, what: str, seconds: float, wait: float) -> Procedure[DocumentLease]:
    """Make the lease of a document, which is not taken yet.

    Args:
        document: Names the document among the leases.
        what: What is going to write, for other writers' logs.
        seconds: For how long the lease is taken each time.
        wait: Seconds to wait for another writer.
    """
    owner: str = yield NewKey()
    return DocumentLease(Claimant(document, owner, what, seconds), wait)
