"""The lease of a load's table, which only an attempt may take whose load is still what it has opened."""

from __future__ import annotations

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lark_provider.protocol.ledger import Claimant, Lease, LeaseConflict, make_edition, make_superseded_error
from lark_provider.storage.statements import Clock
from lark_provider.storage.table_leases import claim
from lark_provider.storage.tables import ledger


def claim_for_load(
    connection: Connection, clock: Clock, key: str, claimant: Claimant, load: str
) -> Lease | LeaseConflict:
    """Take or renew the lease of the table that a load writes.

    While a writer keeps its lease no other one can restart the load, so only a new lease needs a look.

    Args:
        connection: An open transaction.
        clock: The database's clock, as read in the transaction.
        key: The key of the lease, from `make_lease_key`.
        claimant: The writer that wants the lease.
        load: The load's id.

    Raises:
        ConflictError: The load was restarted or forgotten meanwhile. Its chunks have other tokens now: to
            those of this writer Lark may answer with records that were deleted.
    """
    lease = claim(connection, clock, key, claimant)
    is_new = isinstance(lease, Lease) and not lease.is_renewed
    if is_new and not is_current(connection, load, claimant):
        raise make_superseded_error(load)
    return lease


def is_current(connection: Connection, load: str, claimant: Claimant) -> bool:
    """Return whether a load is still what a writer has opened, and is to be written, or cleared.

    Args:
        connection: An open transaction.
        load: The load.
        claimant: The writer.
    """
    if claimant.edition is None:
        return True
    text = connection.execute(
        sa.select(ledger.c.detail).where(ledger.c.id == load).with_for_update()
    ).scalar_one_or_none()
    if text is None:
        return False
    detail = orjson.loads(text)
    edition = make_edition(detail["restart"], detail.get("record", ""))
    return edition == claimant.edition and detail["is_clearing"] == claimant.clears
