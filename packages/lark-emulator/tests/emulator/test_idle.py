"""What an idle emulator does not load, and that long work in slices gives what it gives at once."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark_emulator import garbage_collection, slicing
from lark_emulator.garbage_collection import hide_list
from lark_emulator.slicing import at_once, collect_lists, dump, filter_items, free_items, sort_items

#: Each costs memory or time that only encrypted events, uploads, downloads or conversions need.
NOT_LOADED = (
    "cryptography", "csv", "ctypes", "email", "http.client", "importlib.resources",
    "lark_emulator.fallback.answers", "lark_emulator.persistence", "lark_emulator.reach.authority",
    "mimetypes", "tempfile", "xml", "zipfile",
)  # fmt: skip
_LOADED = """
import sys
from lark_emulator import __main__, serving, starting
starting.make_preparation(None, None)
print(*sys.modules)
"""


def test_an_idle_command_loads_nothing_that_only_some_requests_need() -> None:
    arguments = [sys.executable, "-c", _LOADED]
    run = subprocess.run(arguments, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    loaded = set(run.stdout.split())
    assert "lark_emulator.routes" in loaded
    assert loaded.isdisjoint(NOT_LOADED)


@settings(deadline=None)
@given(items=st.lists(st.tuples(st.integers(0, 3), st.integers())), reverse=st.booleans())
def test_sorting_in_slices_is_stable_as_sorted_is(items: list[tuple[int, int]], *, reverse: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slicing, "RUN", 3)
        patch.setattr(slicing, "TURN", 2)
        ordered = at_once(sort_items(items, lambda pair: pair[0], reverse=reverse))
        odd = at_once(filter_items(lambda pair: pair[1] % 2 == 1, items))
    assert ordered == sorted(items, key=lambda pair: pair[0], reverse=reverse)
    assert odd == [pair for pair in items if pair[1] % 2 == 1]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=4),
)


@settings(deadline=None)
@given(value=_JSON)
def test_json_in_slices_is_the_same_json(value: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slicing, "TURN", 2)
        written = b"".join(at_once(dump(value)))
    assert written == orjson.dumps(value)


def test_many_items_give_others_their_turn() -> None:
    numbers = list(range(10 * slicing.RUN))
    turns = sum(1 for _ in sort_items(numbers, lambda n: -n))
    assert turns >= 10 * slicing.RUN // slicing.TURN
    assert sum(1 for _ in dump({"deep": [{"rows": numbers}]})) == 10 * slicing.RUN // slicing.TURN
    assert sum(1 for _ in filter_items(bool, numbers)) == 9


def test_iterators_are_lists_when_they_are_written_or_read() -> None:
    many = range(3 * slicing.TURN + 1)
    expected = {"few": [], "tables": [{"rows": list(many)}]}

    def lazy() -> dict[str, object]:
        return {"few": iter(()), "tables": [{"rows": iter(many)}]}

    assert b"".join(at_once(dump(lazy()))) == orjson.dumps(expected)
    assert at_once(collect_lists(lazy())) == expected
    assert sum(1 for _ in dump(lazy())) == sum(1 for _ in collect_lists(lazy())) == 4


@pytest.mark.parametrize("held", [dict.fromkeys(range(10_000)), list(range(10_000))])
def test_much_is_let_go_in_turns(held: dict[int, None] | list[int]) -> None:
    assert sum(1 for _ in free_items(held)) == 2
    assert not held


def test_a_long_list_is_not_the_collectors_business() -> None:
    short, long = [object()], [object()] * 10_000
    assert hide_list(long) is long
    assert (gc.is_tracked(hide_list(short)), gc.is_tracked(long)) == (True, False)
    long.append(object())
    assert not gc.is_tracked(long)


@pytest.fixture
def _unfrozen() -> Iterator[None]:
    """Unfreeze what pytest has collected for a test, so that the test alone freezes."""
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.mark.usefixtures("_unfrozen")
@pytest.mark.parametrize(("longest", "is_spared"), [(0.0, True), (1e9, False)])
def test_what_outlives_a_long_collection_is_spared(
    monkeypatch: pytest.MonkeyPatch, longest: float, *, is_spared: bool
) -> None:
    monkeypatch.setattr(garbage_collection, "MAX_S", longest)
    collector = garbage_collection.Collector()
    collector.install()
    try:
        gc.collect()
        assert (gc.get_freeze_count() > 0) is is_spared
    finally:
        collector.remove()
    assert gc.get_freeze_count() == 0
