"""Whatever a field accepts comes back: echoed as written, and read in the shape that search shows."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark_emulator.bitable.cells import Cell
from lark_emulator.bitable.values import FIELD_TYPES, echo, read, write
from lark_emulator.clock import Clock
from lark_emulator.codes import BITABLE_CODES, RefusedError
from lark_emulator.settings import Settings
from lark_emulator.world.apps import DEFAULT_APP_ID
from lark_emulator.world.bases import Base, Field
from lark_emulator.world.world import World

WORLD = World(Clock())
SETTINGS = Settings()
APP = WORLD.apps[DEFAULT_APP_ID]
TEXTS = st.text(min_size=1, max_size=50)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def make_cell(kind: int) -> Cell:
    column = Field("fldx", "F", kind, FIELD_TYPES[kind].ui_types[0])
    return Cell(WORLD, APP, Base("bx", "b", "", "UTC", set()), column, "open_id", SETTINGS)


def round_value(value: float, formatter: Any) -> Any:
    here = make_cell(2)
    here.settings = Settings(number_precision="formatter")
    here.field.property = {"formatter": formatter}
    return write(here, value)


@pytest.mark.parametrize(
    ("value", "formatter", "stored"),
    [
        (1.005, "0.00", 1.01),
        (-2.5, "0", -3),
        (1234.56, "1,000", 1235),
        (0.12345, "0.00%", 0.1235),
        (0.125, "0%", 0.13),
        (7, "0.00", 7),
        (1.5, None, 1.5),
        (1e300, "0.0", 1e300),
        (5e-324, "0.0000", 0.0),
    ],
)
def test_numbers_are_rounded_to_the_formatter(value: float, formatter: Any, stored: float) -> None:
    assert round_value(value, formatter) == stored


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["0", "0.0", "0.00", "0%"]))
def test_a_rounded_number_stays(value: float, formatter: str) -> None:
    once = round_value(value, formatter)
    assert round_value(once, formatter) == once


def round_trip(kind: int, value: Any) -> tuple[Any, Any]:
    here = make_cell(kind)
    stored = write(here, value)
    return echo(here, stored), read(here, stored)


@given(TEXTS)
def test_text(value: str) -> None:
    assert round_trip(1, value) == (value, [{"text": value, "type": "text"}])


@given(st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers(value: float) -> None:
    echoed, shown = round_trip(2, value)
    assert echoed == shown == value
    assert type(echoed) is type(value)


@given(st.lists(TEXTS, min_size=1, max_size=10))
def test_options(values: list[str]) -> None:
    unique = list(dict.fromkeys(values))
    assert round_trip(4, values) == (unique, unique)
    assert round_trip(3, values[0]) == (values[0], values[0])


@given(st.integers(0, 2**45), st.booleans())
def test_dates_and_checkboxes(moment: int, ticked: bool) -> None:
    assert round_trip(5, moment) == (moment, moment)
    assert round_trip(7, ticked) == (ticked, ticked)


@given(st.from_regex(r"\A\+?[0-9]{1,63}\Z"))
def test_phones(value: str) -> None:
    assert round_trip(13, value) == (value, value)


@given(TEXTS, TEXTS)
def test_urls(text: str, link: str) -> None:
    value = {"text": text, "link": link}
    assert round_trip(15, value) == (value, value)


@given(st.lists(st.sampled_from(sorted(WORLD.users)), min_size=1, max_size=5))
def test_people(names: list[str]) -> None:
    ids = list(dict.fromkeys(f"ou_emulator0001_{name}" for name in names))
    echoed, shown = round_trip(11, [{"id": f"ou_emulator0001_{name}"} for name in names])
    assert [person["id"] for person in echoed] == [person["id"] for person in shown] == ids


@given(st.sampled_from(sorted(FIELD_TYPES)), JSON)
def test_any_json_is_accepted_in_its_own_shape_or_refused_with_a_code(kind: int, value: Any) -> None:
    here = make_cell(kind)
    try:
        stored = write(here, value)
    except RefusedError as refusal:
        assert refusal.code.number in BITABLE_CODES  # noqa: PT017 - refused is as good as accepted
        return
    if stored is not None:
        assert orjson.loads(orjson.dumps(read(here, stored))) is not None
        assert write(here, echo(here, stored)) == stored
