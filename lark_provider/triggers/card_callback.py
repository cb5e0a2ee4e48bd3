"""Wait for a card's answer in the triggerer, for nothing but a place in a list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from lark_provider.hooks import airflow_version  # noqa: F401 - first, for its clear sentence

from airflow.triggers.base import BaseTrigger, TriggerEvent  # isort: skip

from lark_provider.errors import LarkError
from lark_provider.hooks import shared
from lark_provider.protocol.waits import Wait

if TYPE_CHECKING:
    from lark_provider.callbacks.waiting import Hub

# A trigger that fires while its task is still being put to sleep can make the executor and the scheduler
# disagree about the task, which then fails.
_SETTLE_SECONDS = 2.0


class LarkCardCallbackTrigger(BaseTrigger):
    """Fires when a card is answered. The event says no more than that: the answer is read from the database.

    All of a triggerer's waits share one query a second and one connection to RabbitMQ. The database and the
    broker may come and go meanwhile.

    Args:
        wait: What is waited for, as `Wait.as_dict` returns it.
        database_id: The id of the database where the wait began; None if it could not be asked.
    """

    def __init__(self, wait: dict[str, Any], database_id: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it untyped
        self.wait, self.database_id = wait, database_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to make it again."""
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return name, {"wait": self.wait, "database_id": self.database_id}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then say that the answer is there, or why it never will be."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            hub = await asyncio.to_thread(_hub, await shared.adatabase_url())
            # On the loop, so that whoever is cancelled waits no more.
            await asyncio.wrap_future(hub.wait(Wait.from_dict(self.wait), self.database_id))
            event = {"status": "answered"}
        except LarkError as error:
            event = {"status": "error", "message": f"{type(error).__name__}: {error}"}
        await asyncio.sleep(max(0.0, started + _SETTLE_SECONDS - loop.time()))
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]  # as above


def _hub(database_url: str | None) -> Hub:
    from lark_provider.callbacks import waiting  # noqa: PLC0415 - in a thread: it loads SQLAlchemy and pika

    return waiting.hub(database_url, shared.rabbitmq_url())
