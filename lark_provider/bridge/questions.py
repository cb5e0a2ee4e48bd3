"""Follow Airflow's open questions: record each that is new, and how each ended that is open no longer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from lark_provider.bridge import reading
from lark_provider.bridge.airflow_api import PAGE, AirflowApi
from lark_provider.bridge.dags import Dags
from lark_provider.bridge.errors import AirflowRefusedError
from lark_provider.bridge.settings import Settings
from lark_provider.bridge.waiting import WaitingStates
from lark_provider.protocol.errors import LarkError
from lark_provider.protocol.hitl.model import End, HitlQuestion, TaskInstance
from lark_provider.storage.questions import Questions
from lark_provider.support import threads
from lark_provider.support.once import Once

logger = logging.getLogger(__name__)

OPEN = "/dags/~/dagRuns/~/hitlDetails"
INSTANCES = "/dags/~/dagRuns/~/taskInstances"
COMPLETE_SECONDS = 300.0
_OVERLAP = timedelta(seconds=30)
_SHARE = 40.0
"""Between two complete passes is so many times the duration of one: a large Airflow is read more rarely."""
_FEW = 20
"""Up to so many questions are read one by one, and more with pages of the list."""
_MOST_SETTLED = 500
_ANSWERED_EVERY, _MOST_PAGES = 3, 20
_MARKS = ("patch_task_instance", "bulk_task_instances", "patch_task_group", "patch_dag_run", "clear_dag_run")
"""Events of Airflow's audit log that end a question without an answer."""
_MISMATCH = "state mismatch"


