"""Tasks that ask, and what became of their questions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk.exceptions import (
    TaskDeferred,
)
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.operators.approval import LarkApprovalOperator
from lark_provider.protocol.questions import Origin, TaskQuestion
from lark_provider.sensors import LarkCardCallbackSensor
from lark_provider.storage import tables
from lark_provider.storage.engine import get_engine
from lark_provider.storage.waits import Waits
from lark_provider.triggers import LarkCardCallbackTrigger
from tests.airflow.card_callbacks.clicks_and_cards import BOSS, messages
from tests.airflow.conftest import CHAT

KEY, TOKEN = "the app's key", "the app's token"
ORIGIN = Origin("d", "r", "t", -1, "approval", try_number=1, max_tries=2, conn_id="lark_default")
Start = Callable[..., Any]


def approval(**options: Any) -> LarkApprovalOperator:
    arguments = {"receiver_id": CHAT, "title": "Publish?", "approvers": [BOSS], **options}
    return LarkApprovalOperator(task_id="t", **arguments)


def defer(operator: LarkCardCallbackSensor, context: Any) -> LarkCardCallbackTrigger:
    """Execute a task until it defers, and return its trigger as the triggerer rebuilds it."""
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    return LarkCardCallbackTrigger(**json.loads(json.dumps(deferred.value.trigger.serialize()[1])))


def run_until_fired(trigger: LarkCardCallbackTrigger) -> dict[str, Any]:
    """Run a trigger until it fires, and return the event as Airflow stores it."""

    async def work() -> Any:
        return await asyncio.wait_for(anext(aiter(trigger.run())), 30)

    event: dict[str, Any] = asyncio.run(work()).payload
    return json.loads(json.dumps(event))  # type: ignore[no-any-return]  # as Airflow stores it


def read_question(url: URL) -> TaskQuestion:
    with get_engine(url).connect() as connection:
        (wait_id,) = connection.execute(sa.select(tables.waits.c.id)).scalars()
    question = Waits(url).get(wait_id)
    assert question is not None
    return question


def read_card(lark: Emulator, place: int = 0) -> str:
    return json.dumps(messages(lark)[place]["content"], ensure_ascii=False)


def close(url: URL, reason: Any) -> TaskQuestion:
    question = Waits(url).close(read_question(url).id, reason)
    assert question is not None
    return question
