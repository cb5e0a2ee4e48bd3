"""Read a listing page by page, for procedures and both clients."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import InvalidRequestError, LarkAPIError
from lark_provider.protocol.operations import Listing, Page, Procedure, perform
from lark_provider.protocol.paths import Path

T = TypeVar("T")
_PAGE = "100"


def list_items(where: Path) -> Listing[dict[str, Any]]:
    """Return the items of an endpoint with page tokens, 100 in each request.

    Args:
        where: The path of the endpoint, as `fill_path` returned it.
    """

    def read_page(token: str | None) -> Procedure[Page[dict[str, Any]]]:
        call: Call[Any] = make_request("GET", where, params={"page_size": _PAGE, "page_token": token})
        return Page.of((yield from perform(call)).data)

    return Listing(read_page)


class Pager(Generic[T]):
    """The state of reading a listing.

    Args:
        listing: The listing to read.

    Attributes:
        ended: Whether the last page has been read.
    """

    def __init__(self, listing: Listing[T]) -> None:
        if not isinstance(listing, Listing):
            raise InvalidRequestError(
                f"iterate takes a listing of lark_provider.api, got {type(listing).__name__}. Next: pass "
                "calls and procedures to `perform`."
            )
        self._listing = listing
        self._token: str | None = None
        self._seen: set[str] = set()
        self.ended = False

    def read_next_page(self) -> Procedure[list[T]]:
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
