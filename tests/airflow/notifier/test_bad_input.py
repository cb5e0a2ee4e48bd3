"""Errors, secrets and contexts that are hard to write: one line of log, and nothing raised."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.log import mask_secret
from lark_emulator import Emulator

from lark_provider.errors import ConfigurationError
from lark_provider.notifications.airflow_context import clean
from tests.airflow.notifier.contexts import context, make_notifier, read_logged, read_messages, titles


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"receiver_id": ""}, "receiver_id"),
        ({"receiver_id": "{{ nothing.at.all }}"}, "'nothing' is undefined"),
        ({"lark_conn_id": "{{ nothing.x }}"}, "'nothing' is undefined"),
        (
            {"lark_conn_id": "{{ nothing.x }}", "fallback_conn_id": "{{ nothing.y }}"},
            "'nothing' is undefined",
        ),
        ({"lark_conn_id": "missing"}, "missing"),
        ({"lark_conn_id": "secretless"}, "10014"),
        ({"content": "{no", "msg_type": "interactive"}, "json.loads"),
        ({"receiver_id": "oc_unknown"}, "Next: "),
    ],
)
def test_whatever_is_wrong_is_one_line_without_secrets(
    lark: Emulator,
    connect: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    text: str,
) -> None:
    connect("secretless", password="wrong-secret-1")
    make_notifier(**changes)(context())
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if "Failed to send the notification" in line]
    assert text in line
    assert "wrong-secret-1" not in printed
    assert read_messages(lark) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"mentions": "{{ nothing.at.all }}"},
        {"mentions": ["{{ nothing.at.all }}", "alice@example.com"]},
        {"fallback_conn_id": "{{ nothing.x }}"},
        {"idempotency_key": "{{ nothing.x }}"},
        {"mentions": "{{ nothing.at.all }}", "fallback_conn_id": "{{ nothing.x }}"},
        {"lark_conn_id": "{{ nothing.x }}", "fallback_conn_id": "lark_{{ 'default' }}"},
    ],
)
def test_a_failing_template_of_an_option_is_no_lost_notification(
    lark: Emulator, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    make_notifier(**changes)(context())
    printed = capsys.readouterr().out
    assert printed.count("Template failed; sending the default message") == 1
    assert "Failed to send the notification" not in printed
    assert titles(lark) == ["Task failed · d.t"]


@pytest.mark.parametrize("mentions", [None, [None], ""])
def test_no_mentions_mention_nobody(
    lark: Emulator, capsys: pytest.CaptureFixture[str], mentions: Any
) -> None:
    make_notifier(mentions=mentions, msg_type="text")(context())
    assert "warning" not in capsys.readouterr().out
    [content] = read_messages(lark)
    assert "None" not in content["text"]


@pytest.mark.parametrize(
    ("mentions", "extra", "why"),
    [
        (5, {}, "mentions must be a list, got 5"),
        ("owner", {"owners": "alice"}, "must be a JSON object, got str"),
    ],
)
def test_mentions_that_cannot_be_are_no_lost_notification(
    lark: Emulator,
    connect: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    mentions: Any,
    extra: dict[str, Any],
    why: str,
) -> None:
    connect(extra=extra)
    make_notifier(mentions=mentions)(context())
    assert titles(lark) == ["Task failed · d.t"]
    (line,) = read_logged(capsys, "Failed to resolve mentions; sending the notification without them")
    assert why in line


def test_secrets_of_an_error_stay_here(lark: Emulator) -> None:
    mask_secret("known-to-airflow")
    make_notifier()(context(error="app_secret=looks-like-one and known-to-airflow"))
    text = json.dumps(read_messages(lark))
    assert "=***" in text  # Airflow may know a password, of another test, that is a part of the name
    assert "looks-like-one" not in text
    assert "known-to-airflow" not in text


def test_a_password_that_is_a_part_of_a_name_hides_no_name() -> None:
    mask_secret("app_tick")
    cleaned = clean("app_ticket=looks-like-one, app_tick")
    assert "looks-like-one" not in cleaned
    assert "app_tick" not in cleaned


def test_a_context_that_makes_no_sense_raises_nothing(lark: Emulator) -> None:
    for bad_context in ({}, {"ti": object()}, {"ti": None, "exception": 5}):
        make_notifier()(bad_context)
    asyncio.run(make_notifier().async_notify({}))
    make_notifier()()
    assert len(read_messages(lark)) >= 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"language": "fr"}, "language must be one of 'zh', 'en', got 'fr'. Next: "),
        ({"event": "fail"}, "event must be one of .*, got 'fail'"),
        ({"deadline": 0}, "deadline must .*, got 0"),
        ({"deadline": "10"}, "deadline must .*, got '10'"),
        ({"deadline": float("nan")}, "deadline must .*, got nan"),
    ],
)
def test_what_cannot_be_is_refused_where_the_dag_is_written(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        make_notifier(**changes)


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_exception_that_cannot_be_written_is_told_by_its_name(
    lark: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    def unspeakable() -> None:
        raise UnspeakableError

    broken = {**context(), "ask": unspeakable, "exception": UnspeakableError()}
    make_notifier(content="{{ ask() }}", msg_type="text")(broken)
    assert "UnspeakableError" in read_logged(capsys, "Template failed")[0]
    assert "UnspeakableError" in json.dumps(read_messages(lark))
    make_notifier(receiver_id="{{ ask() }}")(broken)
    assert "UnspeakableError" in read_logged(capsys, "Failed to send the notification")[0]


def test_bytes_that_are_not_text_are_told_as_well(lark: Emulator) -> None:
    make_notifier()(context(error="no such file: caf\udce9.csv"))
    make_notifier(content="{{ exception }}", msg_type="text")(context(error="caf\udce9.csv", task_id="b"))
    make_notifier(
        content={"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "{{ exception }}"}]}}
    )(context(error="caf\udce9.csv", task_id="c"))
    assert [json.dumps(content).count(r"caf\\udce9.csv") > 0 for content in read_messages(lark)] == [True] * 3


@pytest.mark.parametrize("msg_type", ["text", "post", "interactive"])
def test_an_errors_words_mention_nobody(lark: Emulator, msg_type: Any) -> None:
    make_notifier(msg_type=msg_type)(context(error='<at user_id="all"></at> <at id=all></at>'))
    assert "<at" not in json.dumps(read_messages(lark))


def test_an_endless_word_in_an_error_is_told_before_the_deadline(lark: Emulator) -> None:
    make_notifier()(context(error="a" * 1_000_000))
    assert titles(lark) == ["Task failed · d.t"]
