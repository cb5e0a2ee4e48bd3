"""Messages in several frames: joined in whatever order, and bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.protocol.longconn.fragments import FragmentLimits, Fragments
from lark_provider.protocol.longconn.frames import FrameError

SMALL = FragmentLimits(parts=5, message_bytes=100, messages=3, total_bytes=200, seconds=5.0)


@given(
    st.dictionaries(
        st.text(max_size=3), st.lists(st.binary(max_size=9), min_size=2, max_size=7), min_size=1, max_size=5
    ),
    st.data(),
)
def test_messages_are_joined_in_whatever_order_their_parts_come(
    messages: dict[str, list[bytes]], draw: st.DataObject
) -> None:
    parts = [(name, number) for name, content in messages.items() for number in range(len(content))]
    # Some come twice; one that comes after its message is complete begins another one, which never is.
    order = draw.draw(st.permutations(parts))
    fragments, whole = Fragments(), dict[str, bytes]()
    for now, (name, number) in enumerate(order):
        content = messages[name]
        for _ in range(draw.draw(st.integers(1, 2))):
            if name not in whole:
                message = fragments.add(name, number, len(content), content[number], now * 0.01)
                if message is not None:
                    whole[name] = message
    assert whole == {name: b"".join(content) for name, content in messages.items()}
    assert fragments.due is None
    assert fragments._size == 0


def test_a_message_expires_after_its_last_part() -> None:
    fragments = Fragments(SMALL)
    fragments.add("a", 0, 3, b"a", 0.0)
    fragments.add("b", 0, 2, b"b", 1.0)
    fragments.add("a", 1, 3, b"a", 4.0)
    assert fragments.due == 6.0  # b's
    assert fragments.expire(5.9) == []
    assert fragments.expire(6.0) == ["b"]
    assert fragments.due == 9.0
    assert fragments.add("b", 1, 2, b"b", 8.0) is None  # its other part is gone
    assert fragments.add("a", 2, 3, b"a", 8.9) == b"aaa"
    assert fragments.expire(100.0) == ["b"]
    assert fragments._size == 0


@pytest.mark.parametrize(("part", "parts"), [(-1, 3), (3, 3), (0, 6), (0, 10**9), (5, 1), (0, 0), (0, -2)])
def test_numbers_that_cannot_be_are_rejected_and_the_message_dropped(part: int, parts: int) -> None:
    fragments = Fragments(SMALL)
    fragments.add("a", 0, 2, b"a", 0.0)
    with pytest.raises(FrameError, match=f"part: {part} of {parts}"):
        fragments.add("a", part, parts, b"a", 0.0)
    assert fragments.due is None


def test_parts_have_to_agree_on_their_number() -> None:
    fragments = Fragments(SMALL)
    fragments.add("a", 0, 2, b"a", 0.0)
    with pytest.raises(FrameError, match="2 and 3"):
        fragments.add("a", 1, 3, b"a", 0.0)
    assert (fragments.due, fragments._size) == (None, 0)


def test_a_message_has_a_largest_size() -> None:
    fragments = Fragments(SMALL)
    fragments.add("a", 0, 3, b"x" * 60, 0.0)
    with pytest.raises(FrameError, match="more than 100 bytes"):
        fragments.add("a", 1, 3, b"x" * 41, 0.0)
    assert (fragments.due, fragments._size) == (None, 0)
    assert fragments.add("a", 0, 2, b"x" * 60, 0.0) is None
    assert fragments.add("a", 1, 2, b"x" * 40, 0.0) == b"x" * 100


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.integers(0, 60)), max_size=60))
def test_what_is_held_is_bounded(arrivals: list[tuple[int, int, int]]) -> None:
    fragments = Fragments(SMALL)
    for now, (name, part, size) in enumerate(arrivals):
        try:
            fragments.add(str(name), part, 5, bytes(size), now * 0.1)
        except FrameError:
            assert size > 0
        held = fragments._messages.values()
        assert fragments._size == sum(len(part) for message in held for part in message.parts.values())
        assert fragments._size <= SMALL.total_bytes
        assert len(held) <= SMALL.messages
        assert [message.due for message in held] == sorted(message.due for message in held)


def test_the_oldest_gives_way() -> None:
    fragments = Fragments(SMALL)
    for now, name in enumerate("abcd"):
        fragments.add(name, 0, 2, b"x", float(now))
    assert list(fragments._messages) == ["b", "c", "d"]
    fragments.add("c", 0, 2, b"again", 5.0)  # came already: only its time is new
    assert fragments.add("c", 1, 2, b"y", 5.0) == b"xy"
