"""What drivers do for the engine: the I/O that is left once effects are answered from memory."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from lark_provider.core.tokens import Flight
from lark_provider.protocol.calls import ReadFile, Send, Sleep, Take

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Wait until a flight ends. Answered with its token, or None if that took too long or cannot be."""

    flight: Flight


@dataclass(frozen=True, slots=True)
class InThread(Generic[T]):
    """Run what blocks in a thread of its own. Answered with its result, or raises what it raised.

    Attributes:
        work: What blocks; it must know how to be left behind.
        seconds: After these a `TimeoutError` is raised, whatever the thread still does.
    """

    work: Callable[[], T]
    seconds: float


Io: TypeAlias = Send | Sleep | Take[Any] | ReadFile | WaitFor | InThread[Any]
Served: TypeAlias = Generator[Io, Any, T]


def in_thread(work: Callable[[], T], seconds: float) -> Served[T]:
    """Ask for something that blocks, typed."""
    result: T = yield InThread(work, seconds)
    return result
