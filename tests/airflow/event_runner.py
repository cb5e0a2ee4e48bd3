"""Airflow's own runner of triggers, without its supervisor: the test says what is stored."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from airflow.jobs.triggerer_job_runner import TriggerDetails, TriggerRunner
from airflow.triggers.base import BaseEventTrigger

from tests.callbacks import mq


class Runner(TriggerRunner):
    """Airflow's runner; the test stands in for its supervisor, which stores what fires."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it untyped
        self.ids = itertools.count()

    def begin(self, trigger: BaseEventTrigger) -> asyncio.Task[None]:
        trigger_id = next(self.ids)
        task = asyncio.create_task(self.run_trigger(trigger_id, trigger))
        self.triggers[trigger_id] = TriggerDetails(task=task, is_watcher=True, name="t", events=0)
        return task

    async def wait_for_events(self, count: int) -> list[tuple[int, Any]]:
        await mq.wait_until_async(lambda: len(self.events) >= count)
        return [(entry.trigger_id, entry.event.payload) for entry in self.events]

    def store(self, *event_ids: str, trigger_id: int | None = None) -> None:
        for entry in self.events:
            fits = trigger_id in {None, entry.trigger_id}
            if fits and entry.event.payload["event_id"] in event_ids and entry.persist_seq is not None:
                self._shared_streams.confirm_persisted([entry.persist_seq])


@asynccontextmanager
async def running(*triggers: BaseEventTrigger) -> AsyncIterator[Runner]:
    """Yield a triggerer that runs these triggers, and stop it in an orderly way at the end."""
    runner = Runner()
    tasks = [runner.begin(trigger) for trigger in triggers]
    try:
        yield runner
    finally:
        await runner._shared_streams.stop_all()
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
