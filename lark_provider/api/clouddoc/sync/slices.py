"""Parse the records of a page a few at a time.

A page of 500 records with ten texts each is 10,000 lists and dicts. If all of them are in use at once, each
page starts the garbage collector, which then visits every object of the process; that took as long as parsing
and comparing. The objects of a slice are freed before there are enough of them to start it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

Skim: TypeAlias = "Callable[[bytes], dict[str, Any] | None] | None"
"""See `Call.skim`."""

_BYTES = 16 * 1024
"""The size of a slice, which has about as many containers as may be allocated before the garbage collector
starts; see `gc.get_threshold`."""
_ITEMS = b'"items":['
_BETWEEN = b"},{"


@dataclass(frozen=True, slots=True)
class Slices:
    """The records of a page, some at a time, parsed while they are iterated over.

    Attributes:
        content: The whole answer.
        start: Where in it the first record begins.
        end: Where the last record ends.
        size: Bytes of a slice, at least, but for the last one.
    """

    content: bytes
    start: int
    end: int
    size: int = _BYTES

    def __iter__(self) -> Iterator[list[Any]]:
        """Parse the records, and yield them in lists, one for each slice.

        The answer is cut at commas that look like the end of a record, without parsing it first. A cut in the
        middle of a record does no harm: the part before it is then not valid JSON, and parsing raises. If all
        parts parse as arrays, their items together are exactly the records. Wrong cuts are rare, because the
        text that is searched for, such as `},{"fields":`, cannot occur inside a string (its quotes would be
        escaped) and hardly occurs in nested values.

        Raises:
            orjson.JSONDecodeError: A part is not JSON. The whole answer may be, and what it says then counts.
        """
        first = self.content.find(b":", self.start, self.end) + 1
        between = b"}," + self.content[self.start : first]  # as in `},{"fields":`
        start = self.start
        while start < self.end:
            cut = self.content.find(between, start + self.size, self.end)
            stop = self.end if cut < 0 else cut + 1
            yield orjson.loads(b"[%b]" % self.content[start:stop])
            start = stop + 1

    def parse_whole(self) -> dict[str, Any]:
        """Parse the whole answer, and return its data.

        Raises:
            orjson.JSONDecodeError: It is not JSON.
        """
        data: dict[str, Any] = orjson.loads(self.content)["data"]
        return data


def slice_page(content: bytes, size: int = _BYTES) -> dict[str, Any] | None:
    """Return the data of a page with `Slices` as its `items`, or None if it is to be parsed as a whole.

    If another array follows the items, the data may lack members; a slice is then not valid JSON, so that the
    answer is parsed as a whole after all.

    Args:
        content: A successful answer to a search.
        size: Bytes of a slice, at least.
    """
    start, end = content.find(_ITEMS) + len(_ITEMS), content.rfind(b"]")
    if end < start:
        return None
    before, after = content[:start], content[end:]
    try:
        # What was cut out is the items of the page if they are [] without it and [0] with a 0 in its place.
        empty, zero = orjson.loads(before + after), orjson.loads(before + b"0" + after)
        if type(empty["code"]) is not int or empty["code"]:
            return None
        if (empty["data"]["items"], zero["data"]["items"]) != ([], [0]):
            return None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return {**empty["data"], "items": Slices(content, start, end, size)}


def feed_records(data: Mapping[str, Any], see: Callable[[Sequence[Any]], None]) -> dict[str, Any]:
    """Pass the records of a page to a function, some at a time.

    Args:
        data: The page, its items parsed or in slices.
        see: Takes records. If they cannot be parsed in slices, it is given some of them a second time.

    Returns:
        The page without its items.

    Raises:
        orjson.JSONDecodeError: The answer is not JSON.
    """
    items = data.get("items")
    if isinstance(items, Slices):
        try:
            for records in items:
                see(records)
        except orjson.JSONDecodeError:
            data = items.parse_whole()
            items = data.get("items")
    if not isinstance(items, Slices):
        see(items or ())
    return {name: value for name, value in data.items() if name != "items"}
