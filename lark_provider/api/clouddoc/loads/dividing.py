"""Bisect a chunk in which Lark refuses a value, until the rows with such values are found.

Like a chunk, each part is recorded in the ledger, with a token of its own, before it is sent. So a later
attempt continues where a killed one stopped: it reads back the outcome of a part instead of sending it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Protocol

import orjson

from lark_provider.api.clouddoc import bisecting, rejects
from lark_provider.api.clouddoc.checking import FieldCheck
from lark_provider.api.clouddoc.fields import Field
from lark_provider.api.clouddoc.loads import errors
from lark_provider.api.clouddoc.loads.chunks import ChunkResult, EncodedChunk, make_part, read_rows
from lark_provider.api.clouddoc.loads.looking import LoadTable
from lark_provider.api.clouddoc.loads.options import LoadOptions
from lark_provider.api.clouddoc.rejects import Reject
from lark_provider.protocol.errors import LarkAPIError, LarkError
from lark_provider.protocol.ledger import (
    MAX_DIVIDED,
    Claimant,
    Lease,
    LedgerStep,
    Load,
    LoadChunk,
    RecordedChunk,
    WrittenChunk,
    compute_part_number,
    decode_number,
)
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.store import Store, with_store


class ChunkWriter(Protocol):
    """The members of `writer.LoadWriter` that are needed to write a chunk in parts."""

    load: Load
    place: LoadTable
    claimant: Claimant
    options: LoadOptions
    field_ids: dict[str, str]
    rows_written: int

    def ensure_written(
        self, number: int, content: EncodedChunk, previous: WrittenChunk | None
    ) -> Procedure[ChunkResult]:
        """Write a chunk or a part, unless it is written already."""

    def write_again(self, recorded: RecordedChunk, content: EncodedChunk) -> Procedure[ChunkResult]:
        """Send a chunk of which nothing was written, under a new token."""

    def settle(self, number: int) -> Procedure[RecordedChunk]:
        """Find out whether an uncertain part is written."""

    def read_parts(self, number: int) -> Procedure[Sequence[RecordedChunk]]:
        """Return the parts of a chunk."""

    def make_chunk(self, number: int, content: EncodedChunk, sends: int) -> LoadChunk:
        """Return a chunk as it is recorded."""

    def with_lease(self, work: Callable[[Store], LedgerStep]) -> Procedure[tuple[LedgerStep, Lease]]:
        """Do a step of the ledger that needs the table's lease."""

    def note(self, done: WrittenChunk) -> Procedure[None]:
        """Record that a part is written, if that is possible at once."""


def is_divided(writer: ChunkWriter, chunk: LoadChunk, error: LarkError) -> bool:
    """Return whether a chunk that Lark has refused is to be written in parts.

    Args:
        writer: The writer of the load.
        chunk: The chunk, or a part of one.
        error: The error that Lark answered.
    """
    is_wanted = writer.options.on_bad_row == "skip" and bisecting.is_bad_value(error)
    return is_wanted and 0 <= chunk.number < MAX_DIVIDED


def divide(writer: ChunkWriter, chunk: LoadChunk, content: EncodedChunk) -> Procedure[ChunkResult]:
    """Write in parts a chunk that Lark has just refused.

    Args:
        writer: The writer of the load.
        chunk: The chunk, as the ledger records it.
        content: The rows of the chunk, encoded.

    Returns:
        What is written, and the rows that Lark refuses.

    Raises:
        ConflictError: A field has changed meanwhile, so that no row is to blame.
        LarkAPIError: Lark refused a part for another reason, or too many rows.
        LarkError: As for any chunk.
    """
    yield from _require_unchanged(writer, content)
    return (yield from _Division(writer, chunk, content, {}, calls=1, is_checked=True).write())


def resume(writer: ChunkWriter, recorded: RecordedChunk, content: EncodedChunk) -> Procedure[ChunkResult]:
    """Continue with a chunk that an earlier attempt has begun to write in parts.

    Args:
        writer: The writer of the load.
        recorded: The chunk as it is recorded: refused, with parts.
        content: The rows of the chunk as they are now, encoded. Those of written parts must be the same;
            others may change.

    Raises:
        ConflictError: The source has other rows than those that are written.
        LarkError: As for `divide`.
    """
    chunk, number = recorded.chunk, recorded.chunk.number
    parts = yield from writer.read_parts(number)
    if chunk.content != content.digest:
        for part in parts:
            if part.state is LedgerState.PENDING:
                yield from writer.settle(part.chunk.number)
        parts = yield from writer.read_parts(number)
        if all(part.state is not LedgerState.DONE for part in parts):
            yield from with_store(lambda store: store.ledger.forget_parts(writer.load.id, number))
            return (yield from writer.write_again(recorded, content))
        _check_unchanged(
            writer, chunk, content, [part.chunk for part in parts if part.state is LedgerState.DONE]
        )
        chunk = replace(writer.make_chunk(number, content, chunk.sends), token=chunk.token)
        yield from writer.with_lease(
            lambda store: store.ledger.revise(writer.load.id, writer.claimant, chunk.token, chunk)
        )
    known = {decode_number(part.chunk.number)[1]: part for part in parts}
    return (yield from _Division(writer, chunk, content, known).write())


def list_rejects(parts: Sequence[RecordedChunk]) -> list[Reject]:
    """Return the rows that Lark has refused, of a chunk that is done.

    Args:
        parts: The parts of the chunk, as the ledger records them.
    """
    refused = [_read_reject(part) for part in parts if part.chunk.row_count == 1]
    return sorted(filter(None, refused), key=attrgetter("row"))


