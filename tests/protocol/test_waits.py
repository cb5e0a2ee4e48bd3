"""Which clicks count for a wait, and when they are its answer."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.errors import ConfigurationError
from lark_provider.protocol.callbacks import Action, CardClick, read
from lark_provider.protocol.waits import (
    ALLOWED,
    CORRELATION,
    Wait,
    get_correlation,
    mark,
    may_answer,
    to_xcom,
    unmark,
)
from tests.protocol.callbacks import sender

MESSAGES, PEOPLE, WAITS, ACTIONS = ["om_1", "om_2", "om_3"], ["ou_1", "ou_2"], ["w1", "w2"], ["yes", "no"]

card_click = read(sender.card())
assert isinstance(card_click, CardClick)
CLICK = card_click


def click(
    event_id: str = "e1", message_id: str | None = "om_1", who: str = "ou_1", value: Any = None, **action: Any
) -> CardClick:
    operator = replace(CLICK.operator, open_id=who, user_id=None, union_id=f"on_{who}")
    return replace(
        CLICK,
        event_id=event_id,
        message_id=message_id,
        operator=operator,
        action=Action(value=value, **action),
    )


def some(of: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(of), unique=True, max_size=len(of)).map(tuple)


values = st.one_of(
    st.none(),
    st.sampled_from(ACTIONS),
    st.fixed_dictionaries({}, optional={"action": st.sampled_from(ACTIONS), "more": st.integers()}),
    st.builds(
        mark,
        st.fixed_dictionaries({"action": st.sampled_from(ACTIONS)}),
        st.sampled_from(WAITS),
        some(PEOPLE),
    ),
)
clicks = st.lists(
    st.builds(
        click,
        st.uuids().map(str),
        st.sampled_from([*MESSAGES, None]),
        st.sampled_from(PEOPLE),
        values,
        name=st.sampled_from([*ACTIONS, None]),
    ),
    max_size=12,
)
parts: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "message_ids": some(MESSAGES),
        "every": st.booleans(),
        "correlation": st.sampled_from([None, *WAITS]),
        "actions": some(ACTIONS),
        "operators": some(PEOPLE),
    }
)
waits = parts.filter(lambda fields: fields["message_ids"] or fields["correlation"]).map(
    lambda fields: Wait("k", **fields)
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.floats()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)
marks = st.dictionaries(st.sampled_from([CORRELATION, ALLOWED, "action", "x"]), anything)


# --- the answer ---


@given(waits, clicks)
def test_an_answer_is_made_of_clicks_that_count_and_of_the_first_of_them(
    wait: Wait, stored: list[CardClick]
) -> None:
    counted = [click for click in stored if wait.counts(click)]
    answer = wait.answer(stored)
    if wait.every and wait.message_ids:
        firsts = [
            next((click for click in counted if click.message_id == message_id), None)
            for message_id in wait.message_ids
        ]
        assert answer == (None if None in firsts else firsts)
    else:
        assert answer == (counted[:1] or None)


@given(waits, clicks, clicks)
def test_an_answer_does_not_change_when_more_is_clicked(
    wait: Wait, earlier: list[CardClick], later: list[CardClick]
) -> None:
    answer = wait.answer(earlier)
    if answer is not None:
        assert wait.answer([*earlier, *later]) == answer


@given(waits, clicks)
def test_clicks_that_do_not_count_change_nothing(wait: Wait, stored: list[CardClick]) -> None:
    assert wait.answer(stored) == wait.answer([click for click in stored if wait.counts(click)])


@given(waits, clicks)
def test_a_click_counts_if_card_action_and_person_match(wait: Wait, stored: list[CardClick]) -> None:
    for click in stored:
        value = click.action.value if isinstance(click.action.value, dict) else {}
        meant = click.message_id in wait.message_ids or (
            wait.correlation is not None and value.get(CORRELATION) == wait.correlation
        )
        named = value.get("action") if isinstance(click.action.value, dict) else click.action.value
        of_these = not wait.actions or click.action.name in wait.actions or named in wait.actions
        by_these = click.operator.open_id in (wait.operators or PEOPLE)
        allowed = click.operator.open_id in value.get(ALLOWED, PEOPLE)
        assert wait.counts(click) is (meant and of_these and by_these and allowed)


@given(waits)
def test_a_wait_survives_json(wait: Wait) -> None:
    assert Wait.from_dict(json.loads(json.dumps(asdict(wait)))) == wait


@given(waits, st.one_of(anything, marks))
def test_nothing_in_a_buttons_value_makes_a_wait_fail(wait: Wait, value: Any) -> None:
    strange = click(value=value)
    wait.answer([strange])
    unmark(value)
    assert to_xcom(strange)["event_id"] == "e1"


# --- people ---


def test_everybody_may_answer_where_nobody_is_named() -> None:
    nobody: list[Any] = [None, "text", {}, {ALLOWED: None}, {ALLOWED: []}, mark({}, "w1")]
    assert all(may_answer(click(value=value)) for value in nobody)


def test_those_who_are_named_may_answer_by_any_of_their_ids() -> None:
    assert may_answer(click(value=mark({}, "w1", ["ou_2", "ou_1"])))
    assert may_answer(click(value=mark({}, "w1", ["on_ou_1"])))
    assert may_answer(click(value={ALLOWED: "ou_1"}))
    assert not may_answer(click(value=mark({}, "w1", ["ou_2"])))
    assert may_answer(CLICK, ["867b0001"])
    assert not may_answer(CLICK, ["867b0002"])


@pytest.mark.parametrize("named", [[1], [None], [{}], [[]], {}, {"ou_1": 1}, 0, True, "", [""], ["ou_2", {}]])
def test_names_that_cannot_be_read_allow_nobody(named: object) -> None:
    nobody = replace(CLICK.operator, open_id="ou_1", user_id="", union_id=None)
    assert not may_answer(replace(click(value={ALLOWED: named}), operator=nobody))


def test_a_wait_looks_at_its_own_people_and_at_the_cards() -> None:
    mine = Wait("k", ("om_1",), operators=("ou_1",))
    assert mine.counts(click())
    assert not mine.counts(click(who="ou_2"))
    assert not mine.counts(click(value=mark({}, "w1", ["ou_2"])))


# --- correlation ---


@pytest.mark.parametrize("odd", [None, "", 1, ["w1"], "w\0", "w" * 256, "w\n", {}])
def test_what_is_no_correlation_finds_no_wait(odd: object) -> None:
    assert get_correlation(click(value={CORRELATION: odd})) is None
    assert not Wait("k", correlation="w1").counts(click(value={CORRELATION: odd}))


def test_marks_come_and_go() -> None:
    value = {"decision": "approve", "lark": 1}
    carried = mark(value, "w1", ["ou_1"])
    assert carried == {**value, CORRELATION: "w1", ALLOWED: ["ou_1"]}
    assert unmark(carried) == value
    assert unmark("text") == "text"
    assert get_correlation(click(value=carried)) == "w1"


# --- waits that make no sense ---


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "must have a message id or a correlation id"),
        ({"correlation": ""}, "must have a message id or a correlation id"),
        (
            {"message_ids": "om_1"},
            "message_ids must be a tuple of strings, got 'om_1'. Next: pass it in a tuple",
        ),
        ({"message_ids": ("om_1", "")}, "got ''"),
        ({"message_ids": ("om\0",)}, r"got 'om.x00'"),
        ({"message_ids": (None,)}, "got None"),
        (
            {"message_ids": ("om_1",), "correlation": "w" * 256},
            "must be 1 to 255 printable characters, got 'w",
        ),
        ({"message_ids": ("om_1",), "correlation": ""}, "got ''"),
        ({"message_ids": ("\ud800",)}, "must be 1 to 255 printable characters, got"),
    ],
)
def test_a_wait_that_nothing_can_end_is_refused(parts: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Wait("k", **parts)
    with pytest.raises(ConfigurationError, match="got ''"):
        Wait("", ("om_1",))


# --- what a task returns ---


def test_what_a_task_is_told_about_a_click() -> None:
    action = {
        "value": mark({"decision": "approve"}, "w1"),
        "tag": "form",
        "name": "ok",
        "form_value": {"why": "because"},
        "options": ["a", "b"],
        "timezone": "Asia/Shanghai",
    }
    form_click = read(sender.card(action))
    assert isinstance(form_click, CardClick)
    assert to_xcom(form_click) == {
        "event_id": "f7984f25108f8137722bb63c00000001",
        "operator": {
            "open_id": "ou_3c14f3a59eaf2825dbe25359f15768aa",
            "user_id": "867b0001",
            "union_id": "on_574d639e4a44e4dd646eaf628e2b0001",
        },
        "action": {
            "tag": "form",
            "name": "ok",
            "value": {"decision": "approve"},
            "form_value": {"why": "because"},
            "option": None,
            "options": ["a", "b"],
            "input_value": None,
            "checked": None,
            "timezone": "Asia/Shanghai",
        },
        "message_id": "om_574d639e4a44e4dd646eaf628e2b0001",
        "chat_id": "oc_e4d2605ca917e695f54f11aaf56d0001",
        "clicked_at": "2026-10-04T07:46:40+00:00",
    }


def test_what_a_task_is_told_about_a_value_nested_deep() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert to_xcom(click(value=deep))["action"]["value"] is deep


@pytest.mark.parametrize(
    ("own", "clickers", "may"),
    [("t1", "t1", True), ("t1", "t2", False), (None, "t1", False), ("t1", None, False), (None, None, False)],
)
def test_a_user_id_counts_within_the_apps_own_tenant_alone(
    own: str | None, clickers: str | None, may: bool
) -> None:
    operator = replace(CLICK.operator, open_id="ou_9", union_id=None, user_id="u1", tenant_key=clickers)
    assert may_answer(replace(CLICK, operator=operator, tenant_key=own), ["u1"]) is may


def test_a_click_of_another_app_or_too_late_or_with_another_option_does_not_count() -> None:
    yes_click = click(value={"action": "yes"})
    at = yes_click.created_at.timestamp()
    wait = Wait("k", message_ids=("om_1",), app_id=yes_click.app_id, until=at, options=("yes",))
    assert wait.counts(yes_click)
    assert not replace(wait, app_id="cli_another").counts(yes_click)
    assert not replace(wait, until=at - 1).counts(yes_click)
    assert not replace(wait, options=("no",)).counts(yes_click)
    assert replace(wait, app_id=None, until=None, options=()).counts(click(value={"action": "no"}))
