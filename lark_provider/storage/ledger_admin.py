"""Look into the ledger, and forget what it knows: `lark-provider ledger`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.errors import ConfigurationError, ConflictError
from lark_provider.protocol.ledger import decode_number
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.redact import mask_addresses
from lark_provider.storage import forgotten, ledger_parts, statements
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.maintenance import require_engine
from lark_provider.storage.tables import ledger, ledger_chunks, table_leases

SHORT = 12
"""Characters of an id that are shown, and suffice to name it."""
CHUNKED = frozenset({"load", "sheet"})
"""Kinds that are written in chunks, of which each has a row."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A load or a message.

    Attributes:
        id: The id in the ledger, 64 hexadecimal characters.
        kind: `load`, `message`, `sheet` (a table in a spreadsheet) or `file`.
        app_id: The id of the app that writes it.
        name: The caller's key; addresses in it are masked.
        target: Base and table of a load.
        state: `pending` (its outcome may be unknown), `done` or `refused`.
        written: How many rows of a load are written.
        uncertain: How many chunks of a load have an unknown outcome.
        refused: How many chunks of a load were refused.
        result: What a message became.
        created_at: When it was first written or sent.
        updated_at: When it was last written or tried.
    """

    id: str
    kind: str
    app_id: str
    name: str
    target: str
    state: str
    written: int
    uncertain: int
    refused: int
    result: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ChunkSummary:
    """A chunk of a load.

    Attributes:
        number: The chunk's number in the load, from 0.
        part: The number of the part, of a chunk whose rows were written in parts, since Lark refused a value;
            0 for a whole chunk.
        state: `pending` (its outcome is unknown), `done` or `refused`.
        first_row: The number of its first row in the source, from 1.
        row_count: How many rows it has.
        sends: How many tokens were used for it.
        reason: Why Lark refused it; None if it did not.
        sent_at: When its token was first sent.
        updated_at: When it was last sent or decided.
    """

    number: int
    part: int
    state: str
    first_row: int
    row_count: int
    sends: int
    reason: str | None
    sent_at: datetime
    updated_at: datetime


def list_entries(
    url: URL, *, kind: str | None = None, state: str | None = None, limit: int = 50
) -> list[Summary]:
    """Return the newest loads and messages.

    Args:
        url: The database.
        kind: Only these: `load`, `message`, `sheet` or `file`.
        state: Only those in this state.
        limit: At most so many.

    Raises:
        StorageError: The database cannot be used.
    """
    columns = ledger.c
    wanted = sa.select(columns.id).order_by(columns.updated_at.desc()).limit(limit)
    wanted = wanted if kind is None else wanted.where(columns.kind == kind)
    wanted = wanted if state is None else wanted.where(columns.state == state)
    with hold_transaction(require_engine(url), reading=True) as connection:
        return _read_summaries(connection, list(connection.scalars(wanted)))


def has_entry(url: URL, name: str, *kinds: str) -> bool:
    """Return whether there is an entry of a name.

    Args:
        url: The database.
        name: The caller's key.
        kinds: The kinds of entries that count: `load`, `message`, `sheet` or `file`.

    Raises:
        StorageError: The database cannot be used.
    """
    columns = ledger.c
    wanted = (
        sa.select(columns.id).where(columns.kind.in_(kinds), columns.name == mask_addresses(name)).limit(1)
    )
    with hold_transaction(require_engine(url), reading=True) as connection:
        return connection.scalar(wanted) is not None


def find_entry(url: URL, prefix: str) -> tuple[Summary, list[ChunkSummary]]:
    """Return a load or a message, with its chunks.

    Args:
        url: The database.
        prefix: Its id, or how that begins.

    Raises:
        ConfigurationError: There is none, or there are several.
        StorageError: The database cannot be used.
    """
    columns = ledger_chunks.c
    with hold_transaction(require_engine(url), reading=True) as connection:
        identity = _find_id(connection, prefix)
        (summary,) = _read_summaries(connection, [identity])
        wanted = sa.select(
            columns.number,
            columns.state,
            columns.first_row,
            columns.row_count,
            (columns.sends + 1).label("sends"),
            columns.reason,
            columns.sent_at,
            columns.updated_at,
        ).where(columns.ledger_id == identity)
        chunks = connection.execute(wanted).all()
    return summary, sorted(
        (ChunkSummary(*decode_number(row.number), *row[1:]) for row in chunks),
        key=lambda chunk: (chunk.number, chunk.first_row, chunk.part),
    )


def forget(url: URL, prefix: str) -> Summary:
    """Delete a load or a message from the ledger; what it wrote stays.

    Args:
        url: The database.
        prefix: Its id, or how that begins.

    Returns:
        What was deleted.

    Raises:
        ConfigurationError: There is none, or there are several.
        ConflictError: The load is being written.
        StorageError: The database cannot be used.
    """
    with hold_transaction(require_engine(url)) as connection:
        identity = _find_id(connection, prefix)
        (summary,) = _read_summaries(connection, [identity])
        _refuse_while_written(connection, identity)
        # A writer whose lease has ended renews it by its name; it must look again whether there is its load.
        leases = table_leases.c
        connection.execute(
            table_leases.update().where(leases.holder.like(_make_holder_pattern(identity))).values(owner="")
        )
        if summary.kind in {"load", "message"}:
            forgotten.add(connection, identity, statements.read_clock(connection).now)
        connection.execute(ledger_chunks.delete().where(ledger_chunks.c.ledger_id == identity))
        connection.execute(ledger.delete().where(ledger.c.id == identity))
    return summary


def _refuse_while_written(connection: Connection, identity: str) -> None:
    columns, now = table_leases.c, statements.read_clock(connection).now
    wanted = sa.select(columns.holder).where(
        columns.until >= now, columns.holder.like(_make_holder_pattern(identity))
    )
    holder = connection.scalar(wanted)
    if holder is not None:
        raise ConflictError(f"{holder} is writing now. Next: end that process, or wait for it; then repeat.")


def _make_holder_pattern(identity: str) -> str:
    """Return how the holder of a load's lease is named, for LIKE."""
    return f"load {identity[:SHORT]} %"


