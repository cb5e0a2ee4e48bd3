"""Bind operations to clients. One namespace class serves both: who holds it decides how its methods run."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from lark_provider.protocol.calls import Call, LarkResponse, Listing, Operation, Procedure

P = ParamSpec("P")
T = TypeVar("T")
Awaited: TypeAlias = Coroutine[Any, Any, T]


class Sync(Protocol):
    """A client that performs at once."""

    def perform(self, operation: Call[Any] | Procedure[T]) -> T:
        """Perform an operation and return its result."""

    def iterate(self, listing: Listing[T]) -> Iterator[T]:
        """Walk through all pages."""


class Async(Protocol):
    """A client whose results are awaited."""

    async def perform(self, operation: Call[Any] | Procedure[T]) -> T:
        """Perform an operation and return its result."""

    def iterate(self, listing: Listing[T]) -> AsyncIterator[T]:
        """Walk through all pages."""


R_co = TypeVar("R_co", bound=Sync | Async, covariant=True)


class Namespace(Generic[R_co]):
    """Operations that belong together, of one client."""

    def __init__(self, runner: object) -> None:
        self.runner: Any = runner


class _Bound(Generic[P, T]):
    """A descriptor that keeps an operation's signature and docstring."""

    def __init__(self, build: Callable[P, Any]) -> None:
        self.build = build

    def performed_by(self, owner: Namespace[Any] | None) -> Any:
        """The operation as a method; of the class itself, the bare operation."""
        if owner is None:
            return self.build
        perform = owner.runner.perform
        if not inspect.iscoroutinefunction(perform):
            return self.built(perform)

        async def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            # Built when awaited, so that a wrong argument is raised there, as by any coroutine.
            return await perform(self.build(*args, **kwargs))

        return update_wrapper(method, self.build)

    def built(self, verb: Callable[[Any], Any]) -> Any:
        """The operation, built and handed to a verb."""

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return verb(self.build(*args, **kwargs))

        return update_wrapper(method, self.build)


class call(_Bound[P, T]):  # noqa: N801 - reads as a verb where it is used
    """An operation whose result is the answer to one request, as a method."""

    def __init__(self, build: Callable[P, Operation[T]]) -> None:
        super().__init__(build)

    @overload
    def __get__(self, owner: Namespace[Sync], kind: type) -> Callable[P, LarkResponse[T]]: ...
    @overload
    def __get__(
        self, owner: Namespace[Async], kind: type
    ) -> Callable[P, Coroutine[Any, Any, LarkResponse[T]]]: ...
    def __get__(self, owner: Namespace[Any] | None, kind: type) -> Any:
        """The method of this namespace, or the bare operation of the class."""
        return self.performed_by(owner)


class procedure(_Bound[P, T]):  # noqa: N801 - reads as a verb where it is used
    """An operation of several requests, as a method."""

    def __init__(self, build: Callable[P, Procedure[T]]) -> None:
        super().__init__(build)

    @overload
    def __get__(self, owner: Namespace[Sync], kind: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, owner: Namespace[Async], kind: type) -> Callable[P, Awaited[T]]: ...
    def __get__(self, owner: Namespace[Any] | None, kind: type) -> Any:
        """The method of this namespace, or the bare operation of the class."""
        return self.performed_by(owner)


class listing(_Bound[P, T]):  # noqa: N801 - reads as a verb where it is used
    """A paged operation, as a method that returns an iterator."""

    def __init__(self, build: Callable[P, Listing[T]]) -> None:
        super().__init__(build)

    @overload
    def __get__(self, owner: Namespace[Sync], kind: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, owner: Namespace[Async], kind: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, owner: Namespace[Any] | None, kind: type) -> Any:
        """The method of this namespace, or the bare operation of the class."""
        return self.build if owner is None else self.built(owner.runner.iterate)
