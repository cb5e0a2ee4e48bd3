"""A sync's turn to write a table: its lease, and the intent that is recorded before each create."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import orjson

from lark_provider.api.clouddoc.kept_lease import KeptLease
from lark_provider.api.clouddoc.loads.leasing import format_target, release
from lark_provider.protocol.calls import Call, LarkResponse
from lark_provider.protocol.effects import NewKey
from lark_provider.protocol.errors import ConflictError, LarkAPIError
from lark_provider.protocol.ledger import Claimant, Intent, Lease, LeaseConflict
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.store import Store, perform_leased, with_store
from lark_provider.support.once import Once

logger = logging.getLogger(__name__)

_said = Once()
"""That there is no database holds for every call of a process."""


class CreateIntent(TypedDict):
    """What is recorded before records are created, as JSON."""

    token: str
    token_age: NotRequired[float]
    keys: list[str]
    key_fields: list[str]


@dataclass(slots=True)
class Turn(KeptLease):
    """The lease of a table that is kept while a sync runs."""

    def begin(self, table_wait: float) -> Procedure[None]:
        """Wait for the table.

        Args:
            table_wait: Seconds to wait for another writer.

        Raises:
            ConflictError: Another writer still has it.
        """
        is_shared = yield from self._take_lease(table_wait, "table", "table_wait")
        if not is_shared and _said.mark_first("no database"):
            logger.warning(
                "No database configured; concurrent writes and records created twice by a killed sync are "
                "not detected"
            )

    def send(self, call: Call[Any]) -> Procedure[LarkResponse[Any]]:
        """Renew the lease, and make a call that writes; it ends before the lease does."""
        if not self.is_shared:
            return (yield from perform(call))
        lease = yield from self._renew_for_reading()
        return (yield from perform_leased(call, lease))

    def create(
        self,
        call: Call[Any],
        token: str,
        keys: Sequence[str],
        key_fields: Sequence[str],
        token_age: float = 0.0,
    ) -> Procedure[Any]:
        """Record what is about to be created, and create it.

        The time of the record is that of the last request with the token, which may be performed late. How
        old the token was then is part of it, since Lark remembers a token from its first request on.

        Args:
            call: The call that creates the records.
            token: The `client_token` that the call carries.
            keys: The keys of the records.
            key_fields: The fields that the keys are made of.
            token_age: Seconds since the token was first sent; 0 if it is new.

        Raises:
            LarkAPIError: Lark refused it, and created none of them.
            OutcomeUnknownError: They may or may not be created; the next run finds out.
        """
        if not self.is_shared:
            return (yield from perform(call))
        intent: CreateIntent = {
            "token": token,
            "token_age": token_age,
            "keys": list(keys),
            "key_fields": list(key_fields),
        }
        text = orjson.dumps(intent).decode()
        lease = yield from self._renew(lambda store: store.leases.record_intent(self.claimant, text))
        try:
            return (yield from perform_leased(call, lease))
        except LarkAPIError:
            # Lark has refused the only request with this token: nothing was written, and no run has to wait.
            if not token_age:
                yield from with_store(lambda store: store.leases.clear_intent(self.claimant))
            raise

    def read_intent(self) -> Procedure[Intent | None]:
        """Return what an earlier run was about to create when it was interrupted."""
        if not self.is_shared:
            return None
        outcome = yield from with_store(lambda store: store.leases.read_intent(self.claimant.key))
        (intent,) = outcome or (None,)
        return intent

    def forget_intent(self) -> Procedure[None]:
        """Forget the intent: its outcome is known."""
        if self.is_shared:
            yield from self._renew(lambda store: store.leases.clear_intent(self.claimant))

    def _renew_for_reading(self) -> Procedure[Lease]:
        return (yield from self._renew(lambda store: store.leases.take(self.claimant)))

    def _renew(self, renewal: Callable[[Store], Lease | LeaseConflict]) -> Procedure[Lease]:
        if self.lease is None:
            raise ConflictError("The table's lease is over. Next: run the sync again.", retryable=True)
        (lease,) = (yield from with_store(renewal)) or (None,)
        if isinstance(lease, Lease) and lease.is_renewed:
            yield from self._note_lease(lease)
            return lease
        self.lease = None
        if isinstance(lease, Lease):
            # The other writer has ended, but the plan was made before it wrote.
            yield from release(self.claimant)
            who = "another process, which has ended meanwhile,"
        else:
            who = lease.holder if lease is not None else "another process; the database is gone"
        raise ConflictError(
            f"The table was taken over by {who} while this process was not running. Next: run again.",
            retryable=True,
        )


def turn(app_token: str, table_id: str, what: str, seconds: float) -> Procedure[Turn]:
    """Make a turn.

    Args:
        app_token: The base.
        table_id: The table.
        what: What is going to write, for other writers' logs.
        seconds: How long the lease is taken each time, in seconds.
    """
    owner: str = yield NewKey()
    return Turn(Claimant(format_target(app_token, table_id), owner, what, seconds))
