"""Read a source and write it, chunk by chunk."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from typing import TypeAlias, TypeVar

from lark_provider.api.clouddoc.loads.leasing import release
from lark_provider.api.clouddoc.results import BulkResult, make_progress_error
from lark_provider.protocol.effects import Stream, Take
from lark_provider.protocol.ledger import Claimant
from lark_provider.protocol.operations import Procedure, take

T = TypeVar("T")
Source: TypeAlias = Iterable[T] | AsyncIterable[T]


def in_chunks(
    source: Source[T],
    size: int,
    write: Callable[[list[T], int], Procedure[list[str]]],
    claimant: Claimant | None = None,
    *,
    keep_ids: bool = True,
    after: Callable[[], None] = lambda: None,
) -> Procedure[BulkResult]:
    """Read from the source and write, chunk by chunk; an error says how much was written.

    Args:
        source: The items to write.
        size: The most items of one chunk.
        write: Makes the procedure that writes a chunk, from its items and the number of the first one, from
            1; the procedure returns the ids of what it has written.
        claimant: The holder of the table's lease, which is released at the end; None if there is none to
            release.
        keep_ids: Whether to keep the ids of everything written.
        after: Called after each chunk that is written and counted; an error that it raises stops the write.
    """
    result, count = BulkResult(), 0
    stream = Stream(source)
    try:
        while chunk := (yield from take(Take(stream, size))):
            ids = yield from write(chunk, count + 1)
            count += len(chunk)
            result.record_ids += ids if keep_ids else ()
            result.written += len(ids)
            result.chunks += 1
            after()
            del chunk  # before the next one is made
    except Exception as error:
        if claimant is not None:
            yield from release(claimant)
        why = make_progress_error(error, result, rows=count)
        if why is error:
            raise
        raise why from error
    finally:
        stream.close()
    if claimant is not None:
        yield from release(claimant)
    return result
