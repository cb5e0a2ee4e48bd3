"""Work on what processes share in the database: loads, leases of tables, keyed messages.

A load needs its ledger, so an unavailable database is waited for. A message is sent without one.
"""

from __future__ import annotations

import logging
import time
from typing import TypeVar

from lark_provider.engine import credentials, fallback_store, observing
from lark_provider.engine.session import Session
from lark_provider.protocol.attempts import DEADLINE, LEASE
from lark_provider.protocol.effects import Random, Sleep
from lark_provider.protocol.errors import LarkError, TransportError
from lark_provider.protocol.operations import Procedure, run_local
from lark_provider.protocol.store import Leased, Shared
from lark_provider.protocol.trampoline import StackFrame

T = TypeVar("T")
logger = logging.getLogger(__name__)

WORK_SECONDS = 10.0
"""The timeout of one piece of work, longer than that of its statements on the server."""
WAIT_SECONDS = 60.0
"""How long an unavailable database is waited for."""
_FIRST_WAIT, _MAX_WAIT = 0.5, 5.0


def perform(session: Session, effect: Shared[T]) -> Procedure[tuple[T] | None]:
    """Do the work, again if its outcome was lost, for as long as a database is waited for.

    Args:
        session: The settings of the client.
        effect: The work.

    Returns:
        Its result in a tuple of one; None if no database is configured.

    Raises:
        ConfigurationError: A setting of the database is invalid, or the app is unknown.
        StorageError: The database is unavailable, or lacks our tables.
        TransportError: It does not answer.
    """
    app = yield from credentials.find(session)
    if not session.has_database():
        return None

    if not effect.wait_for_database:
        return (yield from fallback_store.in_shared_store(session, app, effect.work))

    def run() -> T:
        from lark_provider.storage import store, urls

        return effect.work(store.SharedStore(urls.database(session.database_url), app))

    began, wait = time.monotonic(), _FIRST_WAIT
    while True:
        try:
            yield from fallback_store.load_drivers()
            return ((yield from run_local(run, WORK_SECONDS)),)
        except TimeoutError:
            failure: LarkError = TransportError(
                f"The database of the ledger has not answered within {WORK_SECONDS:g} s. Next: check that it "
                "runs, and that it is not frozen, overloaded or locked."
            )
        except LarkError as error:
            if not error.retryable:
                raise
            failure = error
        if time.monotonic() - began > WAIT_SECONDS:
            raise failure
        fields = {"wait_s": wait, "error": str(failure)}
        logger.warning("Ledger unavailable; waiting for its database", extra=fields)
        random: float = yield Random()
        yield Sleep(wait * (0.5 + random / 2))
        wait = min(2 * wait, _MAX_WAIT)


def make_leased_frame(session: Session, effect: Leased[T], until: float) -> StackFrame:
    """Return the steps of a call that ends before a lease does.

    Args:
        session: The settings of the client.
        effect: The call and the lease.
        until: The deadline of the steps that yielded it.
    """
    deadline = min(until, time.monotonic() + session.deadline)
    limit = LEASE if effect.lease.ends < deadline else DEADLINE
    attempts = observing.try_call(effect.call, session, limit, effect.uncertain)
    return StackFrame(attempts, min(deadline, effect.lease.ends))
