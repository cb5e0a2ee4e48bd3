"""Read from Airflow's audit log whether a person ended a question, or its task failed once answered."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.errors import AirflowRefusedError
from lark_provider.protocol.hitl.model import HitlQuestion, TaskInstance
from lark_provider.storage.hitl_questions import Questions
from lark_provider.support import threads

logger = logging.getLogger(__name__)

_MARKS = ("patch_task_instance", "bulk_task_instances", "patch_task_group", "patch_dag_run", "clear_dag_run")
"""Events that may end a question without an answer."""
_STATE_MEMBERS = {"patch_task_instance": "new_state", "patch_dag_run": "state"}
"""The member of a request's body that sets a state, by the event."""
_MISMATCH = "state mismatch"


class AuditLog:
    """Reads Airflow's audit log. For one event loop.

    Args:
        api: Airflow.
        store: The database.
    """

    def __init__(self, api: AirflowApi, store: Questions) -> None:
        self._api, self._store = api, store
        self._can_read = True
        self._reported: set[int] = set()
        """Rows that were shown; few, as such failures are rare."""

    async def watch_answered(self, seconds: float) -> int:
        """Look for tasks that failed although they were answered.

        Args:
            seconds: Questions that were answered so long ago are looked at.

        Returns:
            How many were found.

        Raises:
            LarkError: Airflow or the database cannot be used. The next call looks again.
        """
        after = self._api.now() - timedelta(seconds=2 * seconds)
        params = {"event": _MISMATCH, "after": after.isoformat(), "order_by": "-event_log_id"}
        rows = [row for row in await self._read_rows(params) if row["event_log_id"] not in self._reported]
        if not rows:
            return 0
        answered = await threads.run(lambda: self._store.list_answered(2 * seconds))
        places = {_get_place(record.question): ti_id for ti_id, record in answered.items()}
        count = 0
        for row in rows:
            place = (row["dag_id"], row["run_id"], row["task_id"], row["map_index"], row["try_number"])
            ti_id = places.get(place)
            end = None if ti_id is None else answered[ti_id].end
            if ti_id is None or end is None:
                continue
            failed = replace(end, kind="failed", detail=str(row.get("extra") or _MISMATCH)[:500])
            if await threads.run(lambda: self._store.record_failed(ti_id, failed)):  # noqa: B023 - awaited here
                task = answered[ti_id].question.task
                logger.warning("Task failed after it was answered", extra=task.log_fields)
                count += 1
            self._reported.add(row["event_log_id"])
        return count

    async def was_marked(self, task: TaskInstance, since: datetime | None) -> bool:
        """Return whether a person ended a task that failed unanswered.

        Args:
            task: The task.
            since: When it asked; None if that is not known.

        Raises:
            LarkError: Airflow cannot be used.
        """
        params: dict[str, Any] = {"dag_id": task.dag_id, "run_id": task.run_id, "included_events": _MARKS}
        if since is not None:
            params["after"] = since.isoformat()
        return any(_may_end(row, task) for row in await self._read_rows(params))

    async def _read_rows(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        if not self._can_read:
            return []
        try:
            page = await self._api.get("/eventLogs", {**params, "limit": 100}) or {}
        except AirflowRefusedError as error:
            if not error.is_forbidden:
                raise  # As when its token was revoked, which passes.
            self._can_read = False
            logger.warning("Airflow's audit log cannot be read", extra={"error": str(error)})
            return []
        return list(page.get("event_logs", ()))


def _may_end(row: Mapping[str, Any], task: TaskInstance) -> bool:
    """Return whether what a row records may have ended a task: notes are written by the same requests."""
    if row["task_id"] not in {None, task.task_id}:
        return False
    try:
        request = orjson.loads(row.get("extra") or "{}")
    except orjson.JSONDecodeError:
        return True
    if not isinstance(request, dict):
        return True
    # None stands for all instances of a mapped task.
    is_same = request.get("map_index") is None or str(request["map_index"]) == str(task.map_index)
    member = _STATE_MEMBERS.get(row.get("event", ""))
    return is_same and (member is None or member in request)


def _get_place(question: HitlQuestion) -> tuple[Any, ...]:
    task = question.task
    return task.dag_id, task.run_id, task.task_id, task.map_index, task.try_number
