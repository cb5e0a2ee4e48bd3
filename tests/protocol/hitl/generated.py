"""Params, questions and what people enter, for the property tests: any that Airflow's `Param` documents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

from hypothesis import strategies as st

from lark_provider.protocol.hitl.model import Assignee, End, EndKind, HitlQuestion, TaskInstance
from lark_provider.protocol.hitl.params import FormField

Param = dict[str, Any]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SCALAR = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
_ZONES = st.sampled_from([0, 60, -330, 480, 765]).map(lambda minutes: timezone(timedelta(minutes=minutes)))
DATES = st.dates().map(str)
TIMES = st.times().map(lambda time: f"{time:%H:%M:%S}")
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=_ZONES).map(  # noqa: DTZ001 - a bound
    lambda moment: moment.isoformat(timespec="seconds")
)
_MORE = st.fixed_dictionaries({}, optional={"title": TEXT, "description": TEXT})


@st.composite
def _draw_text(draw: st.DrawFn) -> Param:
    least = draw(st.integers(0, 3))
    schema: dict[str, Any] = draw(
        st.sampled_from(
            [{}, {"minLength": least}, {"maxLength": least + 40}, {"pattern": "."}, {"format": "multiline"}]
        )
    )
    value = draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=3, max_size=40))
    return {
        "value": value if "pattern" not in schema else "x" + value,
        "schema": {"type": "string", **schema},
    }


def _format_values(form: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[Param]:
    return values.map(lambda value: {"value": value, "schema": {"type": "string", "format": form}})


@st.composite
def _draw_number(draw: st.DrawFn) -> Param:
    kind = draw(st.sampled_from(["integer", "number", ["integer", "number"]]))
    low = draw(st.integers(-1000, 1000))
    high = low + draw(st.integers(0, 1000))
    value: float = draw(st.integers(low, high))
    if kind != "integer":
        value = draw(st.just(value) | st.floats(low, high))
    bounds: dict[str, Any] = draw(
        st.sampled_from(
            [{}, {"minimum": low}, {"minimum": low, "maximum": high}, {"exclusiveMaximum": high + 1}]
        )
    )
    return {"value": value, "schema": {"type": kind, **bounds}}


@st.composite
def _choices(draw: st.DrawFn) -> Param:
    values = draw(st.lists(SCALAR, min_size=1, max_size=6))
    value = draw(st.sampled_from(values))
    return {"value": value, "schema": {"enum": values, "values_display": {"1": "one", "null": "nothing"}}}


@st.composite
def _several(draw: st.DrawFn) -> Param:
    values = draw(st.lists(SCALAR, min_size=1, max_size=6))
    chosen = draw(st.lists(st.sampled_from(values), max_size=3, unique_by=repr))
    how: dict[str, Any] = draw(st.sampled_from([{"examples": values}, {"items": {"enum": values}}]))
    return {"value": chosen, "schema": {"type": "array", **how}}


_ARRAYS = st.lists(TEXT, max_size=4).map(
    lambda value: {"value": value, "schema": {"type": "array", "items": {"type": "string"}}}
) | st.lists(JSON, max_size=3).map(lambda value: {"value": value, "schema": {"type": "array"}})
_OBJECTS = st.dictionaries(TEXT, JSON, max_size=3).map(
    lambda value: {"value": value, "schema": {"type": "object"}}
)
_ANY = JSON.map(lambda value: {"value": value, "schema": {}}) | JSON.map(
    lambda value: {"value": value, "schema": {"anyOf": [{"type": "string"}, {}]}}
)
_TYPED = st.one_of(
    _draw_text(),
    _format_values("date", DATES),
    _format_values("time", TIMES),
    _format_values("date-time", MOMENTS),
    _draw_number(),
    st.booleans().map(lambda value: {"value": value, "schema": {"type": "boolean"}}),
    _ARRAYS,
    _OBJECTS,
)


def _nullable(param: Param) -> Param:
    kinds = param["schema"]["type"]
    return {
        "value": None,
        "schema": {**param["schema"], "type": ["null", *([kinds] if isinstance(kinds, str) else kinds)]},
    }


WITH_DEFAULT = st.builds(
    lambda param, more, description: {
        **param, "schema": {**more, **param["schema"]}, "description": description, "source": "task",
    },
    st.one_of(_TYPED, _TYPED.map(_nullable), _choices(), _several(), _ANY),
    _MORE,
    st.none() | TEXT,
)  # fmt: skip
"""A param whose default fits its schema, as Airflow asks for."""
REQUIRED = _TYPED.map(lambda param: {**param, "value": None})
CONSTANT = JSON.map(lambda value: {"value": value, "schema": {"const": value}})
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter("_options".__ne__)


def params(
    param: st.SearchStrategy[Param] | None = None, most: int = 6
) -> st.SearchStrategy[dict[str, Param]]:
    """Return a strategy of Params by name.

    Args:
        param: How each is made; by default of any kind.
        most: How many at most.
    """
    return st.dictionaries(
        NAMES, WITH_DEFAULT | REQUIRED | CONSTANT if param is None else param, max_size=most
    )


MARKDOWN = st.lists(
    st.sampled_from(
        [
            "# Title\n", "**bold** ", "<at id=all></at>", "![x](https://a.example/b)", "```\n", "~~~\n", "`",
            "``", "|a|b|\n|-|-|\n|1|2|\n\n", "<font color='red'>", "<https://a.example>", "- item\n", "\n",
            "text ", "字" * 50,
        ]
    ) | TEXT,
    max_size=30,
).map("".join)  # fmt: skip
OPTIONS = st.just(("Approve", "Reject")) | st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=150), min_size=1, max_size=15, unique=True
).map(tuple)


@st.composite
def questions(draw: st.DrawFn, form: st.SearchStrategy[Mapping[str, Param]] | None = None) -> HitlQuestion:
    """Draw a question of any kind.

    Args:
        draw: Draws from a strategy.
        form: Its params; by default any.
    """
    options = draw(OPTIONS)
    return HitlQuestion(
        TaskInstance("a-uuid", draw(TEXT) or "dag", draw(TEXT), draw(TEXT), draw(st.integers(-1, 3))),
        draw(TEXT | st.text("s ", max_size=400)),
        body=draw(MARKDOWN) * draw(st.sampled_from([1, 1, 1, 30])),
        options=options,
        defaults=draw(st.none() | st.just(options[:1])),
        multiple=draw(st.booleans()),
        params=draw(params() if form is None else form),
        assignees=tuple(draw(st.lists(st.builds(Assignee, TEXT, TEXT), max_size=12))),
        deadline=draw(st.none() | st.just(datetime(2026, 11, 27, 8, tzinfo=UTC))),
        url=draw(st.sampled_from(["", "https://airflow.example/dags/d/runs/r/tasks/t/required_actions"])),
    )


def enter(field: FormField) -> st.SearchStrategy[Any]:
    """Return what a client, or a forger, may send for a field; None for nothing."""
    texts = TEXT | st.sampled_from(
        ["", " ", "0", "\uff17", "-3", "1e3", "1e999", "9" * 30, "true", "[1]", "{}", "NaN"]
    )
    dates = st.sampled_from(["2025-06-10 +0800", "05:05 +0800", "2025-06-10 19:19 +0800", "2025-13-40 +0800"])
    keys = st.sampled_from([choice.key for choice in field.choices] or ["1"])
    return st.none() | keys | st.lists(keys | TEXT, max_size=3) | texts | dates | st.booleans() | SCALAR


@st.composite
def ends(draw: st.DrawFn, question: HitlQuestion) -> End:
    """Draw an end of a question."""
    return End(
        draw(st.sampled_from(get_args(EndKind))),
        tuple(draw(st.lists(st.sampled_from(question.options), max_size=3, unique=True))),
        draw(st.fixed_dictionaries(dict.fromkeys(question.params, JSON))),
        draw(st.none() | TEXT),
        draw(st.none() | st.just("ou_emulator0001_alice")),
        draw(st.none() | st.just(datetime(2026, 11, 27, 8, tzinfo=UTC))),
        draw(TEXT | st.just("字" * 5000)),
    )
