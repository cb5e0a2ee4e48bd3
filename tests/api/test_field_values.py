"""Values of numpy and pandas, and odd ones, in fields of each type: taken, or refused by row and field."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lark_provider.api.clouddoc import field_types as f
from lark_provider.api.clouddoc.fields import Field
from lark_provider.api.clouddoc.record_converter import Converter

UNKNOWN = 9999
"""The type of a field that is newer than the package."""
TYPES = [*(value for name, value in vars(f).items() if name.isupper() and isinstance(value, int)), UNKNOWN]
HUGE = 10**5000
"""Python writes no int of so many digits out."""
SURROGATE = "http://\ud800"
YEARS = "must be within the years 1 to 9999"
INT64 = st.integers(-(2**63) + 1, 2**63 - 1)
UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]


def numpy_time(make: Any) -> st.SearchStrategy[Any]:
    small = st.integers(-(10**6), 10**6)
    return st.builds(make, INT64 | small, st.sampled_from(UNITS))


SCALARS = st.one_of(
    numpy_time(np.datetime64),
    numpy_time(np.timedelta64),
    st.floats(width=16).map(np.float16),
    st.floats(width=32).map(np.float32),
    st.floats(),
    st.integers(),
    INT64.map(np.int64),
    st.booleans().map(np.bool_),
    st.text().map(np.str_),
    st.text(st.characters()),
    st.binary().map(np.bytes_),
    st.decimals(),
    st.datetimes(timezones=st.none() | st.just(dt.UTC)),
    st.integers(-(2**62), 2**62).map(lambda at: pd.Timestamp(at, tz="Asia/Shanghai")),
    st.sampled_from([1, -1]).map(lambda sign: sign * HUGE),  # Hypothesis writes down what it samples from
    st.sampled_from([
        None, pd.NaT, pd.NA, np.datetime64("NaT", "s"), np.timedelta64("NaT", "s"), Decimal("sNaN"),
        np.longdouble("0.1"), np.void(b"x"), dt.timedelta(1), pd.Timestamp.min, pd.Timestamp.max, 1j,
        SURROGATE,
    ]),
)  # fmt: skip
VALUES = st.one_of(
    SCALARS,
    st.tuples(SCALARS, SCALARS),
    st.lists(SCALARS, max_size=3),
    st.dictionaries(
        st.sampled_from(["id", "link", "text", "file_token", "location", "link_record_ids"]), SCALARS
    ),
)


def convert(field_type: int, value: Any, count: int = 1) -> tuple[Any, str]:
    """Convert a value, and return what is written and the reason if it was rejected."""
    converter = Converter([Field(field_name="X", type=field_type)], dt.UTC)
    wire, bad = converter.convert_all_to_wire([{"X": value}] * count, {"X"}, 7)
    orjson.dumps(wire)
    assert [(bad_value.row, bad_value.field) for bad_value in bad] == [(7 + at, "X") for at in range(count)][
        : len(bad)
    ]
    assert not bad or wire == [{}] * count
    return wire[0].get("X"), bad[0].reason if bad else ""


@settings(max_examples=1_000, deadline=None)
@given(field_type=st.sampled_from(TYPES), value=VALUES, count=st.integers(1, 2))
def test_a_value_is_written_as_json_or_refused_by_row_and_field(
    field_type: int, value: Any, count: int
) -> None:
    convert(field_type, value, count)


@given(numpy_time(np.datetime64))
@example(np.datetime64(-9_223_371_036_854_775_810, "as"))
@example(np.datetime64("2026"))
@example(np.datetime64("2026-11"))
@example(np.datetime64("2026-11-29T10"))
@example(np.datetime64("2026-11-29T10:00:00.123"))
def test_a_numpy_datetime_is_written_as_it_is_or_refused(value: np.datetime64) -> None:
    written, reason = convert(f.TEXT, value)
    assert (written is None) == bool(reason)
    if written is not None:
        assert str(value).startswith(written[:10]) or written.startswith(str(value))
    assert convert(f.DATE, value)[1] == (f"{YEARS}, got {value!r}" if reason else "")


@pytest.mark.parametrize(
    "value",
    [
        np.datetime64("10000-01-01", "us"), np.datetime64("300000-01-01"), np.datetime64(10**9, "Y"),
        np.datetime64("0000-12-31"), np.datetime64("-0001-01-01"), np.array(np.datetime64("10000-01-01")),
    ],
)  # fmt: skip
def test_a_numpy_datetime_that_python_does_not_have_is_refused(value: Any) -> None:
    assert convert(f.DATE, value) == (None, f"{YEARS}, got {value!r}")
    for field_type in (f.TEXT, f.NUMBER):
        assert convert(field_type, value)[0] is None
        assert f"got {value!r}" in convert(field_type, value)[1]


@pytest.mark.parametrize("field_type", TYPES)
@pytest.mark.parametrize(
    "missing",
    [
        np.datetime64("NaT", "s"),
        np.timedelta64("NaT", "s"),
        np.float16("nan"),
        Decimal("sNaN"),
        np.array(np.nan),
        pd.NaT,
    ],
)
def test_what_is_missing_leaves_the_cell_empty(field_type: int, missing: Any) -> None:
    assert convert(field_type, missing) == (None, "")


@pytest.mark.parametrize(
    ("field_type", "value", "written"),
    [
        (f.NUMBER, np.float16(1.5), 1.5),
        (f.CHECKBOX, np.bool_(True), True),
        (f.SINGLE_SELECT, np.str_("a"), "a"),
        (f.TEXT, np.array(np.datetime64("2026-01-31T09:00", "ns")), "2026-01-31T09:00:00"),
        (f.DATE, np.datetime64(1, "as"), 0),
        (f.DATE, pd.Timestamp("2026-01-01", tz="Asia/Shanghai"), 1767196800000),
        (f.LOCATION, (np.float64(116.3), np.float32(39.5)), "116.3,39.5"),
        (f.LOCATION, (Decimal("0E-7"), Decimal("1E-7")), "0.0000000,0.0000001"),
        (f.TEXT, Decimal("0E-20"), "0.00000000000000000000"),  # an average of zeros in PostgreSQL
        (f.TEXT, Decimal("1.20E+3"), "1200"),
        (f.TEXT, Decimal("1E-999999999"), "1E-999999999"),  # not a gigabyte
        (UNKNOWN, {"a": [1, None]}, {"a": [1, None]}),
    ],
)
def test_values_that_are_taken(field_type: int, value: Any, written: Any) -> None:
    assert convert(field_type, value) == (written, "")


@pytest.mark.parametrize(
    ("field_type", "value", "reason"),
    [
        (f.NUMBER, Decimal("Infinity"), "must be a finite number"),
        (f.NUMBER, HUGE, "got int of too many digits"),
        (f.PHONE, -HUGE, "must be a phone number"),
        (f.NUMBER, np.timedelta64(5, "s"), "must be a number"),
        (f.TEXT, np.bytes_(b"x"), "must be a str"),
        (f.URL, SURROGATE, "must be valid Unicode"),
        (f.URL, {"link": "http://x", "text": HUGE}, "must be a str"),
        (f.PERSON, "ou_\ud800", "must be valid Unicode"),
        (f.LINK, ["rec\ud800"], "must be valid Unicode"),
        (UNKNOWN, pd.Timedelta(1), "must be a value of JSON"),
    ],
    ids=itertools.count(),
)
def test_values_that_are_refused(field_type: int, value: Any, reason: str) -> None:
    assert reason in convert(field_type, value)[1]
