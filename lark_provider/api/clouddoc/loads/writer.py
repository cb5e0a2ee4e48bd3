"""Write one chunk of a load: record it, send it, and decide about one whose outcome was lost.

While Lark still recognizes the token of such a chunk, it is sent again under it. After that its records are
searched for (`looking`), once no earlier request can still arrive.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from lark_provider.api.clouddoc import bisecting, rejects
from lark_provider.api.clouddoc.creating import batch_create, read_created_ids
from lark_provider.api.clouddoc.loads import dividing, errors, looking
from lark_provider.api.clouddoc.loads.chunks import ChunkResult, EncodedChunk
from lark_provider.api.clouddoc.loads.leasing import MAX_LEASES, compute_wait, with_lease, with_required_store
from lark_provider.api.clouddoc.loads.looking import LoadTable
from lark_provider.api.clouddoc.loads.options import LoadOptions
from lark_provider.api.clouddoc.rejects import Reject
from lark_provider.protocol.codes import REPLAYED
from lark_provider.protocol.effects import Now, Sleep
from lark_provider.protocol.errors import (
    ConflictError,
    DeadlineExceededError,
    LarkAPIError,
    LarkError,
    OutcomeUnknownError,
)
from lark_provider.protocol.keys import make_client_token
from lark_provider.protocol.ledger import (
    Claimant,
    Lease,
    LedgerStep,
    Load,
    LoadChunk,
    RecordedChunk,
    WrittenChunk,
    decode_number,
    make_superseded_error,
)
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.store import Store, perform_leased, with_store

logger = logging.getLogger(__name__)

_LOOKS = 3
"""How often one chunk is looked for before a person has to."""
_OWN_OF_CHUNK, _OWN = 50, 500


@dataclass(slots=True)
class LoadWriter:
    """Writes the chunks of one load.

    Attributes:
        load: The load, as it was when this attempt began.
        key: The caller's idempotency key.
        place: The table that the load writes.
        claimant: The writer, as the table's lease names it.
        options: The options of the load.
        field_ids: The ids of the table's fields, by name.
        rows_written: How many rows of the load are known to be written.
        own: The ids of some records of the load, by which others of this app are recognized.
    """

    load: Load
    key: str
    place: LoadTable
    claimant: Claimant
    options: LoadOptions
    field_ids: dict[str, str]
    rows_written: int
    own: deque[str] = field(default_factory=lambda: deque(maxlen=_OWN))
    _looks: int = 0

    def ensure_written(
        self, number: int, content: EncodedChunk, previous: WrittenChunk | None
    ) -> Procedure[ChunkResult]:
        """Write a chunk, unless it is written already.

        Args:
            number: The number of the chunk, from 0; negative for a part of one.
            content: The rows of the chunk, encoded.
            previous: The chunk before it, to be recorded in the same commit; None if there is none to record.

        Raises:
            ConflictError: It is written with other rows, or that cannot be determined.
            NotFoundError: A column was renamed.
            OutcomeUnknownError: Its outcome is unknown; the next attempt decides.
            LarkError: It was refused, or Lark or the database is unavailable.
        """
        if self.load.state is LedgerState.DONE and number >= self.load.chunks:
            raise errors.make_longer_source_error(self.load, content.first_row, self.rows_written)
        self._looks = 0
        chunk = self.make_chunk(number, content, 0)
        step, lease = yield from self.with_lease(
            lambda store: store.ledger.record_step(self.load.id, self.claimant, previous, chunk)
        )
        if step.is_new:
            written = yield from self._send(chunk, content, lease, is_fresh=True)
        else:
            written = yield from self._continue(_require_recorded(step), content)
        self.own.extend(written.record_ids[:_OWN_OF_CHUNK])
        return written

    def _continue(self, recorded: RecordedChunk, content: EncodedChunk) -> Procedure[ChunkResult]:
        """Continue from the ledger's state of a chunk."""
        if error := errors.find_renamed_field_error(recorded.chunk, self.field_ids):
            raise error
        if recorded.state is LedgerState.DONE:
            if recorded.chunk.content != content.digest:
                raise errors.make_changed_source_error(self.load, recorded.chunk, content, self.rows_written)
            return (yield from self._return_done(recorded))
        if recorded.state is LedgerState.REFUSED:
            if recorded.chunk.number >= 0 and (yield from self.read_parts(recorded.chunk.number)):
                return (yield from dividing.resume(self, recorded, content))
            return (yield from self.write_again(recorded, content))
        if recorded.chunk.content == content.digest and recorded.age < self.options.token_window:
            step, lease = yield from self._record_resend(recorded.chunk.token, recorded.chunk)
            if not step.is_new:
                return (yield from self._continue(_require_recorded(step), content))
            return (yield from self._send(recorded.chunk, content, lease, is_fresh=False))
        return (yield from self._look_for_records(recorded.chunk.number, content))

    def _return_done(self, recorded: RecordedChunk) -> Procedure[ChunkResult]:
        """Return a chunk that was done before, with those of its rows that Lark refused."""
        chunk, ids = recorded.chunk, recorded.record_ids or ()
        refused: list[Reject] = []
        if chunk.number >= 0 and len(ids) < chunk.row_count:
            refused = dividing.list_rejects((yield from self.read_parts(chunk.number)))
        return ChunkResult(ids, replayed=chunk.row_count - len(refused), rejects=refused)

    def write_again(self, recorded: RecordedChunk, content: EncodedChunk) -> Procedure[ChunkResult]:
        """Send a chunk of which nothing was written, under a new token.

        Args:
            recorded: The chunk, as it was recorded before.
            content: The rows of the chunk, encoded.
        """
        chunk = self.make_chunk(recorded.chunk.number, content, recorded.chunk.sends + 1)
        step, lease = yield from self._record_resend(recorded.chunk.token, chunk)
        if not step.is_new:
            return (yield from self._continue(_require_recorded(step), content))
        return (yield from self._send(chunk, content, lease, is_fresh=True))

    def _send(
        self, chunk: LoadChunk, content: EncodedChunk, lease: Lease, *, is_fresh: bool
    ) -> Procedure[ChunkResult]:
        """Send a recorded chunk, under its token, for a few leases.

        Args:
            chunk: The chunk, as the ledger records it.
            content: The rows of the chunk, encoded.
            lease: The table's lease.
            is_fresh: Whether its token was never sent before: a refusal then means that nothing was written.
        """
        at, user_id_type = self.place, self.options.user_id_type
        call = batch_create(
            at.app_token, at.table_id, content.body, chunk.row_count, chunk.token, user_id_type
        )
        failure: LarkError | None = None
        for _ in range(MAX_LEASES):
            try:
                ids = read_created_ids((yield from perform_leased(call, lease)), call, chunk.row_count)
            except DeadlineExceededError as error:
                failure = error
            except OutcomeUnknownError as error:
                failure, is_fresh = error, False
                if _is_replayed(error.__cause__):
                    return (yield from self._look_for_records(chunk.number, content, error))
            except LarkError as error:
                if _is_replayed(error):
                    return (yield from self._look_for_records(chunk.number, content, error))
                if is_fresh:
                    yield from self._record_refusal(chunk, error)
                    if dividing.is_divided(self, chunk, error):
                        return (yield from dividing.divide(self, chunk, content))
                elif self.options.on_bad_row == "skip" and bisecting.is_bad_value(error):
                    # Whether an earlier request with this token was performed has to be seen first.
                    return (yield from self._look_for_records(chunk.number, content))
                bisecting.append_hint(error, chunk.row_count)
                raise
            else:
                return ChunkResult(ids, WrittenChunk(chunk.number, chunk.token, ids))
            before = lease
            step, lease = yield from self._record_resend(chunk.token, chunk)
            pause = compute_wait(before, lease, self.claimant.seconds)
            if isinstance(failure, DeadlineExceededError) and pause and step.is_new:
                yield Sleep(pause)
                step, lease = yield from self._record_resend(chunk.token, chunk)
            if not step.is_new:
                return (yield from self._continue(_require_recorded(step), content))
            if not is_fresh and _require_recorded(step).age >= self.options.token_window:
                return (yield from self._look_for_records(chunk.number, content, failure))
        assert failure is not None  # noqa: S101 - each period ends with a result or with a failure
        if is_fresh:
            yield from self._record_refusal(chunk, failure)
        raise failure

    def _look_for_records(
        self, number: int, content: EncodedChunk, why: LarkError | None = None
    ) -> Procedure[ChunkResult]:
        """Decide about an uncertain chunk by its records, once a late request cannot create them any more."""
        recorded, read_at = yield from self._wait_until_quiet(number)
        if recorded.state is not LedgerState.PENDING:
            return (yield from self._continue(recorded, content))
        if self._looks >= _LOOKS:
            raise why or _make_undecided_error(recorded)
        self._looks += 1
        is_same = recorded.chunk.content == content.digest
        sent = content if is_same else None
        ids = yield from looking.find(
            self.place, recorded, sent, self._get_marker(number), self.own, read_at=read_at
        )
        logger.info(
            "Resolved chunk with unknown outcome",
            extra={"load": self.load.id[:12], "chunk": number, "found": len(ids)},
        )
        if not ids:
            return (yield from self.write_again(recorded, content))
        done = WrittenChunk(number, recorded.chunk.token, ids)
        yield from self.with_lease(
            lambda store: store.ledger.record_step(self.load.id, self.claimant, done, None)
        )
        if not is_same:
            self.rows_written += recorded.chunk.row_count
            raise errors.make_changed_source_error(self.load, recorded.chunk, content, self.rows_written)
        return ChunkResult(ids, replayed=recorded.chunk.row_count)

    def settle(self, number: int) -> Procedure[RecordedChunk]:
        """Find out whether an uncertain chunk is written whose rows are not at hand, and return it.

        Args:
            number: The number of the chunk, from 0; negative for a part of one.

        Raises:
            ConflictError: It cannot be determined.
            LarkError: Lark or the database is unavailable.
        """
        recorded, read_at = yield from self._wait_until_quiet(number)
        if recorded.state is LedgerState.PENDING:
            ids = yield from looking.find(
                self.place, recorded, None, self._get_marker(number), self.own, read_at=read_at
            )
            done = WrittenChunk(number, recorded.chunk.token, ids)
            if ids:
                yield from self.with_lease(
                    lambda store: store.ledger.record_step(self.load.id, self.claimant, done, None)
                )
                self.rows_written += recorded.chunk.row_count
            else:
                yield from with_store(
                    lambda store: store.ledger.refuse(
                        self.load.id, number, done.token, "it was looked for and not found"
                    )
                )
            recorded = yield from self.read(number)
        self.own.extend((recorded.record_ids or ())[:_OWN_OF_CHUNK])
        return recorded

    def _wait_until_quiet(self, number: int) -> Procedure[tuple[RecordedChunk, float]]:
        """Wait until a chunk was sent long enough ago; return it, and when it was read by our clock."""
        while True:
            read_at: float = yield Now()
            recorded = yield from self.read(number)
            pause = self.options.settle_after - recorded.seconds_since_sent
            if pause <= 0 or recorded.state is not LedgerState.PENDING:
                return recorded, read_at
            logger.info(
                "Waiting before looking for the records of a chunk with unknown outcome",
                extra={"load": self.load.id[:12], "chunk": number, "wait_s": round(pause, 1)},
            )
            yield Sleep(pause)

    def read_parts(self, number: int) -> Procedure[Sequence[RecordedChunk]]:
        """Return the parts in which a chunk is written; most chunks have none."""
        return (yield from with_required_store(lambda store: store.ledger.read_parts(self.load.id, number)))

    def read(self, number: int) -> Procedure[RecordedChunk]:
        """Return a chunk as the ledger has it now."""
        chunks = yield from with_required_store(
            lambda store: store.ledger.read_chunks(self.load.id, number - 1, 1)
        )
        if not chunks or chunks[0].chunk.number != number:
            raise make_superseded_error(self.load.id)
        return chunks[0]

    def _record_refusal(self, chunk: LoadChunk, error: LarkError) -> Procedure[None]:
        reason = str(error)
        if chunk.number < 0 and isinstance(error, LarkAPIError) and bisecting.is_bad_value(error):
            # It is read back by later attempts, which do not send the part again.
            reason = rejects.encode_reject(rejects.make_reject(chunk.first_row, "", error))
        yield from with_store(
            lambda store: store.ledger.refuse(self.load.id, chunk.number, chunk.token, reason)
        )

    def _record_resend(self, token: str, chunk: LoadChunk) -> Procedure[tuple[LedgerStep, Lease]]:
        return (
            yield from self.with_lease(
                lambda store: store.ledger.resend(self.load.id, self.claimant, token, chunk)
            )
        )

    def note(self, done: WrittenChunk) -> Procedure[None]:
        """Record that a chunk is written, if that is possible at once: it need not be settled then."""
        with suppress(LarkError):
            yield from with_store(
                lambda store: store.ledger.record_step(self.load.id, self.claimant, done, None),
                wait_for_database=False,
            )

    def with_lease(self, work: Callable[[Store], LedgerStep]) -> Procedure[tuple[LedgerStep, Lease]]:
        """Do a step of the ledger that needs the table's lease; wait for another writer."""
        leased = yield from with_lease(self.options.table_wait, work)
        assert leased is not None  # noqa: S101 - the load has come from a database
        return leased

    def make_chunk(self, number: int, content: EncodedChunk, sends: int) -> LoadChunk:
        """Return a chunk as it is recorded.

        Args:
            number: The number of the chunk, from 0; negative for a part of one.
            content: The rows of the chunk, encoded.
            sends: How many tokens were used for the chunk before this one.
        """
        # Position and length are part of the token: chunks of another size are other writes.
        part = f"/{-number}" if number < 0 else ""
        what = f"{content.first_row}+{content.row_count}{part}" + (f"#{sends}" if sends else "")
        restart = f"@{self.load.restart}" if self.load.restart else ""
        # Lark would answer the tokens of a load that was forgotten with its records.
        again = f"*{self.load.record}" if self.load.record else ""
        kind = f"bulk{restart}{again}"
        token = make_client_token(self.key, self.place.app_token, self.place.table_id, kind, what)
        names = {name: self.field_ids[name] for name in sorted(content.names) if name in self.field_ids}
        return LoadChunk(
            number=number,
            first_row=content.first_row,
            row_count=content.row_count,
            content=content.digest,
            row_sums=content.row_sums,
            fields=names,
            keys=content.keys,
            token=token,
            sends=sends,
        )

    def _get_marker(self, number: int) -> tuple[str, str] | None:
        name = self.options.marker_field
        return None if name is None else (name, format_marker(self.load, decode_number(number)[0]))


def format_marker(load: Load, number: int) -> str:
    """Return what marks the records of a chunk in the marker field.

    Args:
        load: The load.
        number: The chunk.
    """
    return f"{load.id[:16]}-{number}"


def _require_recorded(step: LedgerStep) -> RecordedChunk:
    assert step.recorded is not None  # noqa: S101 - a step that was granted, and had a chunk
    return step.recorded


def _is_replayed(error: BaseException | None) -> bool:
    return isinstance(error, ConflictError) and error.code in REPLAYED


def _make_undecided_error(recorded: RecordedChunk) -> OutcomeUnknownError:
    first = recorded.chunk.first_row
    return OutcomeUnknownError(
        f"Whether rows {first} to {first + recorded.chunk.row_count - 1} are written is still unknown after "
        f"{_LOOKS} looks. Next: call again with the same key."
    )
