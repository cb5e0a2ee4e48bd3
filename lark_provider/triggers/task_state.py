"""Ask Airflow, when a trigger ends early, whether its task is still deferred."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

from airflow.triggers.base import BaseTrigger

logger = logging.getLogger(__name__)

MIN_SECONDS = 2.0
"""A trigger that fires while its task is still being deferred can make the executor and the scheduler
disagree about the task, which then fails. So none fires sooner."""
_DEFERRED = "deferred"
_background: set[asyncio.Future[None]] = set()
"""Tasks that outlive their trigger; the event loop itself keeps no strong reference to them."""
_is_prepared = False
"""Whether this process has queried Airflow, or is doing so."""


def in_background(work: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
    """Start work that goes on when its trigger is cancelled.

    Args:
        work: What to do.
    """
    task = asyncio.ensure_future(work)
    _background.add(task)
    task.add_done_callback(_background.discard)
    return task


def describe(error: Exception) -> str:
    """Return an error with its class, without which Airflow's own errors say little.

    Args:
        error: The error.
    """
    return f"{type(error).__name__}: {error}"


async def finish() -> None:
    """Wait for what `in_background` has started."""
    await asyncio.gather(*_background)


def prepare() -> None:
    """Query Airflow once in this process, in the background.

    For the first query of a triggerer, its supervisor builds the whole execution API. That takes seconds, on
    a busy machine half a minute, and the supervisor does nothing else meanwhile. `on_kill` has 30 seconds,
    so this must not begin only when a user clears a task.
    """
    global _is_prepared  # noqa: PLW0603 - the supervisor is one for the process
    if _is_prepared or not hasattr(BaseTrigger, "on_kill"):  # Airflow 3.2 has none, so nothing is asked there
        return
    _is_prepared = True
    in_background(_query_airflow())


async def _query_airflow() -> None:
    global _is_prepared  # noqa: PLW0603 - the supervisor is one for the process
    began = time.monotonic()
    try:
        await _read_task_states("", task_ids=[], run_ids=[])  # No DAG has this id: the answer is empty.
    except Exception as error:  # noqa: BLE001 - whatever it is, the wait continues
        _is_prepared = False  # The next trigger tries again.
        fields = {"error": describe(error)}
        logger.warning("Airflow's API is not ready; withdrawing a question may time out", extra=fields)
    else:
        logger.info("Airflow's API is ready", extra={"waited_s": round(time.monotonic() - began, 1)})


async def is_deferred(dag_id: str, run_id: str, task_id: str, map_index: int) -> bool:
    """Return whether a task is deferred; True if Airflow does not answer.

    Args:
        dag_id: The id of the task's DAG.
        run_id: The id of the task's DAG run.
        task_id: The task's id.
        map_index: The index of a mapped task instance; negative if the task is not mapped.
    """
    try:
        by_run = await _read_task_states(
            dag_id, map_index=None if map_index < 0 else map_index, task_ids=[task_id], run_ids=[run_id]
        )
    except Exception:
        logger.warning("Task state unknown; leaving the question open until its deadline", exc_info=True)
        return True
    states = by_run.get(run_id, {}) if isinstance(by_run, dict) else {}
    return _DEFERRED in {str(getattr(state, "value", state)) for state in states.values()}


async def _read_task_states(dag_id: str, **criteria: Any) -> Any:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from asgiref.sync import sync_to_async

    # In a thread of asgiref's, from which Airflow's blocking call can reach this event loop. Not the one
    # that all triggers share by default: the first call takes long.
    get_states = sync_to_async(RuntimeTaskInstance.get_task_states, thread_sensitive=False)
    return await get_states(dag_id, **criteria)
