"""What people enter becomes values that Airflow takes, or an error that they can read."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import FormatChecker
from jsonschema.validators import Draft202012Validator

from lark_provider.protocol.callbacks import Action
from lark_provider.protocol.hitl.answers import OPTIONS, InvalidAnswerError, make_option_key, read_answer
from lark_provider.protocol.hitl.entries import UnreadableValueError, parse, to_entry
from lark_provider.protocol.hitl.model import HitlQuestion, TaskInstance
from lark_provider.protocol.hitl.params import FieldKind, has_secrets, make_form_fields
from lark_provider.protocol.hitl.schema import find_fault, is_json_equal
from tests.protocol.hitl import generated

TASK = TaskInstance("a-uuid", "dag", "run", "ask")
SHANGHAI = "Asia/Shanghai"


def question(*options: str, multiple: bool = False, **params: dict[str, Any]) -> HitlQuestion:
    return HitlQuestion(TASK, "Publish?", options=options or ("Yes", "No"), multiple=multiple, params=params)


def fits(value: Any, schema: Any) -> bool:
    """Return whether jsonschema accepts a value, as Airflow asks it."""
    return bool(Draft202012Validator(schema, format_checker=FormatChecker()).is_valid(value))


def read_value(param: dict[str, Any], entered: Any, zone: str = SHANGHAI, shown: str = "UTC") -> Any:
    (field,) = make_form_fields({"x": param})
    action = Action(
        tag="button",
        value={"option": "Yes", "timezone": shown},
        form_value={field.key: entered},
        timezone=zone,
    )
    return read_answer(question(x=param), action).params["x"]


def read_error(param: dict[str, Any], entered: Any) -> str:
    with pytest.raises(InvalidAnswerError) as caught:
        read_value(param, entered)
    assert caught.value.errors["x"]["zh"]
    return caught.value.errors["x"]["en"]


@given(st.data())
def test_what_is_read_is_valid(data: st.DataObject) -> None:
    pending = data.draw(generated.questions())
    fields = make_form_fields(pending.params)
    form = {field.key: data.draw(generated.enter(field)) for field in fields}
    action = Action(
        tag="button",
        name=data.draw(st.sampled_from(["", "submit", make_option_key(0), make_option_key(99)])),
        value=data.draw(st.none() | st.sampled_from(pending.options).map(lambda option: {"option": option})),
        form_value={OPTIONS: data.draw(st.none() | st.lists(st.just(make_option_key(0)))), **form},
        timezone=data.draw(st.none() | st.just(SHANGHAI)),
    )
    try:
        answer = read_answer(pending, action)
    except InvalidAnswerError as error:
        errors, copied = error.errors, pickle.loads(pickle.dumps(error)).errors  # noqa: S301 - ours
    else:
        errors = copied = {}
    assert errors.keys() <= {OPTIONS, *pending.params}
    assert all(reason["zh"] and reason["en"] for reason in errors.values())
    assert copied == errors
    if errors:
        return
    assert set(answer.options) <= set(pending.options)
    assert 1 <= len(answer.options) <= (99 if pending.multiple else 1)
    assert list(answer.params) == list(pending.params)
    for name, value in answer.params.items():
        assert fits(value, pending.params[name]["schema"]), (name, value)


@given(generated.params(generated.WITH_DEFAULT), st.sampled_from(["UTC", SHANGHAI, "+05:45"]))
def test_defaults_come_back(params: dict[str, Any], zone: str) -> None:
    for field in make_form_fields(params):
        shown = to_entry(field, field.default, zone)
        picked = f"{shown} +0100" if field.kind in {"date", "time", "datetime"} and shown else shown
        for entered in (None, "", [], picked):
            back = parse(field, entered, timezone=zone, zone="Europe/Berlin")
            assert is_json_equal(back, field.default), (field, entered)
            assert type(back) is type(field.default)


@given(generated.params(generated.REQUIRED))
def test_what_has_no_default_is_asked_for(params: dict[str, Any]) -> None:
    for field in make_form_fields(params):
        with pytest.raises(UnreadableValueError, match="must be filled in"):
            parse(field, "")


SCHEMAS: list[dict[str, Any]] = [
    {},
    {"type": "string", "minLength": 2, "maxLength": 3},
    {"type": ["null", "string"], "format": "date"},
    {"type": "string", "format": "time"},
    {"type": "integer", "minimum": 1, "maximum": 3},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 3, "multipleOf": 0.5},
    {"type": ["boolean", "integer"]},
    {"enum": [1, True, "a", None, [1], {"a": 1}]},
    {"const": 0},
    {"type": "array", "minItems": 1, "maxItems": 2, "uniqueItems": True},
    {"type": "array", "items": {"type": ["string", "integer"]}},
    {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
    {"properties": {"a": {}}, "additionalProperties": False},
    {"anyOf": [{"type": "integer"}, {"type": "string", "minLength": 2}]},
    {"oneOf": [{"type": "integer"}, {"type": "string"}]},
    {"allOf": [{"minimum": 1}, {"maximum": 2}]},
]  # fmt: skip
VALUES = generated.JSON | st.sampled_from(
    [0, 1, 1.0, 2, 2.5, True, False, "a", "aa", "ab", "2026-01-31", "2026-02-31", "08:30:00", "08:30",
     [1], [1, 1], ["a", 1], [1.0, 1], {"a": 1}, {"a": "x"}, {"a": 1, "b": 2}, {"a": 1.0}]
)  # fmt: skip


@given(st.sampled_from(SCHEMAS), VALUES)
def test_a_value_is_judged_as_jsonschema_does(schema: dict[str, Any], value: Any) -> None:
    assert (find_fault(value, schema) is None) == fits(value, schema)


@pytest.mark.parametrize(
    ("schema", "default", "kind"),
    [
        ({"type": "string"}, "a", "text"),
        ({"type": "string"}, "a\nb", "lines"),
        ({"type": "string", "format": "multiline"}, "", "lines"),
        ({"type": ["null", "string"], "format": "date"}, None, "date"),
        ({"type": "string", "format": "time"}, "08:00:00", "time"),
        ({"type": "string", "format": "date-time"}, "2026-01-01T00:00:00Z", "datetime"),
        ({"type": "integer"}, 1, "integer"),
        ({"type": ["number", "integer", "null"]}, 1, "number"),
        ({"type": "boolean"}, False, "boolean"),
        ({"type": "string", "enum": ["a"]}, "a", "choice"),
        ({"type": "array", "examples": ["a"]}, [], "choices"),
        ({"type": "array", "items": {"enum": [1, 2]}}, [1], "choices"),
        ({"type": "array", "items": {"type": "string"}}, ["a", "b"], "list"),
        ({"type": "array"}, ["a"], "list"),
        ({"type": "array", "items": {"type": "integer"}}, [1], "json"),
        ({"type": "array", "items": {"type": "string"}}, [" a"], "json"),
        ({"type": "object"}, {}, "json"),
        ({"type": ["string", "integer"]}, 1, "json"),
        ({"anyOf": [{"type": "string"}]}, "a", "json"),
        ({}, "a", "text"),
        ({}, 1, "number"),
        ({}, True, "boolean"),
        ({}, {"a": 1}, "json"),
        ({}, None, "text"),
    ],
)
def test_a_schema_becomes_a_field(schema: dict[str, Any], default: Any, kind: FieldKind) -> None:
    (field,) = make_form_fields({"x": {"value": default, "schema": schema}})
    assert (field.kind, field.title, field.required) == (kind, "x", False)


@pytest.mark.parametrize(
    ("schema", "given", "value"),
    [
        ({"type": "integer"}, " \uff14\uff12 ", 42),
        ({"type": "integer"}, "2.0", 2),
        ({"type": "integer"}, "1e3", 1000),
        ({"type": "integer"}, "9007199254740993.0", 9007199254740993),
        ({"type": "integer"}, "0" * 5000 + "7", 7),
        ({"type": "number"}, "7", 7),
        ({"type": "number"}, "7.0", 7.0),
        ({"type": "number"}, "-.5e1", -5.0),
        ({"type": "boolean"}, "false", False),
        ({"type": "boolean"}, True, True),
        ({"type": "string"}, " kept ", " kept "),
        ({"type": "string", "enum": ["1", "b"]}, '"1"', "1"),
        ({"enum": ["1", 1]}, "1", 1),
        ({"type": "array", "examples": ["a", "b"]}, ['"b"', '"a"'], ["b", "a"]),
        ({"type": "array", "items": {"type": "string"}}, "a\r\n\n b ", ["a", "b"]),
        ({"type": "string", "format": "date"}, "2025-06-10 +0800", "2025-06-10"),
        ({"type": "string", "format": "time"}, "05:05 +0800", "05:05:00"),
        ({"type": "string", "format": "date-time"}, "2025-06-10 19:19 +0800", "2025-06-10T19:19:00+08:00"),
        ({"type": "string", "format": "date-time"}, "2025-06-10 19:19", "2025-06-10T19:19:00+08:00"),
        ({"type": "object"}, '{"a": [1]}', {"a": [1]}),
        ({"type": ["string", "integer"]}, "7", 7),
        ({"type": ["string", "integer"]}, "seven", "seven"),
    ],
)
def test_what_lark_sends_becomes_a_value(schema: dict[str, Any], given: Any, value: Any) -> None:
    read = read_value({"value": None, "schema": schema}, given)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("schema", "given", "reason"),
    [
        ({"type": "integer"}, "1.5", "must be a whole number such as 42"),
        ({"type": "integer"}, "1_000", "must be a whole number such as 42"),
        ({"type": "integer"}, "9" * 30, "is too large a number"),
        ({"type": "integer"}, "9" * 5000, "is too large a number"),
        ({"type": "number"}, "-" + "9" * 5000, "is too large a number"),
        ({"type": "integer"}, "1e30", "is too large a number"),
        ({"type": "integer"}, "1e-400", "must be a whole number such as 42"),
        ({"type": "integer"}, "0e" + "9" * 30, "must be a whole number such as 42"),
        ({"type": "number"}, "1e999", "is too large a number"),
        ({"type": "number"}, "NaN", "must be a number such as 42 / 0.5"),
        ({"type": "integer", "minimum": 1}, "0", "must be at least 1"),
        ({"type": "integer", "maximum": 9}, "10", "must be at most 9"),
        ({"type": "string", "minLength": 3}, "ab", "must have at least 3 characters, got 2"),
        ({"type": "string", "maxLength": 1}, "ab", "must have at most 1 characters, got 2"),
        ({"type": "string", "enum": ["a"]}, '"b"', "is not one of the options"),
        ({"type": "array", "examples": ["a"]}, ['"b"'], "is not one of the options"),
        (
            {"type": "array", "examples": ["a", "b"], "minItems": 2},
            ['"a"'],
            "must have at least 2 items, got 1",
        ),
        ({"type": "boolean"}, "maybe", "must be yes or no"),
        ({"type": "string", "format": "date"}, "2025-02-30 +0800", "is not a readable date or time"),
        ({"type": "object"}, "{", 'must be JSON such as {"a": 1} or ["x", "y"]'),
        ({"type": "object"}, "[NaN]", 'must be JSON such as {"a": 1} or ["x", "y"]'),
        ({"type": "object"}, "[1]", "must be a JSON object"),
        ({"type": "array", "items": {"type": "integer"}}, '[1, "x"]', "item 2 must be a whole number"),
        ({"type": "string"}, "", "must be filled in"),
        ({"type": "string"}, 7, "is not readable; enter it again"),
    ],
)
def test_what_does_not_fit_is_explained(schema: dict[str, Any], given: Any, reason: str) -> None:
    assert read_error({"value": None, "schema": schema}, given) == reason


def test_a_moment_that_still_shows_the_default_is_the_default() -> None:
    param = {"value": "2026-01-01T00:00:30+00:00", "schema": {"type": "string", "format": "date-time"}}
    assert read_value(param, "2026-01-01 08:00 +0100", zone="Europe/Berlin", shown=SHANGHAI) == param["value"]
    moved = read_value(param, "2026-01-01 08:01 +0100", zone="Europe/Berlin", shown=SHANGHAI)
    assert moved == "2026-01-01T08:01:00+01:00"


def test_all_params_are_sent_and_constants_as_they_are() -> None:
    pending = question(
        b={"value": 1, "schema": {"type": "integer"}},
        fixed={"value": "v", "schema": {"const": "v"}},
        a={"value": None, "schema": {"type": ["null", "string"]}},
    )
    action = Action(tag="button", value={"option": "Yes"}, form_value={"param:b": "2"})
    assert list(read_answer(pending, action).params.items()) == [("b", 2), ("fixed", "v"), ("a", None)]


@pytest.mark.parametrize(
    ("multiple", "action", "options"),
    [
        (False, Action(value={"option": "No"}), ("No",)),
        (False, Action(name="option:1", form_value={}), ("No",)),
        (False, Action(name="submit", form_value={OPTIONS: "option:0"}), ("Yes",)),
        (True, Action(name="submit", form_value={OPTIONS: ["option:1", "option:0"]}), ("No", "Yes")),
    ],
)
def test_options_are_read(multiple: bool, action: Action, options: tuple[str, ...]) -> None:
    assert read_answer(question(multiple=multiple), action).options == options


@pytest.mark.parametrize(
    ("multiple", "action", "reason"),
    [
        (False, Action(value={"option": "Perhaps"}), "is not an option: Perhaps"),
        (False, Action(name="option:9"), "is not an option: option:9"),
        (False, Action(name="option:-1"), "is not an option: option:-1"),
        (False, Action(name="option:" + "9" * 5000), "is not an option: option:" + "9" * 53),
        (False, Action(form_value={OPTIONS: ["option:0", "option:1"]}), "only one must be chosen"),
        (True, Action(name="submit", form_value={OPTIONS: []}), "at least one must be chosen"),
        (True, Action(name="submit", form_value={}), "at least one must be chosen"),
        (False, Action(value="text"), "at least one must be chosen"),
    ],
)
def test_options_that_do_not_count_are_explained(multiple: bool, action: Action, reason: str) -> None:
    with pytest.raises(InvalidAnswerError) as caught:
        read_answer(question(multiple=multiple), action)
    assert caught.value.errors[OPTIONS]["en"] == reason


def test_a_form_that_did_not_arrive_is_not_answered_with_defaults() -> None:
    pending = question(x={"value": 1, "schema": {"type": "integer"}})
    with pytest.raises(InvalidAnswerError, match="x: was not received"):
        read_answer(pending, Action(value={"option": "Yes"}))


def test_passwords_are_seen() -> None:
    assert has_secrets({"x": {"value": "", "schema": {"type": "string", "format": "password"}}})
    assert not has_secrets({"x": {"value": "", "schema": {"type": "string"}}})