def _find_id(connection: Connection, prefix: str) -> str:
    starts = ledger.c.id.startswith(prefix, autoescape=True)
    # Ids are hexadecimal; no database takes half a surrogate pair, which an argument of other bytes becomes.
    can_be = prefix.isascii() and prefix.isalnum()
    matches = list(connection.scalars(sa.select(ledger.c.id).where(starts).limit(2))) if can_be else []
    if len(matches) != 1:
        count = "several of them do" if matches else "none does"
        raise ConfigurationError(
            f"One id of the ledger must begin with {prefix!r}, but {count}. Next: see `lark-provider ledger "
            "list`."
        )
    identity: str = matches[0]
    return identity


def _read_summaries(connection: Connection, ids: Sequence[str]) -> list[Summary]:
    columns, chunks = ledger.c, ledger_chunks.c

    def sum_where(state: LedgerState, what: Any) -> Any:
        return sa.func.coalesce(sa.func.sum(sa.case((chunks.state == state, what), else_=0)), 0)

    wanted = (
        sa.select(
            ledger,
            sum_where(LedgerState.PENDING, 1).label("uncertain"),
            sum_where(LedgerState.REFUSED, sa.case((chunks.number >= 0, 1), else_=0)).label("refused"),
        )
        .outerjoin(ledger_chunks, chunks.ledger_id == columns.id)
        .where(statements.make_among_condition(connection, columns.id, ids))
        .group_by(columns.id)
        .order_by(columns.updated_at.desc())
    )
    written = ledger_parts.count_written(connection, ids)
    return [
        Summary(
            id=row.id,
            kind=row.kind,
            app_id=row.app_id,
            name=row.name,
            target=row.target,
            state=row.state,
            written=written[row.id][1],
            uncertain=int(row.uncertain) if row.kind in CHUNKED else int(row.state == LedgerState.PENDING),
            refused=int(row.refused) if row.kind in CHUNKED else int(row.state == LedgerState.REFUSED),
            result={} if row.result is None else orjson.loads(row.result),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in connection.execute(wanted)
    ]
