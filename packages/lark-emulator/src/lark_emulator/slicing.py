"""Long work as generators that give other clients their turn at each `yield`. Pure."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Sequence

T = TypeVar("T")

#: Items that are tested or sorted, and that are merged, between two turns: some milliseconds.
RUN, TURN = 4000, 1000
#: How deep in an answer long lists are looked for.
_DEEPEST = 6
_TRIES = 3


def at_once(steps: Generator[None, None, T]) -> T:
    """Do all of it without a turn for others, and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


def undisturbed(
    version: Callable[[], Hashable], begin: Callable[[], Generator[None, None, T]]
) -> Generator[None, None, T]:
    """Do what must not see a change half-way: it begins again when there was one, and at last goes at once.

    Args:
        version: tells one state of what is read from the next.
        begin: begins the work.
    """
    for _ in range(_TRIES):
        seen, steps = version(), begin()
        while version() == seen:
            try:
                next(steps)
            except StopIteration as done:
                result: T = done.value
                return result
            yield
    return at_once(begin())


def filtered(test: Callable[[T], bool], items: Sequence[T]) -> Generator[None, None, list[T]]:
    """Return the items that pass a test."""
    passed: list[T] = []
    for start in range(0, len(items), RUN):
        if start:
            yield
        passed += filter(test, items[start : start + RUN])
    return passed


def ordered(
    items: Sequence[T], key: Callable[[T], Any], *, reverse: bool = False
) -> Generator[None, None, list[T]]:
    """Return the items sorted as `sorted` does: in runs, which are merged.

    Keys are made when they are compared, and not kept: a million tuples more would stop the whole process for
    the garbage collector's rounds.
    """
    runs: list[list[T]] = []
    for start in range(0, len(items), RUN):
        if start:
            yield
        runs.append(sorted(items[start : start + RUN], key=key, reverse=reverse))
    if len(runs) <= 1:
        return runs[0] if runs else []
    merged: list[T] = []
    for item in heapq.merge(*runs, key=key, reverse=reverse):
        merged.append(item)
        if len(merged) % TURN == 0:
            yield
    return merged


def dumped(value: Any) -> Generator[None, None, bytes]:
    """Return a value as JSON; long lists that are not too deep in it are written in parts."""
    parts: list[bytes] = []
    yield from _write(value, parts, 0)
    return b"".join(parts)  # once: copies of hundreds of megabytes take their time, too


def _write(value: Any, parts: list[bytes], depth: int) -> Generator[None, None, None]:
    if depth == _DEEPEST or not isinstance(value, (dict, list)) or not value:
        parts.append(orjson.dumps(value))
    elif isinstance(value, dict):
        for place, (name, member) in enumerate(value.items()):
            parts.append((b"," if place else b"{") + orjson.dumps(name) + b":")
            yield from _write(member, parts, depth + 1)
        parts.append(b"}")
    elif len(value) > TURN:
        for start in range(0, len(value), TURN):
            parts += (b"," if start else b"[", orjson.dumps(value[start : start + TURN])[1:-1])
            yield
        parts.append(b"]")
    else:
        for place, each in enumerate(value):
            parts.append(b"," if place else b"[")
            yield from _write(each, parts, depth + 1)
        parts.append(b"]")
