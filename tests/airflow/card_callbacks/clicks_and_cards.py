"""Clicks, cards, and the tasks that wait for them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
from airflow.sdk import PokeReturnValue
from airflow.sdk.exceptions import (
    TaskDeferred,
)
from lark_emulator import Emulator

from lark_provider.operators.approval import LarkApprovalOperator
from lark_provider.protocol.callbacks import CardClick, read
from lark_provider.sensors import LarkCardCallbackSensor
from tests.airflow.conftest import CHAT

Context = Callable[..., Any]
BOSS, BOB = "ou_emulator0001_alice", "ou_emulator0001_bob"
APP = "cli_1a2b3c4d5e6f0001"
CONNECTION = json.dumps({"conn_type": "lark", "login": APP, "password": "secret"})


def click(
    event_id: str,
    message_id: str | None = "om_1",
    value: Any = None,
    open_id: str = "ou_1",
    app_id: str = APP,
    form: dict[str, Any] | None = None,
) -> CardClick:
    card_click = read(
        {
            "schema": "2.0",
            "header": {
                "event_id": event_id,
                "event_type": "card.action.trigger",
                "create_time": str(int(time.time() * 1_000_000)),
                "app_id": app_id,
            },
            "event": {
                "operator": {"open_id": open_id},
                "token": "c-never-shown",
                "action": {"tag": "button", "value": value or {}, "form_value": form},
                "context": {"open_message_id": message_id, "open_chat_id": "oc_1"},
            },
        }
    )
    assert isinstance(card_click, CardClick)
    return card_click


class Start(Protocol):
    """Starts the task, and gives its context."""

    def __call__(self, *, resumed: bool = ..., **changes: Any) -> Any:
        """Return the context of a task start; XComs of the previous start remain only if `resumed`."""


def poke(sensor: LarkCardCallbackSensor, context: Any) -> PokeReturnValue:
    return sensor.poke(context)


def messages(lark: Emulator) -> list[dict[str, Any]]:
    chats = {chat["chat_id"]: chat for chat in lark.state()["chats"]}
    chat_messages: list[dict[str, Any]] = chats[CHAT]["messages"]
    return chat_messages


def elements(part: Any, tag: str) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if part.get("tag") == tag:
            yield part
        part = list(part.values())
    for child in part if isinstance(part, list) else ():
        yield from elements(child, tag)


def buttons(card: Any) -> Iterator[dict[str, Any]]:
    for button in elements(card, "button"):
        yield from (
            behavior["value"] for behavior in button.get("behaviors", ()) if behavior["type"] == "callback"
        )


def approval(**options: Any) -> LarkApprovalOperator:
    return LarkApprovalOperator(task_id="t", title="Publish?", **{"receiver_id": CHAT, **options})


def defer(sensor: LarkCardCallbackSensor, context: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(context)
    return deferred.value


def sensor(**options: Any) -> LarkCardCallbackSensor:
    return LarkCardCallbackSensor(task_id="t", message_id="om_1", deferrable=True, **options)
