"""Follow Airflow's open questions: record each that is new, and notice each that is open no longer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any

from lark_provider.bridge import reading
from lark_provider.bridge.airflow_api import PAGE, REQUESTS_AT_ONCE, AirflowApi
from lark_provider.bridge.dags import Dags
from lark_provider.bridge.question_ends import FEW, QUESTIONS, QuestionEnds
from lark_provider.bridge.settings import BridgeSettings
from lark_provider.bridge.waiting import WaitingStates
from lark_provider.protocol.errors import LarkError
from lark_provider.protocol.hitl.model import HitlQuestion
from lark_provider.storage.hitl_questions import Questions
from lark_provider.support import threads
from lark_provider.support.concurrency import map_few

logger = logging.getLogger(__name__)

INSTANCES = "/dags/~/dagRuns/~/taskInstances"
COMPLETE_SECONDS = 300.0
ADOPT_SECONDS = 2 * COMPLETE_SECONDS
_OVERLAP = timedelta(seconds=30)
_SHARE = 40.0
"""The pause between two complete passes is so many times the duration of one: a large Airflow is read more
rarely."""
_MAX_SETTLED = 500
_ANSWERED_EVERY, _MAX_PAGES = 3, 20


class QuestionPoller:
    """Polls Airflow. For one event loop; one call at a time.

    Args:
        api: Airflow.
        store: The database.
        ends: Records how questions ended.
        settings: The settings.
    """

    def __init__(
        self, api: AirflowApi, store: Questions, ends: QuestionEnds, settings: BridgeSettings
    ) -> None:
        self._api, self._store, self._ends, self._settings = api, store, ends, settings
        self._dags = Dags(api)
        self._cursor: datetime | None = None
        self._oldest: datetime | None = None
        """When the oldest open question was created: the answers of earlier ones need not be searched."""
        self._complete_due = float("-inf")
        self._passes = 0
        self._seen: dict[str, None] = {}
        """Task instances that are known to be recorded, or not to be questions."""
        self._states = WaitingStates(api)
        self._unsettled: list[str] = []
        """Questions that are open no longer, and whose ends are yet to be read: some with each poll."""

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
        await self._read_changes(self._cursor - _OVERLAP)
        self._passes += 1
        if self._passes % _ANSWERED_EVERY == 0:
            live = await threads.run(self._store.list_live)
            if live:
                ends = await self._ends.read_answered_ends(live.keys(), _MAX_PAGES, since=self._oldest)
                await self._ends.record(ends)
                if len(ends) > PAGE * (_MAX_PAGES - 1):
                    # More were answered than were read. The next look at the latest answers would not get
                    # past those that are recorded now.
                    self._complete_due = float("-inf")
        await self._settle_batch()
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
        live = await threads.run(self._store.list_live)
        params = {"response_received": "false", "state": await self._states.get(), "order_by": "ti_id"}
        details: dict[str, Mapping[str, Any]] = {}
        async with aclosing(self._api.iterate_pages(QUESTIONS, "hitl_details", params)) as pages:
            async for page in pages:
                asking = {
                    str(detail["task_instance"]["id"]): detail
                    for detail in page
                    if reading.is_asking(detail["task_instance"])
                }
                # Recorded at once: thousands take a minute, and a bridge that ends meanwhile is followed by
                # another one, which begins with the first page again.
                new = {
                    ti_id: detail for ti_id, detail in asking.items() if ti_id not in live | details.keys()
                }
                known = await threads.run(lambda: self._store.read_states(new)) if new else {}  # noqa: B023 - awaited here
                await self._record([detail for ti_id, detail in new.items() if ti_id not in known])
                await self._ask_again(
                    [new[ti_id]["task_instance"] for ti_id in known if known[ti_id] == "over"]
                )
                await threads.run(lambda: self._store.adopt(new.keys() & known.keys(), ADOPT_SECONDS))  # noqa: B023 - awaited here
                details |= asking
        self._oldest = reading.find_oldest(details.values(), None)
        self._unsettled = sorted(live.keys() - details.keys())
        if len(self._unsettled) > _MAX_SETTLED:
            ends = await self._ends.read_answered_ends(
                self._unsettled, 2 * len(self._unsettled) // PAGE + _MAX_PAGES, passes=True
            )
            await self._ends.record(ends)
            self._unsettled = [ti_id for ti_id in self._unsettled if ti_id not in ends]
        await self._settle_batch()
        seconds = time.monotonic() - began
        self._complete_due = time.monotonic() + min(_SHARE * seconds, COMPLETE_SECONDS)
        self._cursor = cursor or self._api.now() - timedelta(seconds=seconds)
        self._seen = {}

    async def _settle_batch(self) -> None:
        batch, self._unsettled = self._unsettled[:_MAX_SETTLED], self._unsettled[_MAX_SETTLED:]
        await self._ends.settle(batch)

    async def _read_changes(self, since: datetime) -> None:
        params = {"state": await self._states.get(), "updated_at_gte": since.isoformat(), "order_by": "id"}
        instances = await self._api.read_pages(INSTANCES, "task_instances", params)
        asking = {str(ti["id"]): ti for ti in instances if reading.is_asking(ti)}
        known = await threads.run(lambda: self._store.read_states(asking)) if asking else {}
        new = {ti_id: ti for ti_id, ti in asking.items() if ti_id not in known | self._seen}
        details = await self._read_newest(new.keys()) if len(new) > FEW else {}
        others = [ti_id for ti_id in new if ti_id not in details][:_MAX_SETTLED]
        details |= await self._read_details([new[ti_id] for ti_id in others])
        await self._record([detail for ti_id, detail in details.items() if reading.is_open(detail, ti_id)])
        self._seen |= dict.fromkeys([*details, *others])
        await self._ask_again([asking[ti_id] for ti_id, state in known.items() if state == "over"])

    async def _ask_again(self, instances: Sequence[Mapping[str, Any]]) -> None:
        """Hold again the questions that are over here, but wait in Airflow once more.

        A task starts again under its id if its DAG file was missing for a moment when it was resumed.
        """
        # Read now: what was listed before the end was recorded says nothing.
        current = await self._read_details(instances[:_MAX_SETTLED])
        details = [detail for ti_id, detail in current.items() if reading.is_open(detail, ti_id)]
        if not details:
            return
        questions = await self._make_questions(details)
        tasks = {question.task.ti_id: question.task for question in questions}
        parked = reading.estimate_parked_at(self._api.now(), details)
        for ti_id in await threads.run(lambda: self._store.ask_again(parked, questions)):
            logger.warning("Question asked again after its end", extra=tasks[ti_id].log_fields)

    async def _read_details(self, instances: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        """Return the details of task instances as they are now, a few at a time; of some there are none."""
        paths = (f"{reading.read_task_instance(ti).path}/hitlDetails" for ti in instances)
        details = await map_few(self._api.get, paths, REQUESTS_AT_ONCE)
        return {
            str(ti["id"]): detail for ti, detail in zip(instances, details, strict=True) if detail is not None
        }

    async def _read_newest(self, ti_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """Return the details of those questions that are among the newest: all, but for later tries."""
        states = await self._states.get()
        params: dict[str, Any] = {"response_received": "false", "state": states, "order_by": "-created_at"}
        offsets = range(0, len(ti_ids) + PAGE, PAGE)
        pages = await asyncio.gather(
            *(self._api.get(QUESTIONS, {**params, "limit": PAGE, "offset": offset}) for offset in offsets)
        )
        details = {
            str(detail["task_instance"]["id"]): detail for page in pages for detail in page["hitl_details"]
        }
        return {ti_id: details[ti_id] for ti_id in ti_ids if ti_id in details}

    async def _record(self, details: Collection[Mapping[str, Any]]) -> None:
        if not details:
            return
        questions = await self._make_questions(details)
        parked_at = reading.estimate_parked_at(self._api.now(), details)
        parked = dict.fromkeys((question.task.ti_id for question in questions), parked_at)
        count = await threads.run(lambda: self._store.record(parked, questions))
        if count:
            logger.info("Questions recorded", extra={"questions": count})

    async def _make_questions(self, details: Collection[Mapping[str, Any]]) -> list[HitlQuestion]:
        self._oldest = reading.find_oldest(details, self._oldest)
        dags = await self._dags.get({detail["task_instance"]["dag_id"] for detail in details})
        url = self._settings.public_url
        return [
            reading.read_question(detail, dags[detail["task_instance"]["dag_id"]], url) for detail in details
        ]
