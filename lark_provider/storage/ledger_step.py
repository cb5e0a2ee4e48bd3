"""The step of a load as one statement of PostgreSQL: one round trip and one commit for each chunk.

It covers the normal case: a chunk is written, the lease is renewed, the next chunk is pending. Whatever else
a step may find (no lease yet, another holder) is left to a transaction of several statements.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from lark_provider.protocol.ledger import Claimant, Lease, WrittenChunk
from lark_provider.storage import ledger_rows
from lark_provider.storage.schema import UtcTimestamp
from lark_provider.storage.tables import ledger_chunks, table_leases

_CLOCK = ("sent_at", "updated_at")


@dataclass(frozen=True, slots=True)
class StepResult:
    """What the statement did.

    Attributes:
        lease: The renewed lease; None if the writer does not have it, and then nothing is pending.
        added_at: When the next chunk was recorded, by the database's clock; None if it was not.
    """

    lease: Lease | None
    added_at: datetime | None


def run(
    connection: Connection,
    load: str,
    key: str,
    claimant: Claimant,
    done: WrittenChunk | None,
    pending: dict[str, Any],
) -> StepResult:
    """Record that a chunk is written, renew the lease, and record the next chunk if that was granted.

    That a chunk is written is recorded even if the lease is lost, since it is certain.

    Args:
        connection: A connection that commits each statement.
        load: The load's id.
        key: The key of the table's lease.
        claimant: The writer of the load, for which the table's lease is renewed.
        done: The chunk that is written.
        pending: The columns of the next one, see `ledger_rows.make_values`.

    Raises:
        ConflictError: The ledger has the chunk that is written under another token; nothing is pending then.
    """
    parameters = {f"new_{name}": value for name, value in pending.items()}
    parameters |= {"the_load": load, "the_key": key, "the_owner": claimant.owner, "seconds": claimant.seconds}
    if done is not None:
        parameters |= ledger_rows.make_written_values(load, done)
    # The database reads its clock after this, so that its row of the lease ends no earlier than ours.
    began = time.monotonic()
    row = connection.execute(_make_statement(is_done=done is not None), parameters).one()
    if done is not None and row.stood is None:
        raise ledger_rows.make_conflict_error(load, done)
    if row.renewed_at is None:
        return StepResult(None, None)
    lease = Lease(claimant.key, claimant.owner, began + claimant.seconds)
    return StepResult(lease, None if row.added is None else row.renewed_at)


@functools.cache
def _make_statement(*, is_done: bool) -> sa.Select[Any]:
    """Make the statement, whose parts PostgreSQL runs in one commit.

    The lease does not depend on the written chunk: a part that waits for a locked row is evaluated again by
    PostgreSQL, which then cannot ask another part that writes.
    """
    clock = sa.func.clock_timestamp(type_=UtcTimestamp())
    leases = table_leases.c
    lasts = sa.func.make_interval(0, 0, 0, 0, 0, 0, sa.bindparam("seconds"))
    lease = (
        table_leases.update()
        .where(leases.key == sa.bindparam("the_key"), leases.owner == sa.bindparam("the_owner"))
        .values(until=clock + lasts)
        .returning(clock.label("now"))
        .cte("lease")
    )
    stands = ledger_rows.WRITTEN.values(updated_at=clock).returning(ledger_chunks.c.number).cte("stands")
    columns = [column for column in ledger_chunks.c if column.name not in {"ledger_id", *_CLOCK}]
    chunk = sa.select(
        sa.bindparam("the_load", type_=ledger_chunks.c.ledger_id.type),
        *(sa.bindparam(f"new_{column.name}", type_=column.type) for column in columns),
        *(lease.c.now for _ in _CLOCK),
    ).select_from(lease.join(stands, sa.true()) if is_done else lease)
    added = (
        insert(ledger_chunks)
        .from_select(["ledger_id", *(column.name for column in columns), *_CLOCK], chunk)
        .on_conflict_do_nothing(index_elements=ledger_chunks.primary_key.columns)
        .returning(ledger_chunks.c.number)
        .cte("added")
    )
    return sa.select(
        (sa.select(stands.c.number).scalar_subquery() if is_done else sa.null()).label("stood"),
        sa.select(lease.c.now).scalar_subquery().label("renewed_at"),
        sa.select(added.c.number).scalar_subquery().label("added"),
    )