class _Division:
    """The parts of one chunk.

    Args:
        writer: The writer of the load.
        chunk: The chunk, as the ledger records it.
        content: The rows of the chunk, encoded.
        known: The parts that the ledger records, by their node (see `compute_part_number`).
        calls: How many requests this attempt has made for the chunk.
        is_checked: Whether the table's fields were read again, and have not changed.
    """

    def __init__(
        self,
        writer: ChunkWriter,
        chunk: LoadChunk,
        content: EncodedChunk,
        known: Mapping[int, RecordedChunk],
        *,
        calls: int = 0,
        is_checked: bool = False,
    ) -> None:
        self._writer, self._chunk, self._content, self._known = writer, chunk, content, known
        self._rows = read_rows(content.body)
        self._is_skipping = writer.options.on_bad_row == "skip"
        self._calls, self._is_checked = calls, is_checked
        self._rejects: list[Reject] = []
        # The second half below the first one: they are taken from the end.
        self._waiting = _halve(1, 0, content.row_count)
        self._previous: WrittenChunk | None = None

    def write(self) -> Procedure[ChunkResult]:
        """Write what is left of the chunk."""
        ids: list[str] = []
        replayed = 0
        try:
            while self._waiting:
                node, start, end = self._waiting.pop()
                part = make_part(self._content, self._rows, start, end)
                if self._is_known_to_be_refused(node, start, end, part):
                    continue
                written = yield from self._write_part(node, start, end, part)
                if written is not None:
                    self._previous = written.done or self._previous
                    ids += written.record_ids
                    replayed += written.replayed
            if (done := self._previous) is not None:
                yield from self._writer.with_lease(
                    lambda store: store.ledger.record_step(
                        self._writer.load.id, self._writer.claimant, done, None
                    )
                )
        except Exception:
            if self._previous is not None:
                yield from self._writer.note(self._previous)
            raise
        return ChunkResult(
            ids, WrittenChunk(self._chunk.number, self._chunk.token, ids), replayed, self._rejects
        )

    def _write_part(
        self, node: int, start: int, end: int, part: EncodedChunk
    ) -> Procedure[ChunkResult | None]:
        """Write a part; None if Lark refuses it, and its halves are next."""
        number = compute_part_number(self._chunk.number, node)
        written: ChunkResult | None = None
        try:
            written = yield from self._writer.ensure_written(number, part, self._previous)
        except LarkAPIError as error:
            self._calls += 1
            if not (self._is_skipping and bisecting.is_bad_value(error)):
                raise
            if not self._is_checked:
                yield from _require_unchanged(self._writer, self._content)
                self._is_checked = True
            key = _format_first_key(part.keys)
            self._reject_or_halve(node, start, end, rejects.make_reject(part.first_row, key, error))
            if self._waiting and self._calls >= bisecting.MAX_CALLS:
                left = sum(last - first for _, first, last in self._waiting)
                raise bisecting.make_many_refused_error(
                    error, len(self._rejects), self._calls, left
                ) from error
        else:
            self._calls += not written.replayed
        # The step before the request has recorded it.
        self._previous = None
        return written

    def _reject_or_halve(self, node: int, start: int, end: int, reject: Reject | None) -> None:
        """Reject a part that is a single row; queue the halves of a larger part."""
        if end - start == 1 and reject is not None:
            self._rejects.append(reject)
        else:
            self._waiting += _halve(node, start, end)

    def _is_known_to_be_refused(self, node: int, start: int, end: int, part: EncodedChunk) -> bool:
        """Return whether a part is not sent: Lark has refused a value in it, or some of it may be written."""
        before = self._known.get(node)
        if before is None or before.state is not LedgerState.REFUSED:
            return False
        reject = _read_reject(before)
        is_same = before.chunk.content == part.digest and self._is_skipping
        if 2 * node not in self._known and (reject is None or not is_same):
            return False
        self._reject_or_halve(node, start, end, reject)
        return True


def _halve(node: int, start: int, end: int) -> list[tuple[int, int, int]]:
    middle = start + (end - start + 1) // 2
    halves = [(2 * node + 1, middle, end), (2 * node, start, middle)]
    return [half for half in halves if half[1] < half[2]]


def _check_unchanged(
    writer: ChunkWriter, chunk: LoadChunk, content: EncodedChunk, written: Sequence[LoadChunk]
) -> None:
    """Refuse rows that differ from those already written."""
    if chunk.row_count != content.row_count:
        raise errors.make_changed_source_error(writer.load, chunk, content, writer.rows_written)
    rows = read_rows(content.body)
    for part in sorted(written, key=attrgetter("first_row")):
        start = part.first_row - content.first_row
        now = make_part(content, rows, start, start + part.row_count)
        if now.digest != part.content:
            raise errors.make_changed_source_error(writer.load, part, now, writer.rows_written)


def _require_unchanged(writer: ChunkWriter, content: EncodedChunk) -> Procedure[None]:
    """Read the fields again: if they have changed, no row is to blame."""
    place = writer.place
    fields = [
        Field(field_name=name, type=kind, field_id=writer.field_ids.get(name, ""))
        for name, kind in place.types.items()
    ]
    yield from FieldCheck(place.app_token, place.table_id, fields, content.names).require_unchanged()


def _read_reject(part: RecordedChunk) -> Reject | None:
    """Return the reject that a part of one row was recorded as; None if no value was refused."""
    if part.state is not LedgerState.REFUSED:
        return None
    return rejects.read(part.chunk.first_row, _format_first_key(part.chunk.keys), part.reason)


def _format_first_key(keys: str | None) -> str:
    """Return the key of the first row of a part, for people."""
    return "" if keys is None else ", ".join(str(value[-1]) for _, value in orjson.loads(keys)[0])
