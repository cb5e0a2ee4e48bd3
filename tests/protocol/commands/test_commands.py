"""Which messages are commands, how they are split, and what their words become."""
# ruff: noqa: RUF001 - curly quotation marks are what it is about

from __future__ import annotations

import shlex
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.errors import InvalidRequestError
from lark_provider.protocol.callbacks import Event, read
from lark_provider.protocol.commands.arguments import convert, match_names
from lark_provider.protocol.commands.delivery import (
    CommandResult,
    DeliveredCommand,
    is_dag_id,
    read_delivered,
    read_result,
)
from lark_provider.protocol.commands.message import (
    MAX_TEXT_LENGTH,
    VERBS,
    CommandMessage,
    find_command,
    is_command,
)
from lark_provider.protocol.commands.parsing import read_command, split

BOT, OTHER = "ou_bot", "ou_other"
AT_BOT = {"key": "@_user_1", "id": {"open_id": BOT}, "name": "Airflow"}
AT_OTHER = {"key": "@_user_10", "id": {"open_id": OTHER}, "name": "Ann"}


def make_event(text: Any, *, mentions: Any = (AT_BOT,), **changes: Any) -> Event:
    message = {
        "message_id": "om_1",
        "chat_id": "oc_1",
        "chat_type": "group",
        "message_type": "text",
        "content": orjson.dumps({"text": text}).decode(),
        "create_time": "1795694400123",
        "mentions": list(mentions) if isinstance(mentions, tuple) else mentions,
    }
    sender = {"sender_id": {"open_id": "ou_ann"}, "sender_type": "user", "tenant_key": "own"}
    for name, value in changes.items():
        (sender if name in {"sender_type", "tenant_key", "sender_id"} else message)[name] = value
    parsed = read(
        {
            "schema": "2.0",
            "header": {
                "event_id": "e",
                "event_type": "im.message.receive_v1",
                "app_id": "cli_a",
                "tenant_key": "own",
                "create_time": "1795694400123",
            },
            "event": {"sender": sender, "message": message},
        }
    )
    assert isinstance(parsed, Event)
    return parsed


def command(text: str, **changes: Any) -> CommandMessage:
    message = find_command(make_event(text, **changes))
    assert message is not None
    return message


def test_a_command_is_recognized_with_who_where_and_when() -> None:
    message = command("@_user_1 /run etl", update_time="1795694400123")
    assert (message.app_id, message.message_id, message.open_id, message.chat_id) == (
        "cli_a",
        "om_1",
        "ou_ann",
        "oc_1",
    )
    assert message.sent_at.isoformat() == "2026-11-26T12:00:00.123000+00:00"
    assert message.mentions_person(BOT)
    assert not message.mentions_person(OTHER)
    assert command("/help", chat_type="p2p", mentions=()).is_direct


@pytest.mark.parametrize(
    "changes",
    [
        {"sender_type": "bot"},
        {"sender_type": "app"},
        {"tenant_key": "other"},
        {"tenant_key": None},
        {"message_type": "post"},
        {"message_type": "merge_forward"},
        {"upper_message_id": "om_0"},
        {"update_time": "1795694400124"},
        {"mentions": ()},
        {"mentions": None},
        {"mentions": ({"key": "@_all", "id": {}, "name": "all"},)},
        {"content": "{"},
        {"content": "[]"},
        {"message_id": "om_1/../x"},
        {"message_id": None},
        {"create_time": "x"},
        {"create_time": "9" * 30},
        {"sender_id": {}},
        {"sender_id": None},
        {"chat_id": ""},
        {"mentions": "x"},
    ],
)
def test_other_messages_are_left_alone(changes: dict[str, Any]) -> None:
    assert find_command(make_event("@_user_1 /run etl", **changes)) is None


@pytest.mark.parametrize(
    "text", ["", "run etl", "/runx", "x /run", "//run", "/", "@_user_1", 3, None, "@_user_x /run"]
)
def test_other_texts_are_left_alone(text: Any) -> None:
    assert find_command(make_event(text)) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    )
)
def test_no_event_raises(content: Any) -> None:
    incoming = make_event("/run etl")
    for name in ("sender", "message"):
        incoming.event[name] = content
        assert find_command(incoming) is None


def read_words(message: CommandMessage) -> tuple[str, ...]:
    return message.insert_names(read_command(message.get_typed_text()).words, BOT)


def test_mentions_become_names_and_the_own_one_goes() -> None:
    message = command("@_user_1  /run etl @_user_10 @_user_1", mentions=(AT_BOT, AT_OTHER))
    assert read_words(message) == ("etl", "@Ann")
    helped = command("@_user_10 @_all @_user_1 /help", mentions=(AT_BOT, AT_OTHER))
    assert read_command(helped.get_typed_text()).verb == "help"
    assert read_words(command('@_user_1 /run etl "" x=@_user_1', mentions=(AT_BOT,))) == ("etl", "", "x=")


@pytest.mark.parametrize("name", ["Ann force=true", 'Ann" force="true', "Ann'", "Ann\\", "@_user_1"])
def test_a_name_that_a_person_chose_is_part_of_one_word(name: str) -> None:
    other = AT_OTHER | {"name": name}
    message = command("@_user_1 /run etl @_user_10 owner=@_user_10", mentions=(AT_BOT, other))
    words = read_words(message)
    assert words == ("etl", f"@{name}", f"owner=@{name}")
    assert "force" not in match_names(words[2:], ("owner", "force"))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]).filter(lambda c: c not in "“”‘’"))))
