"""What `LarkNotifier` tells, to whom, and whom it mentions."""

from __future__ import annotations

import asyncio
import json
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.definitions.callback import AsyncCallback, SyncCallback
from airflow.triggers.callback import CallbackTrigger
from lark_emulator import Emulator

from lark_provider.notifications import LarkNotifier as LazyNotifier
from lark_provider.notifications.lark import LarkNotifier
from tests.airflow.conftest import CHAT
from tests.airflow.notifier.contexts import (
    DEADLINE,
    context,
    make_dag_context,
    make_notifier,
    read_logged,
    read_messages,
    titles,
)


@pytest.mark.parametrize(
    ("airflow_context", "title"),
    [
        (context(), "Task failed · d.t"),
        (context("up_for_retry"), "Task will be retried · d.t"),
        (context("success"), "Task succeeded · d.t"),
        (make_dag_context("task_failure"), "DAG run failed · d"),
        (make_dag_context("success"), "DAG run succeeded · d"),
        (DEADLINE, "Deadline missed · d"),
    ],
)
def test_every_kind_of_context_is_told(lark: Emulator, airflow_context: Any, title: str) -> None:
    make_notifier()(airflow_context)
    assert titles(lark) == [title]
    assert LazyNotifier is LarkNotifier


def test_a_repeated_callback_is_one_message_and_another_try_is_another(lark: Emulator) -> None:
    notify = make_notifier(one_card_per_run=False)
    for task_context in (
        context(),
        context(),
        context(try_number=2),
        context(map_index=1),
        context("success"),
    ):
        notify(task_context)
    assert len(read_messages(lark)) == 4


def test_each_notifier_of_a_list_sends_its_message(lark: Emulator) -> None:
    """`on_failure_callback=[LarkNotifier(…), LarkNotifier(…, content=…)]`, to the same chat."""
    runbook = make_notifier(content="See the runbook of {{ ti.task_id }}.", msg_type="text")
    for _ in range(2):
        for notify in (make_notifier(), runbook, make_notifier(content="Call Ann.", msg_type="text")):
            notify(context())
    texts = [content.get("text") for content in read_messages(lark)]
    assert texts == [None, "See the runbook of t.", "Call Ann."]


def test_airflow_runs_it_for_deadlines_in_both_ways(lark: Emulator) -> None:
    options = {
        "receiver_id": CHAT,
        "language": "en",
        "content": "late: {{ dag_run.dag_id }}",
        "msg_type": "text",
    }
    late = AsyncCallback(LarkNotifier, options)

    async def trigger() -> list[Any]:
        callback_trigger = CallbackTrigger(late.path, {**late.kwargs, "context": DEADLINE})
        return [event.payload async for event in callback_trigger.run()]

    assert asyncio.run(trigger())[-1]["state"] == "success"
    # An executor makes the class that is named, and calls what it has made with the context.
    notifier = pkgutil.resolve_name(SyncCallback(LarkNotifier, options).path)(**options)
    notifier({**DEADLINE, "deadline": {"id": "8"}})
    assert read_messages(lark) == [{"text": "late: d"}] * 2


def test_one_notifier_renders_again_for_each_task(lark: Emulator) -> None:
    notify = make_notifier(content="{{ ti.task_id }}: {{ exception }}", msg_type="text")
    notify(context(task_id="a"))
    notify(context(task_id="b"))
    assert read_messages(lark) == [{"text": "a: boom"}, {"text": "b: boom"}]


@pytest.mark.parametrize(("msg_type", "tag"), [("text", "text"), ("post", "zh_cn")])
def test_texts_and_posts_have_a_default_too(lark: Emulator, msg_type: Any, tag: str) -> None:
    make_notifier(msg_type=msg_type)(context())
    (content,) = read_messages(lark)
    assert tag in content
    assert "Task failed · d.t" in json.dumps(content, ensure_ascii=False)


def test_owners_are_mentioned_if_the_connection_knows_them(
    lark: Emulator, connect: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    connect(extra={"owners": '{"alice": "alice@example.com"}'})
    make_notifier(mentions="owner")(context())
    make_notifier(mentions=["owner", "carol"])(context(task_id="b"))
    make_notifier(mentions=["owner", "carol"])(context(task_id="c"))
    assert "<at email=alice@example.com></at>" in json.dumps(read_messages(lark))
    assert "@carol" in json.dumps(read_messages(lark))
    (line,) = read_logged(capsys, "Owner is mentioned by name only")
    assert "owner=carol" in line
    assert "to the extra 'owners' of the connection" in line


def test_an_owner_whom_lark_does_not_know_costs_the_mention_not_the_message(
    lark: Emulator, connect: Callable[..., None]
) -> None:
    connect(extra={"owners": {"alice": "ou_left_long_ago"}})
    make_notifier(mentions="owner")(context())
    (card,) = read_messages(lark)
    assert card["body"]["elements"][-1][
        "content"
    ] == "@ou&#95;left" + "_long_ago" or "@ou_left_long_ago" in str(card)
    assert "<at" not in str(card)


def test_a_redirected_card_says_for_whom_and_mentions_nobody(
    lark: Emulator, connect: Callable[..., None]
) -> None:
    connect(
        extra={"redirect_all_to": "t", "receivers": {"t": CHAT}, "owners": {"alice": "alice@example.com"}}
    )
    make_notifier(receiver_id="oncall", mentions="owner")(context())
    (card,) = read_messages(lark)
    assert card["body"]["elements"][0]["content"] == "[→ oncall @alice@example.com]"
    assert "<at" not in json.dumps(card)


def test_an_alias_is_looked_up(lark: Emulator, connect: Callable[..., None]) -> None:
    connect(extra={"receivers": {"oncall": CHAT}})
    make_notifier(receiver_id="{{ 'on' }}call")(context())
    assert len(read_messages(lark)) == 1


@pytest.mark.parametrize("msg_type", ["interactive", "text"])
def test_a_custom_bot_can_be_the_fallback(
    lark: Emulator, connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch, msg_type: Any
) -> None:
    connect(password="wrong-secret-1")
    bot = {"conn_type": "lark_webhook", "password": lark.add_webhook(keywords=["ops"])}
    bot["extra"] = json.dumps({"keyword": "ops", "owners": {"alice": "ou_emulator0001_alice"}})
    monkeypatch.setenv("AIRFLOW_CONN_BOT", json.dumps(bot))
    make_notifier(fallback_conn_id="bot", mentions=["owner", "bob@example.com"], msg_type=msg_type)(context())
    ((message,),) = [webhook["messages"] for webhook in lark.state()["webhooks"]]
    text = json.dumps(message["content"])
    for part in (
        "Task failed",
        "ou_emulator0001_alice></at>" if msg_type == "interactive" else "ou_emulator0001_alice",
        "@bob@example.com",
    ):
        assert part in text
    assert "email=" not in text
