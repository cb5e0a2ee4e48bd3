"""Read how Airflow's questions ended that are open no longer, and record it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from lark_provider.bridge import reading
from lark_provider.bridge.airflow_api import PAGE, REQUESTS_AT_ONCE, AirflowApi
from lark_provider.bridge.audit_log import AuditLog
from lark_provider.bridge.errors import AirflowRefusedError
from lark_provider.protocol.hitl.model import End, TaskInstance
from lark_provider.storage.hitl_questions import Questions
from lark_provider.support import threads
from lark_provider.support.concurrency import map_few
from lark_provider.support.once import Once

logger = logging.getLogger(__name__)

QUESTIONS = "/dags/~/dagRuns/~/hitlDetails"
"""The list of all questions, in Airflow's REST API."""
FEW = 20
"""Up to so many questions are read one by one, and more with pages of the list."""


class QuestionEnds:
    """Reads and records the ends of questions. For one event loop.

    Args:
        api: Airflow.
        store: The database.
        log: Tells which questions a person ended without an answer.
    """

    def __init__(self, api: AirflowApi, store: Questions, log: AuditLog) -> None:
        self._api, self._store, self._log = api, store, log
        self._forbidden = Once()

    async def settle(self, ti_ids: Collection[str]) -> dict[str, End]:
        """Read the outcome of questions, and record how each ended that waits no longer.

        Args:
            ti_ids: The questions; 500 at most.

        Returns:
            The recorded ends of those that are over.

        Raises:
            LarkError: Airflow or the database cannot be used. The next call looks again.
        """
        if not ti_ids:
            return {}
        ends = await self.read_answered_ends(ti_ids, len(ti_ids) // 100 + 2) if len(ti_ids) > FEW else {}
        others = sorted(set(ti_ids) - ends.keys())
        tasks = list((await threads.run(lambda: self._store.read_tasks(others))).values())
        for task, end in zip(tasks, await map_few(self._read_end, tasks, REQUESTS_AT_ONCE), strict=True):
            if end is not None:
                ends[task.ti_id] = end
        return await self.record(ends)

    async def read_answered_ends(
        self,
        ti_ids: Collection[str],
        most_pages: int,
        *,
        passes: bool = False,
        since: datetime | None = None,
    ) -> dict[str, End]:
        """Return the ends of those questions that are among the last ones that were answered.

        Args:
            ti_ids: The questions.
            most_pages: How many pages are read at most.
            passes: Whether pages without one of them are passed, as where many are recorded already.
            since: None of them was created earlier. Without it, Airflow sorts all answers that it ever had.

        Raises:
            LarkError: Airflow cannot be used.
        """
        bound = {} if since is None else {"created_at_gte": since.isoformat()}
        wanted, ends = set(ti_ids), dict[str, End]()
        for number in range(most_pages):
            params = {"response_received": "true", "order_by": "-responded_at", **bound}
            page = await self._api.get(QUESTIONS, {**params, "limit": PAGE, "offset": PAGE * number}) or {}
            details = page.get("hitl_details", ())
            new = {
                ti_id: end
                for detail in details
                if (ti_id := str(detail["task_instance"]["id"])) in wanted
                and (end := reading.read_end(detail, ti_id)) is not None
            }
            ends |= new
            if not (new or passes) or len(details) < PAGE or ends.keys() >= wanted:
                break
        return ends

    async def record(self, ends: Mapping[str, End]) -> dict[str, End]:
        """Record how questions ended.

        Args:
            ends: The ends, by question.

        Returns:
            What is recorded for each: an end that came first stays.

        Raises:
            StorageError: The database cannot be used.
        """
        if not ends:
            return {}
        recorded = await threads.run(lambda: self._store.end(ends))
        logger.info("Questions closed", extra={"questions": len(recorded)})
        return recorded

    async def _read_end(self, task: TaskInstance) -> End | None:
        try:
            detail = await self._api.get(f"{task.path}/hitlDetails")
        except AirflowRefusedError as error:
            if not error.is_forbidden:
                raise
            # The ends of others do not wait for a DAG that the account may not read any more.
            if self._forbidden.mark_first(task.ti_id):
                fields = task.log_fields | {"error": str(error)}
                logger.warning("Question of Airflow may not be read; its card stays open", extra=fields)
            return None
        end = reading.read_end(detail, task.ti_id)
        if end is not None and end.kind == "timed_out":
            since = reading.parse_moment((detail or {}).get("created_at"))
            if await self._log.was_marked(task, since):
                return replace(end, kind="withdrawn")
        return end
