"""What can be known of a bulk write before it is sent: the size of its chunks, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lark_provider.api.clouddoc.cells import show
from lark_provider.protocol.errors import InvalidRequestError

_PAIR = 2


def within(chunk_size: object, limit: int) -> None:
    """Check the size of chunks.

    Args:
        chunk_size: What the caller wants.
        limit: What Lark takes.

    Raises:
        InvalidRequestError: It is out of bounds.
    """
    if type(chunk_size) is not int or not 1 <= chunk_size <= limit:
        raise InvalidRequestError(
            f"chunk_size is {chunk_size!r}; Lark takes 1 to {limit} records. Next: pass one of these.",
            code=1254104,
        )


def check_changes(chunk: Sequence[Any], first: int) -> None:
    """Check pairs of record id and values.

    Args:
        chunk: The pairs.
        first: The number of the first, for the error.

    Raises:
        InvalidRequestError: One is something else.
    """
    _check(chunk, first, _is_change, "a pair of record id and dict of values")


def check_ids(chunk: Sequence[Any], first: int) -> None:
    """Check record ids.

    Args:
        chunk: The ids.
        first: The number of the first, for the error.

    Raises:
        InvalidRequestError: One is something else.
    """
    _check(chunk, first, _is_id, "a record id (rec…)")


def _check(chunk: Sequence[Any], first: int, fits: Callable[[Any], bool], what: str) -> None:
    for number, item in enumerate(chunk, first):
        if not fits(item):
            raise InvalidRequestError(
                f"Number {number} is {show(item)}, and should be {what}. Nothing of its chunk was sent. "
                "Next: correct the source."
            )


def _is_id(item: Any) -> bool:
    return isinstance(item, str) and item.strip() != ""


def _is_change(item: Any) -> bool:
    # What the values are, the converter says better.
    return isinstance(item, tuple | list) and len(item) == _PAIR and _is_id(item[0])
