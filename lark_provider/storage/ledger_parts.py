"""The parts of a chunk that Lark has refused: rows of `ledger_chunks` with numbers below 0.

A chunk in which Lark refuses a value is written in halves, each recorded before it is sent as a chunk is. The
chunk stays refused until each of its rows is written or rejected.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lark_provider.protocol.ledger import PARTS, compute_part_number
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.storage import statements
from lark_provider.storage.tables import ledger_chunks


def is_part(load: str, number: int) -> sa.ColumnElement[bool]:
    """Return the condition for the parts of a chunk.

    Args:
        load: The load.
        number: The chunk.
    """
    columns = ledger_chunks.c
    first, last = compute_part_number(number, PARTS - 1), compute_part_number(number, 1)
    return sa.and_(columns.ledger_id == load, columns.number.between(first, last))


def count_written(connection: Connection, loads: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return how many chunks each load has, and how many rows of it are written.

    Args:
        connection: An open connection to the database.
        loads: The ids of loads.
    """
    columns, chunk = ledger_chunks.c, ledger_chunks.alias("chunk")
    number = sa.cast(-columns.number // PARTS, sa.Integer)
    is_whole_done = chunk.c.state == LedgerState.DONE
    is_done = columns.state == LedgerState.DONE
    is_reject = sa.and_(columns.state == LedgerState.REFUSED, columns.row_count == 1)
    written = sa.case(
        (columns.number >= 0, sa.case((is_done, columns.row_count), else_=0)),
        # The rows of a chunk that is done count with it, but for those that were rejected.
        (is_whole_done, sa.case((is_reject, -1), else_=0)),
        else_=sa.case((is_done, columns.row_count), else_=0),
    )
    counts = connection.execute(
        sa.select(
            columns.ledger_id,
            sa.func.sum(sa.case((columns.number >= 0, 1), else_=0)),
            sa.func.sum(written),
        )
        .select_from(ledger_chunks)
        .outerjoin(
            chunk,
            sa.and_(columns.number < 0, chunk.c.ledger_id == columns.ledger_id, chunk.c.number == number),
        )
        .where(statements.make_among_condition(connection, columns.ledger_id, loads))
        .group_by(columns.ledger_id)
    ).all()
    none = dict.fromkeys(loads, (0, 0))
    return none | {identity: (int(chunks), int(count)) for identity, chunks, count in counts}
