"""Operations: what a client's method builds and the trampoline runs.

An operation is a `Call` (one request), a `Procedure` (a generator that yields calls and effects) or a
`Listing` (pages of items). None of them does anything by itself; `trampoline.run` turns them into effects.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from lark_provider.protocol.calls import Call, LarkResponse
from lark_provider.protocol.effects import Effect, Local, Memoize, Take
from lark_provider.protocol.errors import LarkAPIError

T = TypeVar("T")

Flow: TypeAlias = Generator[Effect, Any, T]
Procedure: TypeAlias = Generator[Call[Any] | Effect, Any, T]
CallOrProcedure: TypeAlias = Call[T] | Procedure[LarkResponse[T]]
"""One request; or a procedure, if other requests may have to precede it."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and the token of the page after them."""

    items: list[T]
    next_token: str | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Page[T]:
        """Read the page that a listing endpoint answered with.

        Raises:
            LarkAPIError: The answer says that there are more items, but has no page token.
        """
        token = data.get("page_token") if data.get("has_more") else None
        if data.get("has_more") and not token:
            raise LarkAPIError(
                "Lark answered has_more without a page_token, so that the rest of the listing cannot be read."
                " Next: list again.",
                retryable=True,
            )
        return cls(list(data.get("items") or ()), token)


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """All items of a paged endpoint. `page` makes the procedure for the page with a given token."""

    page: Callable[[str | None], Procedure[Page[T]]]


def perform(call: Call[T]) -> Generator[Call[T], Any, LarkResponse[T]]:
    """Make a call inside a procedure; unlike with a bare `yield`, its answer is typed."""
    answer: LarkResponse[T] = yield call
    return answer


def memoize(effect: Memoize[T]) -> Generator[Memoize[T], Any, T]:
    """Get a value that may be cached, inside a procedure; unlike with a bare `yield`, it is typed."""
    value: T = yield effect
    return value


def run_local(work: Callable[[], T], seconds: float) -> Generator[Local[T], Any, T]:
    """Run a function that blocks, inside a procedure; unlike with a bare `yield`, its result is typed."""
    result: T = yield Local(work, seconds)
    return result


def take(effect: Take[T]) -> Generator[Take[T], Any, list[T]]:
    """Get the next items of a stream, inside a procedure; unlike with a bare `yield`, they are typed."""
    items: list[T] = yield effect
    return items
