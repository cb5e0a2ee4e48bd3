"""Read a listing page by page, for procedures and both clients."""

from __future__ import annotations

from typing import Generic, TypeVar

from lark_provider.protocol.errors import LarkAPIError
from lark_provider.protocol.operations import Listing, Procedure

T = TypeVar("T")


class Pager(Generic[T]):
    """The state of reading a listing.

    Args:
        listing: What to read.

    Attributes:
        ended: Whether the last page was read.
    """

    def __init__(self, listing: Listing[T]) -> None:
        self._listing = listing
        self._token: str | None = None
        self._seen: set[str] = set()
        self.ended = False

    def next_page(self) -> Procedure[list[T]]:
        """Read the next page.

        Returns:
            Its items.

        Raises:
            LarkAPIError: Lark named a page that was read before, so that reading would not end.
        """
        page = yield from self._listing.page(self._token)
        token = page.next_token
        if token in self._seen:
            raise LarkAPIError(
                f"Lark answered page_token {token!r} a second time, so that the listing would not end; "
                f"{len(self._seen)} page(s) were read before. Next: list again.",
                retryable=True,
            )
        if token is None:
            self.ended = True
        else:
            self._seen.add(token)
        self._token = token
        return page.items
