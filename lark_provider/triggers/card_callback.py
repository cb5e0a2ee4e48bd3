"""Wait for a card's answer in the triggerer, where all waits share their queries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from lark_provider.errors import LarkError
from lark_provider.hooks import airflow_config
from lark_provider.protocol.waits import Wait
from lark_provider.triggers import task_state

if TYPE_CHECKING:
    from lark_provider.callbacks.waiting import Hub
    from lark_provider.protocol.questions import TaskQuestion

logger = logging.getLogger(__name__)


class LarkCardCallbackTrigger(BaseTrigger):
    """Fire when a question is decided or closed. The event names it; the outcome is in the database.

    All waits of a triggerer share one query a second for each thousand of them, and one connection to
    RabbitMQ. They outlast an outage of the database or the broker.

    Args:
        wait: A wait of version 0.1, the fields of a `Wait`. Triggers that were stored before an upgrade
            have one.
        database_id: The id of the database where the wait began; None if it is unknown.
        wait_id: The question, a row in `waits`.
    """

    def __init__(
        self,
        wait: dict[str, Any] | None = None,
        database_id: str | None = None,
        wait_id: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it untyped
        self.wait, self.database_id, self.wait_id = wait, database_id, wait_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments from which Airflow makes the trigger again."""
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        waited_for = {"wait": self.wait} if self.wait_id is None else {"wait_id": self.wait_id}
        return name, waited_for | {"database_id": self.database_id}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire an event that the question is over, or that waiting failed, with the reason."""
        from lark_provider.hooks import reporting  # DAG files are parsed without it.

        loop = asyncio.get_running_loop()
        started = loop.time()
        reporting.start()
        if self.wait_id is not None and self.trigger_id is not None:  # it has none in `dag.test()`
            task_state.prepare()
        # A worker reads the answer by the id in the event, not by the DAG file, which may have been edited.
        named = {"wait": self.wait} if self.wait_id is None else {"wait_id": self.wait_id}
        try:
            hub = await asyncio.to_thread(_get_hub, await airflow_config.aread_database_url())
            # Awaited on the loop, so that cancelling the trigger ends its wait.
            if self.wait_id is None:
                await asyncio.wrap_future(hub.wait(Wait.from_dict(self.wait or {}), self.database_id))
            else:
                await asyncio.wrap_future(hub.settle(self.wait_id, self.database_id))
            event = {"status": "answered", **named}
        except LarkError as error:
            event = {"status": "error", "message": f"{type(error).__name__}: {error}", **named}
        await asyncio.sleep(max(0.0, started + task_state.MIN_SECONDS - loop.time()))
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]  # Airflow leaves it untyped

    async def on_kill(self) -> None:
        """Close the question and withdraw its card: the task was cleared, marked or deleted.

        Airflow 3.3 and later call this, but not when a triggerer stops. A triggerer that was frozen while
        another one took over its triggers calls it too: the task is then still deferred, and the question
        stays open.
        """
        if self.wait_id is None:
            return
        # In an asyncio task of its own: the triggerer cancels a trigger repeatedly until it has ended, and
        # the second time would stop this after the question is closed, and before its card is.
        await asyncio.shield(task_state.in_background(_on_kill(self.wait_id)))


async def _on_kill(wait_id: str) -> None:
    try:
        await _close(wait_id)
    except Exception as error:  # noqa: BLE001 - also Airflow's, such as for a connection that is missing
        fields = {"wait": wait_id, "error": task_state.describe(error)}
        logger.warning("Failed to withdraw a question", extra=fields)


async def _close(wait_id: str) -> None:
    from lark_provider.callbacks import waiting  # it loads SQLAlchemy and pika

    url = await airflow_config.aread_database_url()
    question = await asyncio.to_thread(waiting.with_waits, lambda waits: waits.get(wait_id), url)
    if question is None or question.state != "open":
        return
    origin = question.origin
    if await task_state.is_deferred(origin.dag_id, origin.run_id, origin.task_id, origin.map_index):
        logger.info("Task still deferred; its question stays open", extra={"wait": wait_id})
        return
    question = await asyncio.to_thread(
        waiting.with_waits, lambda waits: waits.close(wait_id, "withdrawn"), url
    )
    if question is not None and question.state == "closed":
        logger.info("Question withdrawn", extra={"wait": wait_id, "task_id": question.origin.task_id})
        await _withdraw(question)


async def _withdraw(question: TaskQuestion) -> None:
    if not (question.is_ours and question.message_ids):
        return
    from lark_provider.api.card_life import end_all  # few cards are withdrawn here
    from lark_provider.api.cards.outcome import make_outcome_card  # few cards are withdrawn here
    from lark_provider.hooks.lark import LarkHook  # few cards are withdrawn here

    refused: Mapping[str, Exception]
    try:
        async with await LarkHook(question.origin.conn_id).get_async_conn() as client:
            refused = await client.perform(end_all(question.message_ids, make_outcome_card(question)))
    except Exception as error:  # noqa: BLE001 - also Airflow's, such as for a connection that is missing
        refused = dict.fromkeys(question.message_ids, error)
    if refused:  # The gateway withdraws them when a user clicks.
        first = task_state.describe(next(iter(refused.values())))
        fields = {"messages": ", ".join(refused), "error": first}
        logger.warning("Failed to update cards of a withdrawn question", extra=fields)


def _get_hub(database_url: str | None) -> Hub:
    from lark_provider.callbacks import waiting  # in a thread: it loads SQLAlchemy and pika

    return waiting.get_hub(database_url, airflow_config.read_rabbitmq_url())
