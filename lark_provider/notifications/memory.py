"""Which card tells of which DAG run, remembered across processes in an Airflow Variable.

Why a Variable: task processes and the DAG processor, which have no database, may read and write it; a task's
XComs are deleted when the task is cleared, which is when the card is to recover; the task state store is new
in Airflow 3.3; and that Lark answers a repeated `uuid` with the first message's id is nowhere promised, and
holds for an hour. Why one for each connection, receiver and DAG with the runs inside, instead of one for each
run: runs that never recover would leave theirs behind for ever; here old runs are dropped when new ones come,
and the Variable goes with its last run.

Variables know no lock, yet mapped tasks fail in the same moment. So the first card is agreed on: each writes
a claim, waits until everybody who saw nothing has written, and looks whose claim stands; the others wait for
its card and update that. What was added meanwhile is merged after each update. Should two cards be sent in
spite of it, both are remembered and both updated. Where Variables cannot be had, or not in time, each failure
gets a card of its own; the DAG processor's first answer after its start takes seconds.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lark_provider.notifications import asking
from lark_provider.notifications.bounded import aside
from lark_provider.notifications.facts import Facts
from lark_provider.notifications.incident import FAILURES, Incident, merged

_logger = logging.getLogger(__name__)
_SECONDS = 14 * 24 * 3600  # Lark updates no card older than that
_MOST_RUNS = 30
_ROUNDS = 3  # of bringing together what several tasks know that fail at the same time
_CLAIM_SECONDS = 10  # whoever claimed the first card longer ago has failed to send it


@dataclass(frozen=True, slots=True)
class Memory:
    """The incidents of one DAG, as one receiver was told of them over one connection."""

    conn_id: str
    receiver: str
    dag_id: str

    @property
    def variable(self) -> str:
        """The Variable's name."""
        scope = f"{self.conn_id}\n{self.receiver}\n{self.dag_id}"
        return "lark_cards_" + hashlib.sha256(scope.encode()).hexdigest()[:32]

    def recall(self, run_id: str) -> Incident | None:
        """What is known of a run; None also when it cannot be found out."""
        try:
            found = self._runs().get(run_id)
            return Incident.from_json(found) if found and found["cards"] else None
        except Exception as error:  # noqa: BLE001 - a card too many is better than none
            _logger.debug("No memory of cards: %s", error)
            return None

    async def known(
        self, facts: Facts, context: Mapping[str, Any], seconds: float
    ) -> tuple[Incident | None, Mapping[str, str]]:
        """What went wrong in a run before an event, and Airflow's own table of the run.

        Args:
            facts: The event.
            context: Airflow's.
            seconds: For everything; of it a part is waited for somebody else's first card.

        Returns:
            What is recalled, or what somebody else opens in this moment; and the table, where it is of use.
        """
        before, failed = await aside(lambda: self.recall(facts.run_id), seconds), facts.event in FAILURES
        if before is None and failed:
            before = await self.opened(facts.run_id, seconds)
        if before is None and not failed:
            return None, {}
        return before, await aside(lambda: asking.states(context), seconds)

    async def remember(
        self,
        run_id: str,
        shown: Incident,
        before: Incident | None,
        show: Callable[..., Awaitable[object]],
        seconds: float,
    ) -> None:
        """Remember an incident, and show what others have added meanwhile.

        Args:
            run_id: The run.
            shown: What its cards show.
            before: What was recalled.
            show: Takes the incident, and `instead`, the cards that are to show it.
            seconds: For everything.

        Raises:
            TimeoutError: It took longer.
            LarkError: What was added could not be shown.
        """
        async with asyncio.timeout(seconds):
            for _ in range(_ROUNDS):
                kept = await aside(functools.partial(self.keep, run_id, shown, before), seconds)
                if kept == shown:
                    return
                before, shown = kept, kept
                await show(shown, instead=shown.cards)

    async def opened(self, run_id: str, seconds: float) -> Incident | None:
        """Agree with others who fail in this moment on who sends the first card.

        Args:
            run_id: The run, of which nothing was recalled.
            seconds: For everything; a part of it is waited.

        Returns:
            The incident that somebody else has opened; None if the first card is to be sent from here.
        """
        me, until = uuid.uuid4().hex, time.monotonic() + min(2.0, seconds / 3)
        try:
            runs, now = await aside(self._runs, seconds), time.time()
            if not (there := runs.get(run_id)) or (not there["cards"] and there["at"] < now - _CLAIM_SECONDS):
                runs[run_id] = {"at": now, "claim": me, **Incident().to_json()}
                await aside(lambda: self._write(runs, had=True), seconds)
            while time.monotonic() < until:
                await asyncio.sleep(min(0.2, seconds / 20))
                found = (await aside(self._runs, seconds)).get(run_id)
                if not found or found.get("claim") == me:
                    return None
                if found["cards"]:
                    return Incident.from_json(found)
        except Exception as error:  # noqa: BLE001 - as above
            _logger.debug("No memory of cards: %s", error)
        return None

    def keep(self, run_id: str, incident: Incident, before: Incident | None) -> Incident:
        """Remember an incident, or forget one that is over.

        Args:
            run_id: The run.
            incident: What is known now.
            before: What was recalled.

        Returns:
            The incident with what others have added meanwhile: more than `incident` if they have.
        """
        try:
            # Read again, since sending took its time; what other runs and tasks wrote meanwhile stays.
            runs, now = self._runs(), time.time()
            other = runs.pop(run_id, None)
            if not incident.over:
                if other is not None:
                    incident = merged(incident, Incident.from_json(other), before or Incident())
                runs[run_id] = {"at": now, **incident.to_json()}
            young = {run: one for run, one in runs.items() if one["at"] > now - _SECONDS}
            self._write(dict(list(young.items())[-_MOST_RUNS:]), had=bool(runs) or other is not None)
        except Exception as error:  # noqa: BLE001 - as above
            _logger.debug("The card of %s is not remembered: %s", run_id, error)
        return incident

    def _runs(self) -> dict[str, Any]:
        from airflow.sdk import Variable  # noqa: PLC0415 - Airflow's, when it is needed

        found = json.loads(Variable.get(self.variable, default=None) or "{}")
        return found if isinstance(found, dict) else {}

    def _write(self, runs: dict[str, Any], *, had: bool) -> None:
        from airflow.sdk import Variable  # noqa: PLC0415 - as above

        if runs:
            text = f"Lark cards that tell of failed runs of {self.dag_id}; goes when they recover."
            Variable.set(self.variable, json.dumps(runs), description=text)
        elif had:
            Variable.delete(self.variable)