class QuestionPoller:
    """Polls Airflow. For one event loop; one call at a time.

    Args:
        api: Airflow.
        store: The database.
        settings: The settings.
    """

    def __init__(self, api: AirflowApi, store: Questions, settings: Settings) -> None:
        self._api, self._store, self._settings = api, store, settings
        self._dags = Dags(api)
        self._cursor: datetime | None = None
        self._oldest: datetime | None = None
        """When the oldest open question was created: the answers of earlier ones need not be searched."""
        self._complete_due = float("-inf")
        self._passes = 0
        self._seen: dict[str, None] = {}
        """Task instances that are known to be recorded, or not to be questions."""
        self._states = WaitingStates(api)
        self._can_read_log = True
        self._left: list[str] = []
        """Questions that are open no longer, and whose ends are yet to be read: some with each poll."""
        self._forbidden = Once()
        self._reported: set[int] = set()
        """Rows of the audit log that were shown; few, as such failures are rare."""

    async def poll(self) -> None:
        """Look once at what has changed; everything is read at the start and every `COMPLETE_SECONDS`.

        Raises:
            LarkError: Airflow or the database cannot be used. Nothing is lost: the next call looks again.
        """
        try:
            await self._poll()
        except LarkError:
            self._states.forget()
            raise

    async def _poll(self) -> None:
        if time.monotonic() >= self._complete_due or self._cursor is None:
            await self.complete()
            return
        cursor = self._api.now()
        await self._changes(self._cursor - _OVERLAP)
        self._passes += 1
        if self._passes % _ANSWERED_EVERY == 0:
            live = await threads.run(self._store.live)
            if live:
                ends = await self._answered(live.keys(), _MOST_PAGES, since=self._oldest)
                await self._record_ends(ends)
                if len(ends) > PAGE * (_MOST_PAGES - 1):
                    # More were answered than were read. The next look at the latest answers would not get
                    # past those that are recorded now.
                    self._complete_due = float("-inf")
        await self._settle_some()
        self._cursor = cursor

    async def complete(self) -> None:
        """Read all open questions, and settle those that are open no longer.

        Raises:
            LarkError: As for `poll`.
        """
        began = time.monotonic()
        self._states.forget()
        cursor = self._api.now() if self._cursor is not None else None
        # Read first: a question that is recorded meanwhile must not count as one that is open no longer.
        live = await threads.run(self._store.live)
        params = {"response_received": "false", "state": await self._states.get(), "order_by": "ti_id"}
        found: dict[str, Mapping[str, Any]] = {}
        async with aclosing(self._api.each_page(OPEN, "hitl_details", params)) as pages:
            async for page in pages:
                asking = {
                    str(one["task_instance"]["id"]): one
                    for one in page
                    if reading.is_asking(one["task_instance"])
                }
                # Recorded at once: thousands take a minute, and a bridge that ends meanwhile is followed by
                # another one, which begins with the first page again.
                new = {ti_id: one for ti_id, one in asking.items() if ti_id not in live | found.keys()}
                known = await threads.run(lambda: self._store.known(new)) if new else {}  # noqa: B023 - awaited here
                await self._record([one for ti_id, one in new.items() if ti_id not in known])
                await self._ask_again(
                    [new[ti_id]["task_instance"] for ti_id in known if known[ti_id] == "over"]
                )
                found |= asking
        self._oldest = reading.oldest(found.values(), None)
        self._left = sorted(live.keys() - found.keys())
        if len(self._left) > _MOST_SETTLED:
            ends = await self._answered(self._left, 2 * len(self._left) // PAGE + _MOST_PAGES, passes=True)
            await self._record_ends(ends)
            self._left = [one for one in self._left if one not in ends]
        await self._settle_some()
        seconds = time.monotonic() - began
        self._complete_due = time.monotonic() + min(_SHARE * seconds, COMPLETE_SECONDS)
        self._cursor = cursor or self._api.now() - timedelta(seconds=seconds)
        self._seen = {}

    async def _settle_some(self) -> None:
        some, self._left = self._left[:_MOST_SETTLED], self._left[_MOST_SETTLED:]
        await self.settle(some)

    async def settle(self, ti_ids: Collection[str]) -> dict[str, End]:
        """Read what became of questions, and record how each ended that waits no longer.

        Args:
            ti_ids: The questions; 500 at most.

        Returns:
            The recorded ends of those that are over.

        Raises:
            LarkError: As for `poll`.
        """
        if not ti_ids:
            return {}
        ends = await self._answered(ti_ids, len(ti_ids) // 100 + 2) if len(ti_ids) > _FEW else {}
        others = sorted(set(ti_ids) - ends.keys())
        tasks = list((await threads.run(lambda: self._store.tasks(others))).values())
        for start in range(0, len(tasks), _FEW):
            some = tasks[start : start + _FEW]
            for task, end in zip(some, await asyncio.gather(*map(self._end, some)), strict=True):
                if end is not None:
                    ends[task.ti_id] = end
        return await self._record_ends(ends)

    async def watch_answered(self, seconds: float) -> int:
        """Look in Airflow's audit log for tasks that failed although they were answered.

        Args:
            seconds: Questions that were answered so long ago are looked at.

        Returns:
            How many were found.

        Raises:
            LarkError: As for `poll`.
        """
        after = self._api.now() - timedelta(seconds=2 * seconds)
        params = {"event": _MISMATCH, "after": after.isoformat(), "order_by": "-event_log_id"}
        rows = [row for row in await self._log(params) if row["event_log_id"] not in self._reported]
        if not rows:
            return 0
        answered = await threads.run(lambda: self._store.answered_since(2 * seconds))
        places = {_place(one.question): ti_id for ti_id, one in answered.items()}
        count = 0
        for row in rows:
            place = (row["dag_id"], row["run_id"], row["task_id"], row["map_index"], row["try_number"])
            ti_id = places.get(place)
            end = None if ti_id is None else answered[ti_id].end
            if ti_id is None or end is None:
                continue
            failed = replace(end, kind="failed", detail=str(row.get("extra") or _MISMATCH)[:500])
            if await threads.run(lambda: self._store.failed(ti_id, failed)):  # noqa: B023 - awaited here
                logger.warning(
                    "Task failed after it was answered", extra=_named(answered[ti_id].question.task)
                )
                count += 1
            self._reported.add(row["event_log_id"])
        return count

    async def _changes(self, since: datetime) -> None:
        params = {"state": await self._states.get(), "updated_at_gte": since.isoformat(), "order_by": "id"}
        found = await self._api.pages(INSTANCES, "task_instances", params)
        asking = {str(one["id"]): one for one in found if reading.is_asking(one)}
        known = await threads.run(lambda: self._store.known(asking)) if asking else {}
        new = {ti_id: one for ti_id, one in asking.items() if ti_id not in known | self._seen}
        details = await self._newest(new.keys()) if len(new) > _FEW else {}
        others = [ti_id for ti_id in new if ti_id not in details][:_MOST_SETTLED]
        details |= await self._details([new[ti_id] for ti_id in others])
        await self._record([one for ti_id, one in details.items() if reading.is_open(one, ti_id)])
        self._seen |= dict.fromkeys([*details, *others])
        await self._ask_again([asking[ti_id] for ti_id, state in known.items() if state == "over"])

    async def _ask_again(self, instances: Sequence[Mapping[str, Any]]) -> None:
        """Hold questions once more that are over here and wait in Airflow.

        A task starts again under its id if its DAG file was missing for a moment when it was resumed.
        """
        # Read now: what was listed before the end was recorded says nothing.
        found = await self._details(instances[:_MOST_SETTLED])
        details = [one for ti_id, one in found.items() if reading.is_open(one, ti_id)]
        if not details:
            return
        questions = await self._questions(details)
        parked = self._parked_at()
        for ti_id in await threads.run(lambda: self._store.ask_again(parked, questions)):
            (task,) = (one.task for one in questions if one.task.ti_id == ti_id)
            logger.warning("Question asked again after its end", extra=_named(task))

    async def _details(self, instances: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        """Return the details of task instances as they are now, a few at a time; of some there are none."""
        details: dict[str, Mapping[str, Any]] = {}
        for start in range(0, len(instances), _FEW):
            some = instances[start : start + _FEW]
            paths = (f"{reading.task_instance(one).path}/hitlDetails" for one in some)
            found = await asyncio.gather(*map(self._api.get, paths))
            details |= {str(ti["id"]): one for ti, one in zip(some, found, strict=True) if one is not None}
        return details

    async def _newest(self, ti_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """Return the details of those questions that are among the newest: all, but for later tries."""
        states = await self._states.get()
        params: dict[str, Any] = {"response_received": "false", "state": states, "order_by": "-created_at"}
        offsets = range(0, len(ti_ids) + PAGE, PAGE)
        pages = await asyncio.gather(
            *(self._api.get(OPEN, {**params, "limit": PAGE, "offset": offset}) for offset in offsets)
        )
        found = {str(one["task_instance"]["id"]): one for page in pages for one in page["hitl_details"]}
        return {ti_id: found[ti_id] for ti_id in ti_ids if ti_id in found}

    async def _record(self, details: Collection[Mapping[str, Any]]) -> None:
        if not details:
            return
        questions = await self._questions(details)
        parked = dict.fromkeys((one.task.ti_id for one in questions), self._parked_at())
        count = await threads.run(lambda: self._store.record(parked, questions, self._settings.team))
        if count:
            logger.info("Questions recorded", extra={"questions": count})

    async def _questions(self, details: Collection[Mapping[str, Any]]) -> list[HitlQuestion]:
        self._oldest = reading.oldest(details, self._oldest)
        dags = await self._dags.get({one["task_instance"]["dag_id"] for one in details})
        url = self._settings.public_url
        return [reading.question(one, dags[one["task_instance"]["dag_id"]], url) for one in details]

    def _parked_at(self) -> datetime:
        """Return a time at which tasks that were just seen to wait had been parked.

        The REST API does not show when. A later time makes the hold long enough; Airflow tells its time in
        whole seconds, rounded down.
        """
        return self._api.now() + timedelta(seconds=1)

    async def _end(self, task: TaskInstance) -> End | None:
        try:
            detail = await self._api.get(f"{task.path}/hitlDetails")
        except AirflowRefusedError as error:
            if not error.is_forbidden:
                raise
            # The ends of others do not wait for a DAG that the account may not read any more.
            if self._forbidden.is_first(task.ti_id):
                fields = _named(task) | {"error": str(error)}
                logger.warning("Question of Airflow may not be read; its card stays open", extra=fields)
            return None
        end = reading.end(detail, task.ti_id)
        if end is not None and end.kind == "timed_out" and await self._was_marked(task):
            return replace(end, kind="withdrawn")
        return end

    async def _was_marked(self, task: TaskInstance) -> bool:
        """Return whether a person ended a task that failed unanswered; only the audit log tells."""
        params = {"dag_id": task.dag_id, "run_id": task.run_id, "included_events": _MARKS}
        rows = await self._log(params)
        return any(row["task_id"] in {None, task.task_id} for row in rows)

    async def _log(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        if not self._can_read_log:
            return []
        try:
            found = await self._api.get("/eventLogs", {**params, "limit": 100}) or {}
        except AirflowRefusedError as error:
            if not error.is_forbidden:
                raise  # As when its token was revoked, which passes.
            self._can_read_log = False
            logger.warning("Airflow's audit log cannot be read", extra={"error": str(error)})
            return []
        return list(found.get("event_logs", ()))

    async def _answered(
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
        """
        bound = {} if since is None else {"created_at_gte": since.isoformat()}
        wanted, ends = set(ti_ids), dict[str, End]()
        for number in range(most_pages):
            params = {"response_received": "true", "order_by": "-responded_at", **bound}
            page = await self._api.get(OPEN, {**params, "limit": PAGE, "offset": PAGE * number}) or {}
            details = page.get("hitl_details", ())
            new = {
                ti_id: end
                for one in details
                if (ti_id := str(one["task_instance"]["id"])) in wanted
                and (end := reading.end(one, ti_id)) is not None
            }
            ends |= new
            if not (new or passes) or len(details) < PAGE or ends.keys() >= wanted:
                break
        return ends

    async def _record_ends(self, ends: Mapping[str, End]) -> dict[str, End]:
        if not ends:
            return {}
        recorded = await threads.run(lambda: self._store.end(ends))
        logger.info("Questions over", extra={"questions": len(recorded)})
        return recorded


def _place(question: HitlQuestion) -> tuple[Any, ...]:
    task = question.task
    return task.dag_id, task.run_id, task.task_id, task.map_index, task.try_number


def _named(task: TaskInstance) -> dict[str, Any]:
    return {"dag_id": task.dag_id, "run_id": task.run_id, "task_id": task.task_id, "ti_id": task.ti_id}