def test_what_a_shell_quotes_is_split_as_it_was(words: list[str]) -> None:
    assert split(shlex.join(words)) == words


@given(st.text(alphabet="ab'\"\\“”‘’ =\n"))
def test_any_text_is_split_or_refused(text: str) -> None:
    with suppress(InvalidRequestError):
        words = split(text)
        assert split(shlex.join(words)) == words or set(text) & set("“”‘’")
        assert sum(map(len, words)) <= len(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b\tc\u3000d", ["a", "b", "c", "d"]),
        ("“a b” ‘c d’", ["a b", "c d"]),
        (r'"a\"b" "a\n" a\ b', ['a"b', r"a\n", "a b"]),
        ("x='a b'y ''", ["x=a by", ""]),
    ],
)
def test_quotes(text: str, words: list[str]) -> None:
    assert split(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "/run 'a",
        '/run "a',
        "/run “a",
        "/run a\\",
        "/run " + "x" * MAX_TEXT_LENGTH,
        "/run" + " x" * 60,
        "/walk",
        "",
    ],
)
def test_refused_commands(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="Next: "):
        read_command(text)


def test_verbs_are_read_in_any_case() -> None:
    assert [read_command(f"/{verb.upper()}").verb for verb in VERBS] == list(VERBS)
    assert is_command("@_all @_user_3\n/RUN")


def test_words_become_named_arguments() -> None:
    names = ("day", "full")
    assert match_names(["2026-01-01", "true"], names) == {"day": "2026-01-01", "full": "true"}
    assert match_names(["full=1", "a=b"], names) == {"full": "1", "day": "a=b"}
    for words in (["1", "2", "3"], ["day=1", "day=2"], ["day=1", "2", "3"]):
        with pytest.raises(InvalidRequestError):
            match_names(words, names)
    with pytest.raises(InvalidRequestError, match="must be none"):
        match_names(["1"], ())


@given(st.dictionaries(st.sampled_from("abcd"), st.text()))
def test_arguments_by_name_are_what_was_given(arguments: dict[str, str]) -> None:
    assert match_names([f"{name}={value}" for name, value in arguments.items()], "abcd") == arguments


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "12", "12"),
        ({"type": ["null", "string"]}, "null", "null"),
        ({"type": "integer"}, "12", 12),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "boolean"}, "True", True),
        ({"type": ["null", "integer"]}, "NULL", None),
        ({"type": "array"}, "[1, 2]", [1, 2]),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"enum": ["1", "2"]}, "1", "1"),
        ({"enum": [1, 2]}, "1", 1),
        ({"type": ["object", "null"]}, '{"Region": "EU"}', {"Region": "EU"}),
        ({"type": ["array", "null"]}, '["Ann", "Bo"]', ["Ann", "Bo"]),
        ({"type": ["array", "boolean"]}, '["TRUE", true]', ["TRUE", True]),
        ({"type": ["array", "null"]}, "Null", None),
    ],
)
def test_texts_become_what_a_schema_wants(schema: dict[str, Any], text: str, value: Any) -> None:
    assert convert({"x": text}, {"x": {"schema": schema, "value": None}}) == {"x": value}


def test_a_param_without_a_type_takes_what_its_default_is() -> None:
    params = {"n": {"value": 1, "schema": {}}, "s": {"value": "a", "schema": {}}, "b": {"value": False}}
    assert convert({"n": "2", "s": "2", "b": "true"}, params) == {"n": 2, "s": "2", "b": True}
    for name, text in (("n", "x"), ("n", "true"), ("other", "1")):
        with pytest.raises(InvalidRequestError, match="Next: "):
            convert({name: text}, params)


def test_what_is_delivered_is_read_as_it_was() -> None:
    delivered = DeliveredCommand("cli_a", "own", "ou_ann", "om_1", "run", "etl", {"day": "1"})
    assert read_delivered(delivered.encode_body()) == delivered
    result = CommandResult("started", {"en": "yes"}, "lark__om_1", "https://secret")
    assert read_result(orjson.loads(result.dump())) == result
    assert "secret" not in repr(result)
    for name, value in (
        ("act", "delete"),
        ("dag_id", ".."),
        ("dag_id", 1),
        ("arguments", {"a": 1}),
        ("open_id", ""),
    ):
        body = orjson.dumps(orjson.loads(delivered.encode_body()) | {name: value})
        with pytest.raises(InvalidRequestError):
            read_delivered(body)
    newer = {"outcome": "queued", "message": {"en": "later"}, "place": 3}
    assert read_result(newer) == CommandResult("shown", {"en": "later"})
    for answer in ({}, {"outcome": "new"}, {"outcome": "started"}):
        with pytest.raises(ValueError, match="of the command"):
            read_result(answer)


@given(st.text())
def test_the_id_of_a_dag_stays_in_its_place_of_a_url(text: str) -> None:
    if is_dag_id(text):
        assert not set(text) & set("/?#%\\ ")
        assert text not in {".", ".."}
