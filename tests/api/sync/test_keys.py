"""Keys of rows and of records: the same key for the same thing, and nothing else."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lark_provider.api.clouddoc import field_types as t
from lark_provider.api.clouddoc.sync.keys import EMPTY, KeyBuilder, KeyForm, KeyMisfitError, format_number
from lark_provider.errors import InvalidRequestError

BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ZONE = ZoneInfo("Asia/Shanghai")
TYPES = {
    "No": t.TEXT,
    "Nr": t.NUMBER,
    "Day": t.DATE,
    "Sum": t.FORMULA,
    "Kind": t.SINGLE_SELECT,
    "Ok": t.CHECKBOX,
}


PAIRS = st.tuples(st.text(min_size=1, max_size=3), st.integers())


def make_keys(*names: str, form: KeyForm = "exact") -> KeyBuilder:
    return KeyBuilder(names, TYPES, form, ZONE)


@BUSY
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_text_keys_are_exact(text: str) -> None:
    assert make_keys("No").of_row([text]) == text
    assert make_keys("No").of_table([{"No": [{"text": text, "type": "text"}]}]) == [text]


@pytest.mark.parametrize(
    ("form", "source", "table", "equal"),
    [
        ("exact", "a", "a ", False),
        ("trim", "a", " a ", True),
        ("trim", "a", "A", False),
        ("casefold", "straße", " STRASSE", True),
        ("casefold", "\uff11", "1", False),
        ("nfkc", "\uff21\uff22\uff11", "ab1", True),
    ],
)
def test_forms(form: KeyForm, source: str, table: str, equal: bool) -> None:
    builder = make_keys("No", form=form)
    assert (
        builder.of_row([source]) == builder.of_table([{"No": [{"text": table, "type": "text"}]}])[0]
    ) is equal


@BUSY
@given(st.integers(-(10**15), 10**15))
def test_a_number_is_one_key_in_each_spelling(number: int) -> None:
    assert (
        format_number(number) == format_number(float(number)) == format_number(Decimal(number)) == str(number)
    )
    assert make_keys("Nr").of_row([str(number)]) == make_keys("Nr").of_table([{"Nr": float(number)}])[0]


@BUSY
@given(st.lists(PAIRS, min_size=2, max_size=2, unique=True))
def test_keys_of_several_fields_do_not_run_together(pair: list[tuple[str, int]]) -> None:
    builder = make_keys("No", "Nr")
    assert builder.of_row(pair[0]) != builder.of_row(pair[1])


@pytest.mark.parametrize("value", [None, "", True, [{"file_token": "x"}], {"a": 1}, float("nan")])
def test_what_cannot_be_a_key_is_named(value: Any) -> None:
    with pytest.raises(KeyMisfitError) as raised:
        make_keys("Kind", "No").of_row(["a", value])
    assert raised.value.field == "No"


def test_a_record_without_a_key_is_empty_and_one_that_cannot_be_read_is_none() -> None:
    records: list[dict[str, Any]] = [
        {}, {"Sum": {"type": 1, "value": [{"text": "a", "type": "text"}]}},
        {"Sum": {"type": 2, "value": [5.0]}},
        {"Sum": {"type": 2, "value": [1, 2]}}, {"Sum": {"type": 7, "value": [True]}},
    ]  # fmt: skip
    assert make_keys("Sum").of_table(records) == [EMPTY, "a", "5", None, None]
    assert make_keys("Sum", "No").of_table(records)[0] == EMPTY
    assert make_keys("Sum", "No").of_table([{**records[3], "No": [{"text": "a", "type": "text"}]}]) == [None]


def test_days_are_found_at_any_moment_of_them() -> None:
    builder = make_keys("Day")
    midnight = int(dt.datetime(2026, 1, 31, tzinfo=ZONE).timestamp() * 1000)
    assert builder.of_table([{"Day": midnight + 5}]) != [builder.of_row([midnight])]
    builder.by_day = {"Day"}
    assert builder.of_table([{"Day": midnight + 5}]) == [builder.of_row([midnight])]


@pytest.mark.parametrize(
    ("names", "form", "filtered"),
    [
        (["No"], "exact", True), (["Nr"], "exact", True), (["Kind"], "exact", True), (["No"], "trim", False),
        (["Day"], "exact", False), (["Sum"], "exact", False), (["No", "Nr"], "exact", False),
    ],
)  # fmt: skip
def test_which_keys_have_a_filter(names: list[str], form: KeyForm, filtered: bool) -> None:
    assert make_keys(*names, form=form).has_filter is filtered


@pytest.mark.parametrize("name", ["Ok", "Missing"])
def test_a_field_that_cannot_be_a_key_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=name):
        make_keys(name)
