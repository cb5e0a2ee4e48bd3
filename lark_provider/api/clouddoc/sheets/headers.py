"""The header of a worksheet: the titles by which its columns are named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lark_provider.protocol.errors import InvalidRequestError


def parse_titles(header: Sequence[Any]) -> list[str]:
    """Return the titles in a header, "" for a column without one.

    Args:
        header: The first row of a range.

    Raises:
        InvalidRequestError: There are no titles, or two columns have the same one.
    """
    titles = ["" if title is None else str(title).strip() for title in header]
    named = [title for title in titles if title]
    if not named:
        raise InvalidRequestError(
            "The first row of the range is empty, and has no titles. Next: correct the range, or write a "
            "header."
        )
    twice = next((title for title in named if named.count(title) > 1), None)
    if twice is not None:
        raise InvalidRequestError(
            f"The worksheet has two columns titled {twice!r}. Next: rename one of them, or pass a range "
            "without it."
        )
    return titles
