"""Delete what a load has written, by the ids in the ledger, so that it can be loaded again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from lark_provider.api.clouddoc.loads.leasing import with_required_store, write_leased
from lark_provider.api.clouddoc.loads.looking import MAX_LOOKED_UP
from lark_provider.api.clouddoc.loads.writer import LoadWriter
from lark_provider.api.clouddoc.records import RECORDS
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import NotFoundError, OutcomeUnknownError
from lark_provider.protocol.ledger import Load, RecordedChunk, SupersededError, make_superseded_error
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path
from lark_provider.protocol.store import with_store

logger = logging.getLogger(__name__)

_MAX_DELETED, _TRIES = 500, 4
_RECORD_NOT_FOUND = 1254043


def clear(writer: LoadWriter) -> Procedure[Load]:
    """Delete all records of a load, forget its chunks, and return it as it is then.

    An uncertain chunk is settled first. It can be interrupted at any point, and done again.

    Args:
        writer: The writer of the load.

    Raises:
        ConflictError: Another writer has the table, the load was restarted once more, or it cannot be
            determined whether a chunk is written.
        LarkError: Lark or the database is unavailable, or Lark refused it.
    """
    deleted: int | None = None
    while True:
        with suppress(SupersededError):  # what is read next tells what has become of the load
            # Another attempt may go on until this one has the table; what it wrote meanwhile is deleted too.
            yield from writer.with_lease(lambda store: store.ledger.take(writer.load.id, writer.claimant))
            deleted = (deleted or 0) + (yield from _delete_all(writer))
        load = yield from _read_load(writer)
        if load.edition != writer.load.edition:
            raise make_superseded_error(load.id)
        if not load.is_clearing:
            break  # by this attempt, or by another one of the same restart, which had the lease meanwhile
    if deleted is not None:
        logger.info(
            "Deleted what a load had written, to load it again",
            extra={"load": writer.load.id[:12], "records": deleted},
        )
    return load


def _read_load(writer: LoadWriter) -> Procedure[Load]:
    """Return the load as the ledger has it now."""
    at, size = writer.place.target, writer.load.chunk_size
    return (yield from with_required_store(lambda store: store.ledger.open(at, writer.key, size, 0)))


def _delete_all(writer: LoadWriter) -> Procedure[int]:
    """Delete the records of all chunks, and forget these if no other one was added; count the records."""
    load = yield from _read_load(writer)
    chunks = deleted = 0
    for number in range(load.chunks):
        whole, parts = yield from _settle_with_parts(writer, number)
        ids = _list_ids(whole, parts)
        for start in range(0, len(ids), _MAX_DELETED):
            yield from _delete(writer, ids[start : start + _MAX_DELETED])
        chunks += sum(chunk.state is LedgerState.DONE for chunk in (whole, *parts))
        deleted += len(ids)
    yield from with_store(lambda store: store.ledger.clear(load.id, writer.claimant, load.restart, chunks))
    return deleted


def list_written(writer: LoadWriter, number: int) -> Procedure[list[str]]:
    """Return the records of a chunk that are written, also of one that is partly written; settle it first.

    Args:
        writer: The writer of the load.
        number: The number of the chunk, from 0.
    """
    return _list_ids(*(yield from _settle_with_parts(writer, number)))


def _list_ids(whole: RecordedChunk, parts: Sequence[RecordedChunk]) -> list[str]:
    done = (
        [whole]
        if whole.state is LedgerState.DONE
        else [part for part in parts if part.state is LedgerState.DONE]
    )
    return [record_id for chunk in done for record_id in chunk.record_ids or ()]


def _settle_with_parts(
    writer: LoadWriter, number: int
) -> Procedure[tuple[RecordedChunk, list[RecordedChunk]]]:
    """Return a chunk and its parts, none of which is uncertain any more."""
    whole = yield from settle(writer, number)
    parts = list((yield from writer.read_parts(number)))
    for index, part in enumerate(parts):
        parts[index] = yield from settle(writer, part.chunk.number)
    return whole, parts


def settle(writer: LoadWriter, number: int) -> Procedure[RecordedChunk]:
    """Return a chunk as it is recorded; decide first whether it is written, if that is uncertain.

    Args:
        writer: The writer of the load.
        number: The number of the chunk, from 0; negative for a part of one.
    """
    recorded = yield from writer.read(number)
    if recorded.state is LedgerState.PENDING:
        recorded = yield from writer.settle(number)
    return recorded


def _delete(writer: LoadWriter, ids: Sequence[str]) -> Procedure[None]:
    """Delete records, of which some may be gone already.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_delete.
    """
    url = fill_path(
        RECORDS + "/batch_delete", app_token=writer.place.app_token, table_id=writer.place.table_id
    )
    for attempt in range(1, _TRIES + 1):
        call: Call[Any] = make_request("POST", url, json={"records": list(ids)}, idempotent=True)
        try:
            yield from write_leased(
                call,
                writer.claimant,
                writer.options.table_wait,
                is_repeatable=False,
                take=lambda store: store.ledger.take(writer.load.id, writer.claimant),
            )
        except (NotFoundError, OutcomeUnknownError) as error:
            if attempt == _TRIES or (isinstance(error, NotFoundError) and error.code != _RECORD_NOT_FOUND):
                raise
            ids = yield from _list_present(writer, ids)
            if not ids:
                return
        else:
            return


def _list_present(writer: LoadWriter, ids: Sequence[str]) -> Procedure[list[str]]:
    """Return which records exist.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_get.
    """
    url = fill_path(RECORDS + "/batch_get", app_token=writer.place.app_token, table_id=writer.place.table_id)
    present: list[str] = []
    for start in range(0, len(ids), MAX_LOOKED_UP):
        batch = list(ids[start : start + MAX_LOOKED_UP])
        call: Call[Any] = make_request("POST", url, json={"record_ids": batch}, safe=True)
        absent = set((yield from perform(call)).data.get("absent_record_ids") or ())
        present += [record_id for record_id in batch if record_id not in absent]
    return present
