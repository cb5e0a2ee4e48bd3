"""Bind operations to clients. Both clients share one namespace class for each area of operations."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import cached_property, update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from lark_provider.protocol.calls import Call, LarkResponse
from lark_provider.protocol.operations import CallOrProcedure, Listing, Procedure

P = ParamSpec("P")
T = TypeVar("T")
Awaited: TypeAlias = Coroutine[Any, Any, T]


class Sync(Protocol):
    """A client that performs in the calling thread."""

    def perform(self, operation: Call[Any] | Procedure[T]) -> T:
        """Perform an operation and return its result."""

    def iterate(self, listing: Listing[T]) -> Iterator[T]:
        """Iterate over all pages."""


class Async(Protocol):
    """A client whose results are awaited."""

    async def perform(self, operation: Call[Any] | Procedure[T]) -> T:
        """Perform an operation and return its result."""

    def iterate(self, listing: Listing[T]) -> AsyncIterator[T]:
        """Iterate over all pages."""


R_co = TypeVar("R_co", bound=Sync | Async, covariant=True)


class Namespace(Generic[R_co]):
    """A group of operations of one client."""

    def __init__(self, runner: object) -> None:
        self.runner: Any = runner


_RETURNED = {
    "Call": "LarkResponse[{}]",
    "CallOrProcedure": "LarkResponse[{}]",
    "Procedure": "{}",
    "Listing": "Iterator[{}]",
}
"""The return type of a method by the type of the operation that it performs."""


class _OperationDescriptor(Generic[P, T]):
    """A descriptor with an operation's parameters and docstring, and the return type of the method.

    The method is made on first use and stored in the namespace object, where Python finds it from then on.
    """

    def __init__(self, build: Callable[P, Any]) -> None:
        self.build = build
        self._name = build.__name__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def as_method(self, owner: Namespace[Any] | None) -> Any:
        """Return the bound method, or the unbound operation when accessed on the class."""
        if owner is None:
            return self.bare
        perform = owner.runner.perform

        async def perform_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            # The operation is built when it is awaited, so that an invalid argument raises there, as in any
            # coroutine.
            return await perform(self.build(*args, **kwargs))

        is_async = inspect.iscoroutinefunction(perform)
        return self._keep(owner, self._describe(perform_async) if is_async else self.build_with(perform))

    def _keep(self, owner: Namespace[Any], method: Any) -> Any:
        owner.__dict__[self._name] = method
        return method

    def build_with(self, run: Callable[[Any], Any]) -> Any:
        """Return a method that builds the operation and passes it to a function."""

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return run(self.build(*args, **kwargs))

        return self._describe(method)

    @cached_property
    def bare(self) -> Callable[P, Any]:
        """The unbound operation, with the signature of the method, for `help()` on the class."""
        return self.build_with(lambda operation: operation)  # type: ignore[no-any-return]

    @cached_property
    def _signature(self) -> inspect.Signature:
        signature = inspect.signature(self.build)
        kind, _, inner = str(signature.return_annotation).removesuffix("]").partition("[")
        return signature.replace(return_annotation=_RETURNED[kind].format(inner))

    def _describe(self, method: Callable[..., Any]) -> Any:
        shown: Any = update_wrapper(method, self.build)
        shown.__signature__ = self._signature
        return shown


class CallMethod(_OperationDescriptor[P, T]):
    """An operation whose result is the answer to one request, as a method."""

    def __init__(self, build: Callable[P, CallOrProcedure[T]]) -> None:
        super().__init__(build)

    @overload
    def __get__(self, owner: Namespace[Sync], kind: type) -> Callable[P, LarkResponse[T]]: ...
    @overload
    def __get__(
        self, owner: Namespace[Async], kind: type
    ) -> Callable[P, Coroutine[Any, Any, LarkResponse[T]]]: ...
    def __get__(self, owner: Namespace[Any] | None, kind: type) -> Any:
        """Return the bound method, or the unbound operation when accessed on the class."""
        return self.as_method(owner)


class ProcedureMethod(_OperationDescriptor[P, T]):
    """An operation of several requests, as a method."""

    def __init__(self, build: Callable[P, Procedure[T]]) -> None:
        super().__init__(build)

    @overload
    def __get__(self, owner: Namespace[Sync], kind: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, owner: Namespace[Async], kind: type) -> Callable[P, Awaited[T]]: ...
    def __get__(self, owner: Namespace[Any] | None, kind: type) -> Any:
        """Return the bound method, or the unbound operation when accessed on the class."""
        return self.as_method(owner)


class ListingMethod(_OperationDescriptor[P, T]):
    """A paged operation, as a method that returns an iterator."""

    def __init__(self, build: Callable[P, Listing[T]]) -> None:
        super().__init__(build)

    @overload
    def __get__(self, owner: Namespace[Sync], kind: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, owner: Namespace[Async], kind: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, owner: Namespace[Any] | None, kind: type) -> Any:
        """Return the bound method, or the unbound operation when accessed on the class."""
        if owner is None:
            return self.bare
        method = self.build_with(owner.runner.iterate)
        if inspect.iscoroutinefunction(owner.runner.perform):
            method.__signature__ = self._async_signature
        return self._keep(owner, method)

    @cached_property
    def _async_signature(self) -> inspect.Signature:
        return self._signature.replace(return_annotation=f"Async{self._signature.return_annotation}")


class TargetNamespace(Namespace[R_co]):
    """A group of operations of one client on one target, which is their first argument.

    Args:
        runner: The client.
        target: The target, such as a worksheet, in the form that the operations take.
    """

    def __init__(self, runner: object, target: Any) -> None:
        super().__init__(runner)
        self.target = target


class _OnTarget(_OperationDescriptor[P, T]):
    """A descriptor with all parameters of an operation except the first, which is the owner's target."""

    _plain: type[_OperationDescriptor[..., Any]]

    def as_method(self, owner: Any) -> Any:
        """Return the bound method, or the unbound operation when accessed on the class."""
        if owner is None:
            return super().as_method(owner)
        bound: _OperationDescriptor[..., Any] = self.of(owner.target)
        return bound.as_method(owner)

    def of(self, target: Any) -> Any:
        """Return a descriptor of the same kind, whose operation has its first argument bound to a target."""
        whole: Callable[..., Any] = self.build

        def build(*args: Any, **kwargs: Any) -> Any:
            return whole(target, *args, **kwargs)

        signature = inspect.signature(whole)
        shown: Any = update_wrapper(build, whole)
        shown.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])
        descriptor = self._plain(shown)
        descriptor.__set_name__(type(self), self._name)
        return descriptor


class TargetMethod(_OnTarget[P, T], ProcedureMethod[P, T]):
    """An operation of several requests on the owner's target, as a method."""

    _plain = ProcedureMethod

    def __init__(self, build: Callable[Concatenate[Any, P], Procedure[T]]) -> None:
        whole: Any = build
        super().__init__(whole)


class TargetListing(_OnTarget[P, T], ListingMethod[P, T]):
    """A paged operation on the owner's target, as a method that returns an iterator."""

    _plain = ListingMethod

    def __init__(self, build: Callable[Concatenate[Any, P], Listing[T]]) -> None:
        whole: Any = build
        super().__init__(whole)

    @overload
    def __get__(self, owner: Namespace[Sync], kind: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, owner: Namespace[Async], kind: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, owner: Any, kind: type) -> Any:
        """Return the bound method, or the unbound operation when accessed on the class."""
        return self.bare if owner is None else self.of(owner.target).__get__(owner, kind)
