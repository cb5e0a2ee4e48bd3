"""Shapes: whatever JSON comes, it is a click, an event, or refused by name."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.protocol.callbacks import (
    Action,
    CallbackKeys,
    CallbackRefusedError,
    CardClick,
    Event,
    Incoming,
    read,
    receive,
)
from lark_provider.protocol.callbacks.times import parse_seconds
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.sender import APP, NOW, TOKEN, dump

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
WRONG: list[Any] = [0, 1.5, True, "text", [], ["a"], {}, {"a": 1}, "", None]


def places(content: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the paths of all members, however deep."""
    paths = []
    for name, value in content.items():
        paths.append((*path, name))
        if isinstance(value, dict):
            paths += places(value, (*path, name))
    return paths


def change(content: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    content = copy.deepcopy(content)
    parent = content
    for name in path[:-1]:
        parent = parent[name]
    if value is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return content


FULL = sender.card(
    {
        "tag": "input",
        "name": "n",
        "value": {"k": "v"},
        "form_value": {"f": "v"},
        "option": "o",
        "options": ["o"],
        "input_value": "i",
        "checked": True,
        "timezone": "UTC",
    }
)


@pytest.mark.parametrize(
    "content", [FULL, sender.make_event(), sender.make_event_1()], ids=["card", "event", "event 1.0"]
)
def test_a_wrong_type_anywhere_is_read_or_refused_by_name(content: dict[str, Any]) -> None:
    refused = set()
    for path in places(content):
        for value in [*WRONG, ...]:
            try:
                received = read(change(content, path, value))
            except CallbackRefusedError as error:
                refused.add(path[-1])
                status, text = error.status, str(error)
            else:
                assert isinstance(received, CardClick | Event)
                continue
            assert status == 400
            assert len(path) == 1 or path[-1] in text
    assert refused >= ({"header", "create_time"} if "schema" in content else {"uuid", "ts", "event"})


@pytest.mark.parametrize("needed", ["event_id", "event_type", "app_id", "create_time"])
def test_a_header_must_say_what_it_is(needed: str) -> None:
    for value in ("", None, ..., 7 if needed != "create_time" else "seven"):
        with pytest.raises(CallbackRefusedError, match=rf"header\.{needed} (is|must be)"):
            read(change(FULL, ("header", needed), value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("event.operator", None),
        ("event.operator.open_id", ""),
        ("event.operator.union_id", 7),
        ("event.action", ["button"]),
        ("event.action.form_value", []),
        ("event.action.checked", 1),
        ("event.action.options", "a"),
        ("event.action.options", [1]),
        ("event.action.option", {}),
        ("event.action.input_value", 1),
        ("event.context", []),
        ("event.context.open_message_id", 1),
        ("event.token", 1),
    ],
)
def test_a_click_of_the_wrong_shape_is_refused_by_name(path: str, value: Any) -> None:
    with pytest.raises(CallbackRefusedError, match=path.replace(".", r"\.") + " (is|must be) "):
        read(change(FULL, tuple(path.split(".")), value))


@pytest.mark.parametrize("value", ["a text", None, 7, [1, {"a": []}], {"nested": {"a": 1}}, {}])
def test_a_button_may_carry_anything(value: Any) -> None:
    click = read(sender.card({"tag": "button", "value": value}))
    assert isinstance(click, CardClick)
    assert click.action == Action(tag="button", value=value)


def test_a_click_may_lack_what_lark_leaves_out() -> None:
    content = sender.card({"tag": "button"})
    for name in ("user_id", "union_id", "tenant_key"):
        del content["event"]["operator"][name]
    del content["event"]["context"]
    del content["event"]["token"]
    click = read(content)
    assert isinstance(click, CardClick)
    assert (click.message_id, click.chat_id, click.token, click.operator.user_id) == (None, None, None, None)


@pytest.mark.parametrize("schema", ["3.0", "", None, 2.0, [], "2.0 "])
def test_an_unknown_schema_is_refused(schema: Any) -> None:
    with pytest.raises(CallbackRefusedError, match=r"schema must be '2\.0'"):
        read({**FULL, "schema": schema})


@pytest.mark.parametrize("depth", [248, 300, 1000])
def test_what_nobody_could_store_is_refused(depth: int) -> None:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    with pytest.raises(CallbackRefusedError, match="nested so deeply"):
        read(sender.card({"value": value}))


def test_what_is_read_fits_into_an_envelope() -> None:
    value: Any = "x"
    for _ in range(247):
        value = [value]
    assert orjson.dumps({"an": {"envelope": [read(sender.card({"value": value})).raw]}})


@given(JSON)
def test_any_json_is_read_or_refused(content: Any) -> None:
    """With only the token known, whoever guesses it gets as far as this."""
    contents = [content]
    if isinstance(content, dict):
        contents += [{**content, "token": TOKEN}, {**content, "schema": "2.0", "header": {"token": TOKEN}}]
    for payload in contents:
        with pytest.raises(CallbackRefusedError):
            receive(Incoming({}, dump(payload)), CallbackKeys(APP, verification_token=TOKEN), NOW)


@given(st.sampled_from(places(FULL)), JSON)
def test_any_json_in_any_place_is_read_or_refused(path: tuple[str, ...], value: Any) -> None:
    content = change(FULL, path, value)
    try:
        received = receive(Incoming({}, dump(content)), CallbackKeys(APP, verification_token=TOKEN), NOW)
    except CallbackRefusedError:
        return
    assert isinstance(received, CardClick | Event)
    orjson.dumps(received.raw)


# --- times ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1791100000", 1791100000.0),
        ("1791100000123", 1791100000.123),
        ("1791100000123456", 1791100000.123456),
        ("1502199207.7171419", 1502199207.7171419),
        (1791100000, 1791100000.0),
        ("2026-10-04 18:23:46.052290112 +0800 CST m=+3612.1", 1791109426.0),
        ("2026-10-04 10:23:46 +0000 UTC", 1791109426.0),
        ("2026-10-04 10:23:46 +0000", 1791109426.0),
    ],
)
def test_times_are_told_apart_by_their_size(text: Any, expected: float) -> None:
    assert parse_seconds(text) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        None, "", " 1", "1 ", "-1", "+1", "1e9", "0x1", "١٢٣", "nan", "inf", "1.", ".1", "1_0", "9" * 20,
        True, 1.5, [], -1, "2026-13-04 18:23:46 +0800", "2026-10-04 18:23:46", "2026-10-04 18:23:46 CST",
        "2026-10-04 18:23:46 +9900", "2026-10-04 18:23:46 +08001", "1791100000\n",
        "2026-10-04 18:23:46 +0800\n", "0001-01-01 00:00:00 +0800", "9999-12-31 23:59:59 -2300",
    ],
)  # fmt: skip
def test_what_is_no_time_is_none(text: Any) -> None:
    assert parse_seconds(text) is None


@given(st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}(\.[0-9]+)? [+-][0-9]{4}.*"))
def test_no_text_breaks_it(text: str) -> None:
    time = parse_seconds(text)
    assert time is None or datetime.fromtimestamp(time, UTC).timestamp() == pytest.approx(time)
