"""Check the arguments of bulk writes before sending: the size of chunks, and their items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from lark_provider.api.clouddoc.cells import PAIR, show
from lark_provider.protocol.errors import InvalidRequestError


def within(chunk_size: object, limit: int) -> None:
    """Check the size of chunks.

    Args:
        chunk_size: The size that the caller passed.
        limit: The largest chunk that Lark takes.

    Raises:
        InvalidRequestError: It is out of bounds.
    """
    if type(chunk_size) is not int or not 1 <= chunk_size <= limit:
        raise InvalidRequestError(
            f"chunk_size must be an int from 1 to {limit}, got {chunk_size!r}. Next: pass a number such as "
            f"{limit}.",
            code=1254104,
        )


def check(chunk: Sequence[Any], first: int, kind: Literal["id", "change"]) -> None:
    """Check the items of a chunk.

    Args:
        chunk: The items.
        first: The number of the first item, for the error.
        kind: What each has to be: a record id, or a pair of record id and values.

    Raises:
        InvalidRequestError: One is something else.
    """
    fits, what, example = _KINDS[kind]
    for number, item in enumerate(chunk, first):
        if not fits(item):
            raise InvalidRequestError(
                f"Record {number} of the source must be {what}, got {show(item)}. Nothing of its chunk was "
                f"sent. Next: make the source yield {example}."
            )


def _is_id(item: Any) -> bool:
    return isinstance(item, str) and item.strip() != ""


def _is_change(item: Any) -> bool:
    # The values are checked by the converter, field by field.
    return isinstance(item, tuple | list) and len(item) == PAIR and _is_id(item[0])


_KINDS: dict[str, tuple[Callable[[Any], bool], str, str]] = {
    "id": (_is_id, "a record id (rec…)", "the record_id of each record"),
    "change": (_is_change, "a pair of record id and dict of values", "('rec…', {'Name': 'Alice'})"),
}
