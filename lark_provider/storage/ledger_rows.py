"""Rows of `ledger_chunks` as the chunks that they record, and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lark_provider.protocol.errors import ConflictError
from lark_provider.protocol.ledger import LoadChunk, RecordedChunk, WrittenChunk
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.storage import statements
from lark_provider.storage.aead import Aead
from lark_provider.storage.tables import ledger_chunks

CONTENT = ("row_count", "content", "row_sums", "fields", "keys")
"""The columns that say which rows a chunk has."""

# Made once, since it precedes each chunk.
WRITTEN = (
    ledger_chunks.update()
    .where(
        ledger_chunks.c.ledger_id == sa.bindparam("the_load"),
        ledger_chunks.c.number == sa.bindparam("the_number"),
        ledger_chunks.c.token == sa.bindparam("the_token"),
    )
    .values(state=LedgerState.DONE.value, record_ids=sa.bindparam("new_ids"), reason=None, keys=None)
)
"""Records a written chunk; `make_written_values` makes its parameters, but not `updated_at`."""
_WRITTEN_NOW = WRITTEN.values(updated_at=sa.bindparam("now"))


def make_values(cipher: Aead, load: str, chunk: LoadChunk) -> dict[str, Any]:
    """Return the columns of a pending chunk, without those of the clock.

    Args:
        cipher: Seals what its rows are looked for by.
        load: The load.
        chunk: The chunk.
    """
    return {
        "number": chunk.number,
        "state": LedgerState.PENDING.value,
        "first_row": chunk.first_row,
        "row_count": chunk.row_count,
        "content": chunk.content,
        "row_sums": chunk.row_sums,
        "fields": orjson.dumps(dict(chunk.fields)).decode(),
        "keys": None if chunk.keys is None else cipher.seal(chunk.keys, (load, str(chunk.number))),
        "token": chunk.token,
        "sends": chunk.sends,
        "record_ids": None,
        "reason": None,
    }


def read(connection: Connection, cipher: Aead, *conditions: sa.ColumnElement[bool]) -> list[RecordedChunk]:
    """Return chunks in the order of their numbers.

    Args:
        connection: An open connection to the database.
        cipher: Decrypts the values by which the chunks' rows are looked for.
        conditions: SQL conditions on `ledger_chunks`, which a chunk must all meet.
    """
    wanted = sa.select(ledger_chunks, statements.make_clock_column(connection)).where(*conditions)
    return [_read_row(cipher, row) for row in connection.execute(wanted.order_by(ledger_chunks.c.number))]


def read_next(
    connection: Connection, cipher: Aead, load: str, after: int, count: int
) -> Sequence[RecordedChunk]:
    """Return the chunks of a load that follow one.

    Args:
        connection: An open connection to the database.
        cipher: Decrypts the values by which the chunks' rows are looked for.
        load: The load's id.
        after: The number of a chunk; only chunks with greater numbers are returned.
        count: How many chunks to return at most.
    """
    columns = ledger_chunks.c
    wanted = sa.select(ledger_chunks, statements.make_clock_column(connection)).where(
        columns.ledger_id == load, columns.number > after
    )
    result = connection.execute(wanted.order_by(columns.number).limit(count))
    return [_read_row(cipher, row) for row in result]


def read_chunk(connection: Connection, cipher: Aead, load: str, number: int) -> RecordedChunk:
    """Return a chunk that the ledger has.

    Args:
        connection: An open connection to the database.
        cipher: Decrypts the values by which the chunk's rows are looked for.
        load: The load's id.
        number: The chunk's number.
    """
    columns = ledger_chunks.c
    (chunk,) = read(connection, cipher, columns.ledger_id == load, columns.number == number)
    return chunk


def make_written_values(load: str, done: WrittenChunk) -> dict[str, Any]:
    """Return the parameters of `WRITTEN`.

    Args:
        load: The load.
        done: The chunk that is written.
    """
    ids = orjson.dumps(list(done.record_ids)).decode()
    return {"the_load": load, "the_number": done.number, "the_token": done.token, "new_ids": ids}


def record_done(connection: Connection, load: str, done: WrittenChunk, now: datetime) -> None:
    """Record that a chunk is written.

    Args:
        connection: A transaction.
        load: The load.
        done: The chunk.
        now: The database's clock.

    Raises:
        ConflictError: The ledger has it under another token.
    """
    if not connection.execute(_WRITTEN_NOW, {**make_written_values(load, done), "now": now}).rowcount:
        raise make_conflict_error(load, done)


def make_conflict_error(load: str, done: WrittenChunk) -> ConflictError:
    """Return the error for a chunk that is written here, and that the ledger has under another token.

    Args:
        load: The load.
        done: The chunk.
    """
    return ConflictError(
        f"Chunk {done.number} of load {load[:12]} was written here, but another process has recorded it "
        "otherwise meanwhile. Next: let one process write a load at a time, and look for doubled rows: "
        f"{', '.join(done.record_ids[:3])}…"
    )


def _read_row(cipher: Aead, row: sa.Row[Any]) -> RecordedChunk:
    chunk = LoadChunk(
        number=row.number,
        first_row=row.first_row,
        row_count=row.row_count,
        content=row.content,
        row_sums=bytes(row.row_sums),
        fields=orjson.loads(row.fields),
        keys=None if row.keys is None else cipher.open(row.keys, (row.ledger_id, str(row.number))),
        token=row.token,
        sends=row.sends,
    )
    return RecordedChunk(
        chunk,
        LedgerState(row.state),
        None if row.record_ids is None else orjson.loads(row.record_ids),
        row.reason,
        (row.clock - row.sent_at).total_seconds(),
        (row.clock - row.updated_at).total_seconds(),
        row.sent_at.timestamp(),
    )
