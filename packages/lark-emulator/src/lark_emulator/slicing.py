"""Long work as generators that give other clients their turn at each `yield`."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from lark_emulator.garbage_collection import hide_list

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

T = TypeVar("T")

#: Items that are tested or sorted, and that are merged, between two turns: some milliseconds.
RUN, TURN = 4000, 1000
#: How deep in an answer long lists are looked for.
_DEEPEST = 6
#: Items that are let go between two turns.
_FREED = 4000


def at_once(steps: Generator[None, None, T]) -> T:
    """Do all of it without a turn for others, and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


async def with_turns(steps: Generator[None, None, T]) -> T:
    """Do all of it, with a turn for other clients at each step, and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        await asyncio.sleep(0)


def filter_items(test: Callable[[T], bool], items: Sequence[T]) -> Generator[None, None, list[T]]:
    """Return the items that pass a test."""
    passed: list[T] = []
    for start in range(0, len(items), RUN):
        if start:
            hide_list(passed)
            yield
        passed += filter(test, items[start : start + RUN])
    return hide_list(passed)


def sort_items(
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
        runs.append(hide_list(sorted(items[start : start + RUN], key=key, reverse=reverse)))
    if len(runs) <= 1:
        return runs[0] if runs else []
    merging = heapq.merge(*runs, key=key, reverse=reverse)
    merged: list[T] = []
    while part := list(islice(merging, TURN)):
        merged += part
        hide_list(merged)
        yield
    for run in runs:  # all of them at once take their time, too
        run.clear()
        yield
    return merged


def free_items(held: dict[Any, Any] | list[Any]) -> Generator[None, None, None]:
    """Let go of all items: a million that nothing else holds take the process a tenth of a second at once."""
    while held:
        if isinstance(held, list):
            del held[-_FREED:]
        else:
            for _ in range(min(_FREED, len(held))):
                held.popitem()
        if held:
            yield


def collect_lists(value: Any, depth: int = 0) -> Generator[None, None, Any]:
    """Return a value with lists in the place of the iterators that are not too deep in it."""
    if isinstance(value, Iterator):
        items: list[Any] = []
        while part := list(islice(value, TURN)):
            items += part
            yield
        return items
    if depth == _DEEPEST or not isinstance(value, (dict, list)):
        return value
    for place, member in list(value.items() if isinstance(value, dict) else enumerate(value)):
        value[place] = yield from collect_lists(member, depth + 1)
    return value


def dump(value: Any) -> Generator[None, None, list[bytes]]:
    """Return a value as JSON, in parts: copies of hundreds of megabytes take their time, too.

    Long lists that are not too deep in it are written in parts. So are iterators, which are lists whose items
    are made only when they are written.
    """
    parts: list[bytes] = []
    yield from _write(value, parts, 0)
    return parts


def _write(value: Any, parts: list[bytes], depth: int) -> Generator[None, None, None]:
    if isinstance(value, Iterator):
        parts.append(b"[")
        comma = b""
        while items := list(islice(value, TURN)):
            parts.append(comma + orjson.dumps(items)[1:-1])
            comma = b","
            yield
        parts.append(b"]")
    elif depth == _DEEPEST or not isinstance(value, (dict, list)) or not value:
        parts.append(orjson.dumps(value))
    elif isinstance(value, dict):
        for place, (name, member) in enumerate(value.items()):
            parts.append((b"," if place else b"{") + orjson.dumps(name) + b":")
            yield from _write(member, parts, depth + 1)
        parts.append(b"}")
    elif len(value) > TURN:
        yield from _write(iter(value), parts, depth)
    else:
        for place, element in enumerate(value):
            parts.append(b"," if place else b"[")
            yield from _write(element, parts, depth + 1)
        parts.append(b"]")
