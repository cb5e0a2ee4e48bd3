"""Perform operations for a client: in the calling thread, or awaited."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, TypeVar

from lark_provider.engine.drivers.blocking import drive
from lark_provider.engine.session import Session
from lark_provider.protocol.calls import Call
from lark_provider.protocol.operations import Procedure

T = TypeVar("T")


class Performer:
    """A client that performs in the calling thread."""

    _session: Session

    def perform(self, operation: Call[Any] | Procedure[T]) -> T:
        """Perform an operation of `lark_provider.api`.

        Args:
            operation: A call or a procedure.

        Returns:
            Its result.
        """
        return drive(operation, self._session)

    def close(self) -> None:
        """Do nothing: connections and tokens belong to the process. Here for `with`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncPerformer:
    """A client whose results are awaited."""

    _session: Session

    async def perform(self, operation: Call[Any] | Procedure[T]) -> T:
        """Perform an operation of `lark_provider.api`; see `Performer.perform`."""
        from lark_provider.engine.drivers.asynchronous import adrive

        return await adrive(operation, self._session)

    async def aclose(self) -> None:
        """Do nothing: connections belong to the loop and close with it. Here for `async with`."""

    close = aclose

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
