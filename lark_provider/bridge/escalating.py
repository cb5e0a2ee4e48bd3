"""Take the steps of escalations: make the cards of incidents that nobody claims urgent."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.lark import BridgeClients
from lark_provider.bridge.rotas import OnDuty, find_on_duty
from lark_provider.outbox import outgoing
from lark_provider.protocol.errors import LarkAPIError, LarkError, OutcomeUnknownError
from lark_provider.protocol.incidents.escalation import StepState
from lark_provider.storage.errors import DecryptionError
from lark_provider.storage.escalations import ClaimedStep, Escalations
from lark_provider.storage.waiting_escalations import Waiting, WaitingEscalations
from lark_provider.support import measured, threads
from lark_provider.support.bounded_cache import BoundedCache
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0
"""The pause between two looks."""
STALE = timedelta(seconds=90)
"""A call to Lark takes 30 s at most; a step that was started so long ago was its process's last."""
_MAX_BATCH, _MAX_TRIED = 50, 10_000
_CARD_SECONDS, _RETRY_SECONDS, _DAMAGED_SECONDS = 3.0, 20.0, 60.0
NO_CARD, NOBODY, NOT_MEMBER, QUOTA, UNREAD, FORBIDDEN, SCOPE = (
    "no_card", "nobody", "not_member", "quota", "unread", "forbidden", "scope",
)  # fmt: skip
_REASONS: Mapping[int, str] = {
    230001: NOT_MEMBER, 230013: NOT_MEMBER, 230023: UNREAD, 230024: QUOTA, 230052: FORBIDDEN,
    230002: FORBIDDEN, 230012: FORBIDDEN, 230027: SCOPE, 99991672: SCOPE, 99991676: SCOPE,
}  # fmt: skip
"""Words for what a card says about Lark's codes, by the facts of urgent messages."""


class Escalator:
    """Takes steps that are due. For one event loop; any number of bridges may do so.

    Args:
        database: The database.
        apps: The apps that have sent the cards.
        clients: The Lark clients of those apps.
    """

    def __init__(self, database: Any, apps: IncidentApps, clients: BridgeClients) -> None:
        self._database, self._apps, self._clients = database, apps, clients
        self._waiting = WaitingEscalations(database)
        self._damaged: dict[str, float] = {}
        self._first_tries: BoundedCache[tuple[str, int], datetime] = BoundedCache(_MAX_TRIED)
        self._throttle = Throttle(limit=200)

    async def work(self) -> bool:
        """Take the steps that are due, one for each incident.

        Returns:
            Whether there may be more.

        Raises:
            StorageError: The database cannot be used.
        """
        now = time.monotonic()
        self._damaged = {key: until for key, until in self._damaged.items() if until > now}
        damaged = frozenset(self._damaged)
        escalations = await threads.run(lambda: self._waiting.find(STALE, _MAX_BATCH, damaged))
        for escalation in escalations:
            try:
                await self._take_due_step(escalation)
            except DecryptionError as error:
                self._damaged[escalation.key] = time.monotonic() + _DAMAGED_SECONDS
                logger.error(  # noqa: TRY400 - the text says all
                    "Escalation cannot be read", extra={"incident": escalation.key, "error": str(error)}
                )
        return len(escalations) == _MAX_BATCH

    async def _take_due_step(self, waiting: Waiting) -> None:
        app = await self._apps.find(waiting.app_id)
        if app is None:
            self._damaged[waiting.key] = time.monotonic() + _DAMAGED_SECONDS
            return
        steps = Escalations(self._database, app, outgoing.render_card_payload)
        taken, recorded = await threads.run(partial(steps.claim, waiting.key, STALE))
        for urgent, state in recorded:
            measured.BRIDGE_ESCALATION_STEPS.add(urgent, state)
            if state == "unknown":
                extra = {"incident": waiting.key, "urgent": urgent}
                logger.warning("Outcome of an escalation step is unknown; it is not repeated", extra=extra)
        if taken is not None:
            await self._perform(steps, taken, waiting.app_id)

    async def _perform(self, steps: Escalations, taken: ClaimedStep, app_id: str) -> None:
        client = self._clients.get_client(app_id)
        if taken.shown.message_id is None:
            if taken.shown.incident.not_before:
                await threads.run(partial(steps.send_card, taken.key))
            await self._postpone(steps, taken, NO_CARD, _CARD_SECONDS)
            return
        try:
            person = await find_on_duty(client, taken.rota, taken.number, taken.now)
        except LarkError as error:
            await self._handle_error(steps, taken, error)
            return
        if person is None:
            await self._finish(steps, taken, "failed", NOBODY)
            return
        shown = await threads.run(partial(steps.begin, taken, person.name))
        if shown is None or shown.message_id is None:
            return  # Claimed or recovered meanwhile, or another bridge has it.
        await self._urge(client, steps, taken, shown.message_id, person)

    async def _urge(
        self, client: Any, steps: Escalations, taken: ClaimedStep, message_id: str, person: OnDuty
    ) -> None:
        try:
            await client.messaging.urgent(message_id, [person.id], kind=taken.step.urgent)
        except OutcomeUnknownError as error:
            await self._finish(steps, taken, "unknown", str(error))
        except LarkError as error:
            await self._handle_error(steps, taken, error)
        else:
            await self._finish(steps, taken, "done")

    async def _handle_error(self, steps: Escalations, taken: ClaimedStep, error: LarkError) -> None:
        """Try a step again later if Lark has certainly not performed it, unless it was refused for good."""
        is_refused = isinstance(error, LarkAPIError) and not error.retryable
        reason = _REASONS.get(error.code or 0, "") if isinstance(error, LarkAPIError) else ""
        text = f"{reason}: {error}" if reason else str(error)
        if is_refused:
            await self._finish(steps, taken, "failed", text)
        else:
            await self._postpone(steps, taken, text, _RETRY_SECONDS)

    async def _postpone(self, steps: Escalations, taken: ClaimedStep, reason: str, seconds: float) -> None:
        first_try = self._first_tries.get((taken.key, taken.number))
        if first_try is None:
            first_try = taken.now
            self._first_tries.put((taken.key, taken.number), first_try)
        if taken.now + timedelta(seconds=seconds) >= taken.compute_retries_end(first_try):
            await self._finish(steps, taken, "failed", reason)
            return
        await threads.run(partial(steps.postpone, taken.key, taken.number, seconds, reason))
        if reason != NO_CARD:
            self._throttle.log(
                logger.warning,
                "Escalation step not taken yet; will retry",
                extra={**_make_fields(taken), "error": reason, "retry_in_s": seconds},
                kind=(taken.key, reason[:40]),
            )

    async def _finish(
        self, steps: Escalations, taken: ClaimedStep, state: StepState, reason: str = ""
    ) -> None:
        if not await threads.run(partial(steps.finish, taken.key, taken.number, state, reason)):
            return
        measured.BRIDGE_ESCALATION_STEPS.add(taken.step.urgent, state)
        if state == "done":
            logger.info("Escalation step taken", extra=_make_fields(taken))
        else:
            extra = {**_make_fields(taken), "outcome": state, "error": reason}
            logger.error("Escalation step failed; the next one is taken in time", extra=extra)


def _make_fields(taken: ClaimedStep) -> dict[str, Any]:
    place = taken.shown.place
    return {
        "dag_id": place.dag_id, "run_id": place.run_id, "step": taken.number, "urgent": taken.step.urgent,
    }  # fmt: skip
