"""The content of a chunk: what is sent, its digest, and a checksum of each row."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from lark_provider.protocol.errors import InvalidRequestError

_SUM_BYTES = 4
_OPTIONS = orjson.OPT_SORT_KEYS  # The order of columns may differ between two reads of a source.


@dataclass(frozen=True, slots=True)
class Content:
    """Rows as they are sent.

    Attributes:
        first_row: The number of the first row in the source, from 1.
        row_count: Rows.
        body: The request's body.
        digest: Of the rows.
        row_sums: A checksum of 4 bytes for each row.
        names: The names of the fields in use.
        keys: What the rows can be looked for by, as JSON; None if there is nothing.
    """

    first_row: int
    row_count: int
    body: bytes = field(repr=False)
    digest: str
    row_sums: bytes = field(repr=False)
    names: frozenset[str]
    keys: str | None = field(repr=False)


def content(
    wire: Sequence[Mapping[str, Any]], first_row: int, names: frozenset[str], keys: str | None
) -> Content:
    """Encode the rows of a chunk.

    Args:
        wire: The rows, as Lark takes them.
        first_row: The number of the first one.
        names: The names of their fields.
        keys: What they can be looked for by.

    Raises:
        InvalidRequestError: A row has no JSON form.
    """
    rows = [_encoded(row, number) for number, row in enumerate(wire, first_row)]
    sums = b"".join(zlib.crc32(row).to_bytes(_SUM_BYTES, "big") for row in rows)
    joined = b'},{"fields":'.join(rows)
    digest = hashlib.blake2b(joined, digest_size=32).hexdigest()
    body = b'{"records":[{"fields":' + joined + b"}]}"
    return Content(first_row, len(rows), body, digest, sums, names, keys)


def rows_of(body: bytes) -> list[dict[str, Any]]:
    """Return the rows of a request's body."""
    return [record["fields"] for record in orjson.loads(body)["records"]]


def first_difference(old: bytes, new: bytes) -> int:
    """Return the index of the first row that differs, by the checksums of two chunks.

    If one is the beginning of the other, it is the first row after the shorter one.

    Args:
        old: The checksums of one.
        new: Those of the other.
    """
    for at in range(0, min(len(old), len(new)), _SUM_BYTES):
        if old[at : at + _SUM_BYTES] != new[at : at + _SUM_BYTES]:
            return at // _SUM_BYTES
    return min(len(old), len(new)) // _SUM_BYTES


def _encoded(row: Mapping[str, Any], number: int) -> bytes:
    try:
        return orjson.dumps(row, option=_OPTIONS)
    except TypeError as error:
        raise InvalidRequestError(
            f"Record {number} of the source must be serialisable as JSON: {error}. Nothing of its chunk was "
            "sent. Next: pass dicts, lists, strings, numbers, booleans; or let the client convert it."
        ) from None
