"""A lease that is kept during a write, also between the requests of the writer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from lark_provider.api.clouddoc.loads.leasing import release, with_lease
from lark_provider.protocol.effects import Now, Sleep
from lark_provider.protocol.ledger import Claimant, Lease, LedgerStep
from lark_provider.protocol.operations import Procedure

_RENEWED_AFTER = 1 / 3
"""The fraction of a lease after which it is renewed."""


@dataclass(slots=True)
class KeptLease(ABC):
    """A lease. Without a database there is none, and calls are made without it.

    Attributes:
        claimant: The writer for which the lease is taken, with the lease's target and length.
        lease: The lease; None without a database, or once it is over or lost.
        is_shared: Whether there is a database, so that nothing is written without the lease.
    """

    claimant: Claimant
    lease: Lease | None = field(default=None, init=False)
    is_shared: bool = field(default=False, init=False)
    _renewed: float = field(default=0.0, init=False)

    def keep(self) -> Procedure[None]:
        """Renew the lease if a third of it has passed; run between requests that read."""
        if self.is_shared:
            now: float = yield Now()
            if not 0 <= now - self._renewed < self.claimant.seconds * _RENEWED_AFTER:
                yield from self._renew_for_reading()

    def pause(self, seconds: float) -> Procedure[None]:
        """Wait, and keep the lease.

        Args:
            seconds: How long to wait, in seconds.
        """
        while seconds > 0:
            step = min(seconds, self.claimant.seconds * _RENEWED_AFTER)
            yield Sleep(step)
            seconds -= step
            yield from self.keep()

    def end(self) -> Procedure[None]:
        """Release the lease, so that the next writer can begin."""
        if self.lease is not None:
            self.lease = None
            yield from release(self.claimant)

    def _take_lease(self, wait: float, what: str, option: str | None) -> Procedure[bool]:
        """Wait for the lease, with arguments of `with_lease`, and return whether there is a database."""
        answer = yield from with_lease(
            wait, lambda store: LedgerStep(store.leases.take(self.claimant)), what, option
        )
        if answer is None:
            return False
        self.is_shared = True
        _, lease = answer
        yield from self._note_lease(lease)
        return True

    def _note_lease(self, lease: Lease) -> Procedure[None]:
        """Note a lease that was taken or renewed just now."""
        self.lease, self._renewed = lease, (yield Now())

    @abstractmethod
    def _renew_for_reading(self) -> Procedure[object]:
        """Renew the lease between requests that read."""
