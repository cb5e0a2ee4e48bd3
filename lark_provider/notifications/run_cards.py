"""Record in an Airflow Variable which card shows the failures of which DAG run.

Why a Variable: task processes and the DAG processor, which have no database, can read and write it. A task's
XComs are deleted when the task is cleared, which is when the card has to recover; the task state store is new
in Airflow 3.3; and Lark does not promise to answer a repeated `uuid` with the first message's id. Why one for
each connection, receiver and DAG, instead of one for each run: runs that never recover would leave theirs
behind. Here old runs are dropped when new ones come, and the Variable is deleted with its last run.

Variables have no lock, yet mapped tasks fail at the same moment. So processes agree on who sends the first
card: each writes a claim, waits until all that saw no claim have written, and reads whose claim is left; the
others wait for its card and update that. After each update, what others have added is merged. If two cards
are sent in spite of this, both are recorded and both updated. Where Variables are unavailable or too slow,
each failure gets a card of its own: the DAG processor's first request after its start takes seconds.
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

from lark_provider.notifications import airflow_context
from lark_provider.notifications.deadline import call_in_thread
from lark_provider.protocol.incidents.changes import merge_incidents
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import FAILURES, Incident

_logger = logging.getLogger(__name__)
_MAX_AGE_SECONDS = 14 * 24 * 3600  # Lark updates no card older than that
_MAX_RUNS = 30
_MERGE_ROUNDS = 3  # for tasks that fail at the same time and record different failures
_CLAIM_SECONDS = 10  # a process that claimed the first card longer ago has failed to send it


@dataclass(frozen=True, slots=True)
class RunCards:
    """The recorded incidents of one DAG, for one receiver and connection."""

    conn_id: str
    receiver: str
    dag_id: str

    @property
    def variable(self) -> str:
        """Return the Variable's name."""
        scope = f"{self.conn_id}\n{self.receiver}\n{self.dag_id}"
        return "lark_cards_" + hashlib.sha256(scope.encode()).hexdigest()[:32]

    def load(self, run_id: str) -> Incident | None:
        """Return the recorded incident of a run; None if there is none, or Variables are unavailable."""
        try:
            recorded = self._read_runs().get(run_id)
            return Incident.from_json(recorded) if recorded and recorded["cards"] else None
        except Exception as error:  # noqa: BLE001 - a second card is better than none
            _logger.debug("Recorded cards unavailable", extra={"error": str(error)})
            return None

    async def read_previous(
        self, event: RunEvent, context: Mapping[str, Any], seconds: float
    ) -> tuple[Incident | None, Mapping[str, str]]:
        """Return the run's incident before an event, and Airflow's states of its tasks.

        Args:
            event: The event.
            context: The Airflow context of the callback.
            seconds: How long each step may take, in seconds: reading, waiting for another process's first
                card, and asking for the states.

        Returns:
            The incident recorded, or the one that another process opens now; and the states, if needed.
        """
        before, failed = (
            await call_in_thread(lambda: self.load(event.run_id), seconds),
            event.kind in FAILURES,
        )
        if before is None and failed:
            before = await self.claim_first_card(event.run_id, seconds)
        if before is None and not failed:
            return None, {}
        return before, await call_in_thread(lambda: airflow_context.read_states(context), seconds)

    async def record(
        self,
        run_id: str,
        shown: Incident,
        before: Incident | None,
        show: Callable[..., Awaitable[object]],
        seconds: float,
    ) -> None:
        """Record an incident, and show what other processes have added meanwhile.

        Args:
            run_id: The run's id.
            shown: The incident as its cards show it.
            before: The incident as it was recorded before; None if there was none.
            show: Takes the incident, and as `instead` the cards to update.
            seconds: How long it may take in all, in seconds.

        Raises:
            TimeoutError: It took longer.
            LarkError: What was added could not be shown.
        """
        async with asyncio.timeout(seconds):
            for _ in range(_MERGE_ROUNDS):
                saved = await call_in_thread(functools.partial(self.save, run_id, shown, before), seconds)
                if saved == shown:
                    return
                before = shown = saved
                await show(shown, instead=shown.cards)

    async def claim_first_card(self, run_id: str, seconds: float) -> Incident | None:
        """Agree with other processes that fail at this moment on who sends the first card.

        Args:
            run_id: The run, which has no recorded incident.
            seconds: For everything; a part of it is waited.

        Returns:
            The incident that another process has opened; None if this process sends the first card.
        """
        me, until = uuid.uuid4().hex, time.monotonic() + min(2.0, seconds / 3)
        try:
            runs, now = await call_in_thread(self._read_runs, seconds), time.time()
            other = runs.get(run_id)
            if not other or (not other["cards"] and other["at"] < now - _CLAIM_SECONDS):
                runs[run_id] = {"at": now, "sender": me, **Incident().to_json()}
                await call_in_thread(lambda: self._write(runs, had=True), seconds)
            while time.monotonic() < until:
                await asyncio.sleep(min(0.2, seconds / 20))
                recorded = (await call_in_thread(self._read_runs, seconds)).get(run_id)
                if not recorded or recorded.get("sender") == me:
                    return None
                if recorded["cards"]:
                    return Incident.from_json(recorded)
        except Exception as error:  # noqa: BLE001 - a second card is better than none
            _logger.debug("Recorded cards unavailable", extra={"error": str(error)})
        return None

    def save(self, run_id: str, incident: Incident, before: Incident | None) -> Incident:
        """Merge an incident into the recorded one and save it; delete one that is over.

        Args:
            run_id: The run.
            incident: As its cards show it.
            before: What was recorded before.

        Returns:
            The incident with what other processes have added meanwhile.
        """
        try:
            # Read again, so that what other runs and tasks wrote during the sending stays.
            runs, now = self._read_runs(), time.time()
            other = runs.pop(run_id, None)
            if not incident.over:
                if other is not None:
                    incident = merge_incidents(incident, Incident.from_json(other), before or Incident())
                runs[run_id] = {"at": now, **incident.to_json()}
            young = {run: entry for run, entry in runs.items() if entry["at"] > now - _MAX_AGE_SECONDS}
            self._write(dict(list(young.items())[-_MAX_RUNS:]), had=bool(runs) or other is not None)
        except Exception as error:  # noqa: BLE001 - a second card is better than none
            fields = {"run_id": run_id, "error": str(error)}
            _logger.debug("Failed to record the card of a run", extra=fields)
        return incident

    def _read_runs(self) -> dict[str, Any]:
        from airflow.sdk import Variable

        runs = json.loads(Variable.get(self.variable, default=None) or "{}")
        return runs if isinstance(runs, dict) else {}

    def _write(self, runs: dict[str, Any], *, had: bool) -> None:
        from airflow.sdk import Variable

        if runs:
            text = f"Lark cards of failed runs of {self.dag_id}; deleted when the runs recover."
            Variable.set(self.variable, json.dumps(runs), description=text)
        elif had:
            Variable.delete(self.variable)
