"""The result of a bulk write, also of one that stops part-way."""

from __future__ import annotations

from dataclasses import dataclass, field

from lark_provider.api.clouddoc.rejects import Reject
from lark_provider.protocol.errors import (
    BulkOutcomeUnknownError,
    BulkWriteError,
    LarkError,
    OutcomeUnknownError,
)


@dataclass(slots=True)
class BulkResult:
    """What a bulk write did.

    Attributes:
        written: Records written, changed or deleted; those of `replayed` included.
        record_ids: Their ids, in the order of the source.
        replayed: Records that were not sent again, since the ledger shows that they were written before.
        chunks: How many requests wrote records.
        rejects: Rows of the source that were left out, and why.
    """

    written: int = 0
    record_ids: list[str] = field(default_factory=list, repr=False)
    replayed: int = 0
    chunks: int = 0
    rejects: list[Reject] = field(default_factory=list, repr=False)


def make_progress_error(
    error: Exception,
    result: BulkResult,
    advice: str = "fix the source and write the rest",
    rows: int | None = None,
) -> Exception:
    """Return an error that says how much was written; before the first chunk, the original error.

    Args:
        error: What stopped it.
        result: What was written until then.
        advice: What to do about an error that is not Lark's.
        rows: How many rows of the source are written or rejected; by default as many as are written.
    """
    unknown = isinstance(error, OutcomeUnknownError)
    if result.written == 0 and not unknown:
        return error
    first, last = (result.written if rows is None else rows) + 1, result.written
    text = (
        f"{last} records are written; chunk {result.chunks} (records from number {first}) "
        f"{'may or may not be' if unknown else 'is not'}: {error}"
        f"{'' if isinstance(error, LarkError) else f'. Next: {advice}.'}"
    )
    kind = BulkOutcomeUnknownError if unknown else BulkWriteError
    return kind(
        text,
        written=result.written,
        failed_chunk=result.chunks,
        record_ids=result.record_ids,
        # Errors of this package say whether a retry can help; a source that failed can often be read again.
        retryable=error.retryable if isinstance(error, LarkError) else True,
    )
