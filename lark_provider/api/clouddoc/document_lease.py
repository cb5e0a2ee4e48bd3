"""The lease of a spreadsheet or folder during a write: renewed before each request, and outlasting it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lark_provider.api.clouddoc.kept_lease import KeptLease
from lark_provider.api.clouddoc.loads.leasing import TakenOverError, perform_under_leases
from lark_provider.protocol.calls import Call, LarkResponse
from lark_provider.protocol.effects import NewKey
from lark_provider.protocol.ledger import Claimant, Lease, LeaseConflict
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.sheet_ledger import Reservation
from lark_provider.protocol.store import Store, with_store
from lark_provider.support.once import Once

logger = logging.getLogger(__name__)

_warnings = Once()
"""The warning that there is no database is logged once in a process."""

_TAKEN_OVER = (
    "Lost the write lease: another process wrote to this document while this process was suspended. Next: "
    "call again."
)


@dataclass(slots=True)
class DocumentLease(KeptLease):
    """The lease of a document that is kept while the document is written.

    Attributes:
        wait: Seconds to wait for another writer.
        kind: What the document is, in a word, for errors and the log.
        wait_option: The caller's argument that sets `wait`, for the error; None if the caller has none.
        is_tolerant: Whether to continue writing if another process held the lease meanwhile, which is safe if
            the rows to write are reserved. Requests that are `strict` are still refused then.
    """

    wait: float
    kind: str = "spreadsheet"
    wait_option: str | None = "lease_wait"
    is_tolerant: bool = False
    _is_lost: bool = field(default=False, init=False)

    def begin(self) -> Procedure[None]:
        """Wait for the lease of the document.

        Raises:
            ConflictError: Another writer still has the document.
        """
        is_shared = yield from self._take_lease(self.wait, self.kind, self.wait_option)
        if not is_shared and _warnings.mark_first("no database"):
            logger.warning("No database configured; concurrent writes and duplicate appends are not detected")

    def renew(self, *, strict: bool = True) -> Procedure[Lease | None]:
        """Renew the lease.

        Args:
            strict: Whether to raise even if the lease is tolerant.

        Raises:
            TakenOverError: Another writer has had the document since.
        """
        if not self.is_shared:
            return None
        (answer,) = (yield from with_store(lambda store: store.leases.take(self.claimant))) or (None,)
        return (yield from self.require_renewed(answer, strict=strict))

    def clear_lost(self) -> None:
        """Forget that another process held the lease, before deciding again what to write."""
        self._is_lost = False

    def reserve(self, work: Callable[[Store], Reservation]) -> Procedure[Reservation | None]:
        """Run work in the ledger that also renews the lease.

        Args:
            work: The function that reserves rows.

        Returns:
            Its result; None without a database.

        Raises:
            TakenOverError: Another writer has had the document since. What the work recorded stays.
        """
        self.clear_lost()
        if not self.is_shared:
            return None
        (answer,) = (yield from with_store(work)) or (None,)
        yield from self.require_renewed(None if answer is None else answer.lease)
        return answer

    def require_renewed(
        self, lease: Lease | LeaseConflict | None, *, strict: bool = True
    ) -> Procedure[Lease | None]:
        """Return a lease that was renewed; if another writer has had the document, take it again and raise.

        Args:
            lease: The answer to the attempt to renew the lease.
            strict: Whether to raise even if the lease is tolerant; else the new lease is returned.

        Raises:
            TakenOverError: Another writer has had the document since.
        """
        if isinstance(lease, Lease):
            yield from self._note_lease(lease)
            if lease.is_renewed:
                return lease
        else:
            yield from self.begin()
        if self.is_tolerant and not strict:
            self._is_lost = True
            return self.lease
        raise TakenOverError(_TAKEN_OVER, retryable=True)

    def send(self, call: Call[Any], *, strict: bool = False) -> Procedure[LarkResponse[Any]]:
        """Renew the lease, and make a call that writes, which ends before the lease does.

        Args:
            call: The call. It is tried under several leases, but after a lost answer only if it is
                idempotent.
            strict: Whether to raise instead of sending if another process has held the lease since
                `clear_lost` was last called, even if the lease is tolerant.

        Raises:
            TakenOverError: Another writer has had the document since.
            LarkError: As for any call.
        """
        if strict and self._is_lost:
            self.clear_lost()
            raise TakenOverError(_TAKEN_OVER, retryable=True)

        def renew() -> Procedure[Lease | None]:
            return self.renew(strict=strict)

        seconds = self.claimant.seconds
        return (yield from perform_under_leases(call, renew, seconds, is_repeatable=call.idempotent))

    def _renew_for_reading(self) -> Procedure[Lease | None]:
        return (yield from self.renew(strict=False))


def make_document_lease(
    document: str,
    what: str,
    seconds: float,
    wait: float,
    *,
    kind: str = "spreadsheet",
    wait_option: str | None = "lease_wait",
) -> Procedure[DocumentLease]:
    """Make the lease of a document, which is not taken yet.

    Args:
        document: The name of the document among the leases.
        what: What this writer is going to write, for the logs of other writers.
        seconds: For how long the lease is taken each time.
        wait: Seconds to wait for another writer.
        kind: What the document is, in a word, for errors and the log.
        wait_option: The caller's argument that sets `wait`, for the error; None if the caller has none.
    """
    owner: str = yield NewKey()
    return DocumentLease(Claimant(document, owner, what, seconds), wait, kind, wait_option)
