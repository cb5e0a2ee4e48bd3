"""Why a load stops: its source has changed since a part of it was written."""

from __future__ import annotations

from collections.abc import Mapping

from lark_provider.api.clouddoc.loads.chunks import EncodedChunk, find_first_difference
from lark_provider.protocol.errors import ConflictError, NotFoundError
from lark_provider.protocol.ledger import Load, LoadChunk

_ADVICE = (
    "Next: give the source its earlier rows, in their order, and call again; or delete the rows already "
    'written, and load everything with on_clear="restart" (restart= of bulk_insert); or use another '
    "idempotency_key."
)


class SourceChangedError(ConflictError):
    """The source has other rows than those of it that are written."""


def make_changed_source_error(
    load: Load, chunk: LoadChunk, content: EncodedChunk, written: int
) -> SourceChangedError:
    """Return the error for a chunk that is written with other rows than the source has now.

    Args:
        load: The load.
        chunk: What was written.
        content: What the source has.
        written: How many rows of the load are written.
    """
    row = chunk.first_row + find_first_difference(chunk.row_sums, content.row_sums)
    return SourceChangedError(
        f"Row {row} of the source is not what load {load.id[:12]} has written: it has changed, or the order "
        f"of the rows has. {written} rows are already written, and this is the first of them that differs. "
        f"{_ADVICE}"
    )


def make_longer_source_error(load: Load, row: int, written: int) -> SourceChangedError:
    """Return the error for a source with more rows than a load that was complete.

    Args:
        load: The load.
        row: The first row that is new.
        written: How many rows of the load are written.
    """
    return SourceChangedError(
        f"Row {row} of the source is new: load {load.id[:12]} was complete with {written} rows. {_ADVICE}"
    )


def make_shorter_source_error(load: Load, rows: int, written: int) -> SourceChangedError:
    """Return the error for a source that ends before what is written.

    Args:
        load: The load.
        rows: How many rows the source has.
        written: How many rows of the load are written.
    """
    return SourceChangedError(
        f"The source ends after {rows} rows, and {written} rows of load {load.id[:12]} are already written: "
        f"row {rows + 1} is missing. {_ADVICE}"
    )


def find_renamed_field_error(chunk: LoadChunk, ids: Mapping[str, str]) -> NotFoundError | None:
    """Return the error for a field whose name belongs to another field by now; None if there is none.

    Args:
        chunk: What was recorded.
        ids: The ids of the table's fields, by name.
    """
    for name, was in chunk.fields.items():
        now = ids.get(name)
        if was and now != was:
            said = f"is field {now}" if now else "is not a field"
            return NotFoundError(
                f"Column {name!r} {said} of the table now, and was field {was} when rows from number "
                f"{chunk.first_row} were written: it was renamed or made again. Next: give the field its "
                "name back, or use another idempotency_key.",
                code=1254045,
            )
    return None
