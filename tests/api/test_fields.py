"""Cells: what Python has, what Lark takes, and back."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pandas as pd
import pendulum
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lark_provider.api.clouddoc import fields as f
from lark_provider.api.clouddoc.fields import Field
from lark_provider.api.clouddoc.record_converter import Converter

SHANGHAI = ZoneInfo("Asia/Shanghai")
WRITABLE = [
    f.TEXT, f.NUMBER, f.SINGLE_SELECT, f.MULTI_SELECT, f.DATE, f.CHECKBOX, f.PERSON, f.PHONE, f.URL,
    f.ATTACHMENT, f.LINK, f.DUPLEX_LINK, f.LOCATION, f.GROUP,
]  # fmt: skip


def make_text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def convert(field_type: int, value: Any, zone: dt.tzinfo | None = None) -> Any:
    converter = Converter([Field(field_name="X", type=field_type)], zone)
    wire, bad = converter.to_wire({"X": value})
    assert not bad, bad
    return wire.get("X")


def refuse(field_type: int, value: Any) -> str:
    wire, bad = Converter([Field(field_name="X", type=field_type)]).to_wire({"X": value}, row=7)
    assert "X" not in wire
    (bad_value,) = bad
    assert (bad_value.row, bad_value.field) == (7, "X")
    return str(bad_value)


@pytest.mark.parametrize(
    ("field_type", "value", "wire"),
    [
        (f.TEXT, "你好 🎉", "你好 🎉"),
        (f.TEXT, 12, "12"),
        (f.TEXT, Decimal("1.50"), "1.50"),
        (f.TEXT, dt.date(2013, 1, 1), "2013-01-01"),
        (f.NUMBER, 3, 3),
        (f.NUMBER, 1.5, 1.5),
        (f.NUMBER, Decimal("0.1"), 0.1),
        (f.NUMBER, Decimal("1E+3"), 1000),
        (f.NUMBER, " 12.5 ", 12.5),
        (f.NUMBER, Decimal(1) / 3, 1 / 3),
        (f.NUMBER, np.int64(3), 3),
        (f.DATE, pd.Timestamp("2013-01-01T10:00:00Z"), 1357034400000),
        (f.DATE, "1970-01-02", 86400000),
        (f.MULTI_SELECT, np.array(["a", "b"]), ["a", "b"]),
        (f.SINGLE_SELECT, "UA", "UA"),
        (f.MULTI_SELECT, "a", ["a"]),
        (f.MULTI_SELECT, ("b", "a"), ["b", "a"]),
        (f.MULTI_SELECT, {"b", "a"}, ["a", "b"]),
        (f.DATE, dt.datetime(2013, 1, 1, 10, tzinfo=dt.UTC), 1357034400000),
        (f.DATE, dt.datetime(2013, 1, 1, 18, tzinfo=SHANGHAI), 1357034400000),
        (f.DATE, "2013-01-01T10:00:00Z", 1357034400000),
        (f.DATE, dt.date(1970, 1, 2), 86400000),
        (f.DATE, pendulum.datetime(2013, 1, 1, 18, tz="Asia/Shanghai"), 1357034400000),
        (f.DATE, pendulum.date(1970, 1, 2), 86400000),
        (f.DATE, 1357034400000, 1357034400000),
        (f.DATE, dt.datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=dt.UTC), -1),
        (f.CHECKBOX, True, True),
        (f.CHECKBOX, "FALSE", False),
        (f.PERSON, "ou_1", [{"id": "ou_1"}]),
        (f.PERSON, [{"id": "ou_1", "name": "李雷"}, "ou_2"], [{"id": "ou_1"}, {"id": "ou_2"}]),
        (f.PHONE, "+8613800000000", "+8613800000000"),
        (f.PHONE, 13800000000, "13800000000"),
        (f.URL, "https://a.example", {"text": "https://a.example", "link": "https://a.example"}),
        (f.URL, ("a", "https://a.example"), {"text": "a", "link": "https://a.example"}),
        (f.ATTACHMENT, "box1", [{"file_token": "box1"}]),
        (f.LINK, "rec1", ["rec1"]),
        (f.DUPLEX_LINK, {"link_record_ids": ["rec1"]}, ["rec1"]),
        (f.LOCATION, (121.47, 31.23), "121.47,31.23"),
        (f.GROUP, "oc_1", [{"id": "oc_1"}]),
        (99, {"whatever": 1}, {"whatever": 1}),
    ],
)
def test_values_become_what_their_field_takes(field_type: int, value: Any, wire: Any) -> None:
    converted = convert(field_type, value)
    assert converted == wire
    assert type(converted) is type(wire)


@pytest.mark.parametrize(
    ("field_type", "value", "reason"),
    [
        (f.TEXT, {"a": 1}, "must be a str, a date or a number, got {'a': 1}"),
        (f.TEXT, "x" * 100_001, "must have at most 100000 characters"),
        (f.NUMBER, "twelve", "must be a number, got"),
        (f.NUMBER, True, "must be a number, got"),
        (f.NUMBER, float("inf"), "must be a finite number"),
        (f.NUMBER, Decimal("Infinity"), "must be a finite number"),
        (f.NUMBER, Decimal("12345678901234567.89"), "must be at most 9007199254740992"),
        (f.NUMBER, "1_000", "must be a number, got"),
        (f.TEXT, "\ud800", "surrogate"),
        (f.DATE, "1712011200000", "ISO 8601"),
        (f.DATE, 10**18, "before the year 10000"),
        (f.DATE, 1_357_034_400, "must be milliseconds, not seconds"),
        (f.DATE, np.int64(1_357_034_400), "must be milliseconds, not seconds"),
        (f.DATE, -1_357_034_400, "must be milliseconds, not seconds"),
        (f.MULTI_SELECT, {1, "a"}, "must be the name of an option"),
        (f.PHONE, "+", "must be a phone number"),
        (f.LOCATION, (999, 0), "within ±180"),
        (f.NUMBER, 2**53 + 1, "must be at most 9007199254740992"),
        (f.SINGLE_SELECT, 1, "must be the name of an option"),
        (f.MULTI_SELECT, [1], "must be the name of an option"),
        (f.DATE, dt.datetime(2013, 1, 1), "must be an aware datetime"),  # noqa: DTZ001 - the point
        (f.DATE, "01/02/2013", "ISO 8601"),
        (f.DATE, True, "must be a datetime, a date"),
        (f.CHECKBOX, 1, "must be True or False"),
        (f.PERSON, "a@b.example", "must be an open_id, not an e-mail address"),
        (f.PERSON, [{}], "must name a person"),
        (f.PHONE, "call me", "must be a phone number"),
        (f.URL, 5, "must be a URL, (text, URL)"),
        (f.LINK, 5, "record ids"),
        (f.LOCATION, "here", "must be (longitude, latitude)"),
        (f.FORMULA, 1, "must be left out, since Lark computes this field"),
        (f.AUTO_NUMBER, "1", "must be left out, since Lark computes this field"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_row_field_and_reason(
    field_type: int, value: Any, reason: str
) -> None:
    text = refuse(field_type, value)
    assert text.startswith("row 7, field 'X': ")
    assert reason in text
    assert len(text) < 300


@pytest.mark.parametrize("field_type", WRITABLE)
def test_missing_is_empty_whatever_the_type(field_type: int) -> None:
    assert Converter([Field(field_name="X", type=field_type)]).to_wire({"X": None}) == ({}, [])
    converter = Converter([Field(field_name="X", type=field_type)])
    for missing in (float("nan"), Decimal("NaN"), pd.NaT, pd.NA, np.float64("nan")):
        assert converter.to_wire({"X": missing}) == ({}, [])
    assert converter.to_wire({"X": None}, clear=True) == ({"X": None}, [])


TYPED = [field_type for field_type in WRITABLE if field_type != f.TEXT]


@pytest.mark.parametrize("field_type", TYPED)
@pytest.mark.parametrize("empty", ["", np.str_("")])
def test_an_empty_text_in_a_typed_column_is_refused_or_missing(field_type: int, empty: str) -> None:
    reason = refuse(field_type, empty)
    assert "for an empty cell pass None, or empty_as_none=True" in reason
    converter = Converter([Field(field_name="X", type=field_type)], empty_as_none=True)
    assert converter.to_wire({"X": empty}) == ({}, [])
    assert converter.to_wire({"X": empty}, clear=True) == ({"X": None}, [])


def test_an_empty_text_in_a_text_column_is_a_text() -> None:
    for empty_as_none in (False, True):
        converter = Converter([Field(field_name="X", type=f.TEXT)], empty_as_none=empty_as_none)
        assert converter.convert_all_to_wire([{"X": ""}, {"X": 1}], {"X"}) == ([{"X": ""}, {"X": "1"}], [])


def test_naive_datetimes_take_the_zone_that_is_named() -> None:
    assert convert(f.DATE, dt.datetime(2013, 1, 1, 18), SHANGHAI) == 1357034400000  # noqa: DTZ001
    assert convert(f.DATE, dt.date(2013, 1, 1), SHANGHAI) == 1356969600000
    assert convert(f.DATE, np.datetime64("2013-01-01T18:00:00", "ns"), SHANGHAI) == 1357034400000


def test_an_unknown_field_gets_a_suggestion() -> None:
    converter = Converter(
        [Field(field_name="Carrier", type=f.TEXT), Field(field_name="Miles", type=f.NUMBER)]
    )
    _, bad = converter.to_wire({"carrier": "UA"})
    assert "did you mean 'Carrier'?" in str(bad[0])
    _, bad = converter.to_wire({"zzz": "UA"})
    assert "it has 'Carrier', 'Miles'" in str(bad[0])


def test_a_record_that_is_not_a_dict_is_named() -> None:
    _, bad = Converter([]).to_wire("UA 1545", 3)  # type: ignore[arg-type]
    assert "row 3" in str(bad[0])


@pytest.mark.parametrize(
    ("field_type", "read", "value"),
    [
        (f.TEXT, [{"type": "text", "text": "a"}, {"type": "url", "text": "b", "link": "https://b"}], "ab"),
        (f.DATE, 1357034400000, dt.datetime(2013, 1, 1, 10, tzinfo=dt.UTC)),
        (f.LINK, {"link_record_ids": ["rec1"]}, ["rec1"]),
        (f.FORMULA, {"type": 1, "value": [{"type": "text", "text": "x"}]}, "x"),
        (
            f.FORMULA,
            {"type": 1, "value": [make_text("at "), {**make_text("@Ann"), "type": "mention"}]},
            "at @Ann",
        ),
        (f.FORMULA, {"type": 1, "value": []}, None),
        (f.FORMULA, {"type": 1, "value": [make_text("")]}, ""),
        (f.FORMULA, {"type": 2, "value": [42]}, 42),
        (f.FORMULA, {"type": 2, "value": [0]}, 0),
        (f.FORMULA, {"type": 2, "ui_type": "Currency", "value": [1.5]}, 1.5),
        (f.FORMULA, {"type": 2, "value": []}, None),
        (f.FORMULA, {"type": 2, "value": None}, None),
        (f.FORMULA, {"type": 2, "value": [1, 2]}, [1, 2]),
        (f.FORMULA, {"type": 5, "value": [0]}, dt.datetime(1970, 1, 1, tzinfo=dt.UTC)),
        (f.FORMULA, {"type": 7, "value": [False]}, False),
        (f.FORMULA, {"type": 3, "value": ["UA"]}, "UA"),
        (f.FORMULA, {"type": 4, "value": ["a"]}, ["a"]),
        (f.FORMULA, {"type": 11, "value": [{"id": "ou_1"}]}, [{"id": "ou_1"}]),
        (f.FORMULA, {"type": 18, "value": [{"link_record_ids": ["rec1"]}]}, ["rec1"]),
        (f.FORMULA, 42, 42),
        (f.LOOKUP, {"type": 1, "value": [make_text("Ann"), make_text("Bob")]}, ["Ann", "Bob"]),
        (f.LOOKUP, {"type": 1, "value": [make_text("Ann")]}, ["Ann"]),
        (
            f.LOOKUP,
            {"type": 1, "value": [[make_text("An"), make_text("n")], [make_text("Bob")]]},
            ["Ann", "Bob"],
        ),
        (f.LOOKUP, {"type": 1, "value": []}, []),
        (f.LOOKUP, {"type": 1, "value": None}, []),
        (f.LOOKUP, {"type": 2, "value": [42]}, [42]),
        (f.LOOKUP, {"type": 2, "value": 42}, [42]),
        (f.LOOKUP, {"type": 18, "value": [{"link_record_ids": ["rec1", "rec2"]}]}, ["rec1", "rec2"]),
        (f.LOOKUP, {"type": 11, "value": [{"id": "ou_1"}]}, [{"id": "ou_1"}]),
        (f.LOOKUP, "x", ["x"]),
        (f.LOOKUP, {"type": 5, "value": [0]}, [dt.datetime(1970, 1, 1, tzinfo=dt.UTC)]),
        (f.NUMBER, 3, 3),
        (f.CREATED_TIME, 0, dt.datetime(1970, 1, 1, tzinfo=dt.UTC)),
        (f.PERSON, [{"id": "ou_1", "name": "x"}], [{"id": "ou_1", "name": "x"}]),
    ],
)
def test_what_is_read_becomes_python(field_type: int, read: Any, value: Any) -> None:
    assert Converter([Field(field_name="X", type=field_type)]).from_wire({"X": read}) == {"X": value}


def test_a_field_since_deleted_is_left_as_it_is() -> None:
    assert Converter([]).from_wire({"Old": [1]}) == {"Old": [1]}


ZONES = [dt.UTC, SHANGHAI, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")]


@given(moment=st.datetimes(timezones=st.sampled_from(ZONES)), zone=st.none() | st.sampled_from(ZONES))
def test_dates_come_back_to_the_millisecond(moment: dt.datetime, zone: dt.tzinfo | None) -> None:
    # Before 1972 zones had seconds in their offsets, of which tz databases remember some.
    assume(dt.datetime(1972, 1, 1, tzinfo=dt.UTC) < moment < dt.datetime(9999, 12, 29, tzinfo=dt.UTC))
    converter = Converter([Field(field_name="X", type=f.DATE)], zone)
    wire, bad = converter.to_wire({"X": moment})
    assert not bad
    back = converter.from_wire(wire)["X"]
    assert abs(back.astimezone(dt.UTC) - moment.astimezone(dt.UTC)) < dt.timedelta(milliseconds=1)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**10), max_value=10**10))
def test_decimals_arrive_without_losing_a_digit(amount: Decimal) -> None:
    assert Decimal(repr(convert(f.NUMBER, amount))) == amount


@given(
    field_type=st.sampled_from(WRITABLE),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_every_value_is_converted_or_named_never_both(field_type: int, value: Any) -> None:
    wire, bad = Converter([Field(field_name="X", type=field_type)]).to_wire({"X": value})
    assert len(wire) + len(bad) <= 1


ONE_KIND = [
    st.integers(), st.integers(-5, 5), st.floats(), st.booleans(), st.text(max_size=5), st.text("\ud800a"),
    st.datetimes(timezones=st.sampled_from(ZONES)),
    st.datetimes(timezones=st.none() | st.sampled_from(ZONES)),
]  # fmt: skip


@given(
    field_type=st.sampled_from(WRITABLE),
    values=st.sampled_from(ONE_KIND).flatmap(lambda kind: st.lists(kind | st.none(), min_size=1, max_size=6)),
    lacking=st.sets(st.integers(0, 5)),
    clear=st.booleans(),
)
def test_a_column_at_once_is_what_its_cells_are_one_by_one(
    field_type: int, values: list[Any], lacking: set[int], clear: bool
) -> None:
    records = [{} if place in lacking else {"X": value} for place, value in enumerate(values)]
    before = [dict(record) for record in records]
    converter = Converter([Field(field_name="X", type=field_type)], SHANGHAI)
    # Where one value is of a type of its own, the others are converted one by one.
    apart, bad_apart = converter.convert_all_to_wire([*records, {"X": object()}], {"X"}, 3, clear=clear)
    together, bad = converter.convert_all_to_wire(records, {"X"}, 3, clear=clear)
    assert together == apart[:-1]
    assert [type(record.get("X")) for record in together] == [type(record.get("X")) for record in apart[:-1]]
    assert bad == bad_apart[:-1]
    assert [repr(record) for record in records] == [repr(record) for record in before]


def test_a_long_text_among_others_is_named() -> None:
    converter = Converter([Field(field_name="X", type=f.TEXT)])
    records = [{"X": "x" * 60_000}, {"X": "y" * 60_000}, {"X": "z" * 100_001}]
    wire, bad = converter.convert_all_to_wire(records, {"X"})
    assert wire == [*records[:2], {}]
    assert [str(bad_value).split(", got ")[0] for bad_value in bad] == [
        "row 3, field 'X': must have at most 100000 characters and has 100001"
    ]


def test_what_does_not_fit_is_told_row_by_row() -> None:
    converter = Converter([Field(field_name="B", type=f.NUMBER), Field(field_name="A", type=f.CHECKBOX)])
    records: list[Any] = [{"A": 1, "C": 1, "B": "b"}, "x", {"B": 1}, {"B": [], 5: 1}]
    wire, bad = converter.convert_all_to_wire(records, {"A", "B", "C", 5}, 10)
    assert [(bad_value.row, bad_value.field) for bad_value in bad] == [
        (10, "C"), (10, "B"), (10, "A"), (11, ""), (13, "5"), (13, "B"),
    ]  # fmt: skip
    assert wire == [{}, {}, {"B": 1}, {}]


class Column(str, enum.Enum):  # noqa: UP042 - the older kind, whose str() is another
    NAME = "Name"


@pytest.mark.parametrize("name", [np.str_("Name"), Column.NAME])
def test_names_that_only_count_as_text_become_the_fields(name: str) -> None:
    wire, bad = Converter([Field(field_name="Name", type=f.TEXT)]).to_wire({name: "x"})
    assert not bad
    assert orjson.dumps(wire) == b'{"Name":"x"}'
