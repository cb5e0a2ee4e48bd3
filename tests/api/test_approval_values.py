"""Values of approval forms: from Python to Lark and back, without a server."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.api.approval.model import Status, read_instance
from lark_provider.api.approval.values import encode_form, read_value
from lark_provider.api.approval.widgets import Widget, parse_form
from lark_provider.errors import InvalidRequestError, LarkAPIError

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
MOMENTS = st.datetimes(timezones=ZONES)
OPTIONS = (("k1", "Production"), ("k2", "Staging"), ("k3", "k1"))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | MOMENTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KINDS = st.sampled_from(
    (
        *("input", "textarea", "number", "formula", "amount", "date", "dateInterval", "radio", "radioV2"),
        *("checkbox", "checkboxV2", "contact", "department", "connect", "document", "attachmentV2"),
        *("image", "imageV2", "telephone", "fieldList"),
    )
)


def widget(kind: str, **more: Any) -> Widget:
    return Widget("w1", "", "Field", kind, **more)


def encode(control: Widget, value: Any) -> dict[str, Any]:
    (encoded,) = encode_form([control], {"Field": value}, None, "the form")
    return encoded


@given(MOMENTS)
def test_a_moment_comes_back_to_the_second(moment: dt.datetime) -> None:
    encoded = encode(widget("date"), moment)
    assert read_value("date", encoded) == moment.replace(microsecond=0)


@given(MOMENTS, MOMENTS)
def test_an_interval_comes_back(one: dt.datetime, other: dt.datetime) -> None:
    start, end = sorted((one.replace(microsecond=0), other.replace(microsecond=0)))
    encoded = encode(widget("dateInterval"), (start, end))
    assert read_value("dateInterval", encoded) == (start, end)
    assert encoded["value"]["interval"] == (end - start).total_seconds() / 86_400


@given(
    st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(-1000, 1000, places=2)
)
def test_a_number_keeps_its_value(number: float | Decimal) -> None:
    value = encode(widget("number"), number)["value"]
    assert not isinstance(value, Decimal)
    assert value == number or float(value) == float(number)


@given(st.sampled_from(OPTIONS))
def test_an_option_is_given_by_its_value_before_its_text(option: tuple[str, str]) -> None:
    value, text = option
    radio = widget("radioV2", options=OPTIONS)
    assert encode(radio, value)["value"] == value
    # "k1" is the value of one option and the text of another: values win.
    assert encode(radio, text)["value"] == (value if text != "k1" else "k1")


@given(KINDS, ANYTHING)
def test_whatever_is_given_is_written_or_refused_with_the_fields_name(kind: str, value: Any) -> None:
    options = OPTIONS if kind != "amount" else ()
    control = widget(kind, options=options, children=(widget("input"),))
    try:
        outcome: Any = encode_form([control], {"Field": value}, dt.UTC, "the form")
    except InvalidRequestError as error:
        outcome = str(error)
    if isinstance(outcome, str):
        assert "the form" in outcome
        assert " Next: " in outcome
    else:
        orjson.dumps(outcome)  # it can be sent


@given(st.sampled_from(["date", "dateInterval", "amount", "telephone", "contact", "fieldList"]), ANYTHING)
def test_whatever_is_read_is_not_an_error(kind: str, value: Any) -> None:
    read_value(kind, {"value": value})


@pytest.mark.parametrize("form", ["", "[1]", '[{"id":"x"}]', "null"])
def test_a_form_that_cannot_be_read_says_so(form: str) -> None:
    with pytest.raises(LarkAPIError, match="cannot be read"):
        parse_form(form)


def test_two_fields_of_a_name_are_told_apart_by_their_ids() -> None:
    form = parse_form('[{"id":"a","type":"input","name":"X"},{"id":"b","type":"input","name":"X"}]')
    with pytest.raises(InvalidRequestError, match="Next: use the field's id: a, b"):
        encode_form(form, {"X": "1"}, None, "the form")
    assert encode_form(form, {"b": "1"}, None, "the form")[0]["id"] == "b"


def test_words_that_this_version_does_not_know() -> None:
    payload = {"instance_code": "I", "approval_code": "A", "status": "OVERTIME_CLOSE"}
    instance = read_instance(payload | {"task_list": [{"id": "1", "status": "NEW"}], "end_time": "0"})
    assert (instance.status, instance.is_final, instance.tasks[0].status) == (
        Status.UNKNOWN,
        False,
        Status.UNKNOWN,
    )
    with pytest.raises(LarkAPIError, match="cannot be read"):
        read_instance({"status": "PENDING"})
