"""Deliver clicks on cards of Airflow's to the plugin of its API servers, until each has a final result."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import orjson

from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.errors import AirflowUnavailableError
from lark_provider.protocol.hitl.delivery import ClickResult, DeliveredClick, read_result
from lark_provider.protocol.hitl.proof import MAX_BODY_BYTES, BridgeSecrets
from lark_provider.storage.applied_clicks import AppliedClicks, QueuedClick
from lark_provider.support import measured, threads
from lark_provider.support.bounded_cache import BoundedCache
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

FINAL = frozenset({200, 400, 403, 404, 409, 410})
GIVE_UP_SECONDS = 86_400.0
_LEASE_SECONDS = 60.0
_AT_ONCE, _INVALID, _UNPROVEN, _UNAVAILABLE = 16, 400, 401, 503
_LOST = ClickResult(
    "unavailable",
    {
        "zh": "Airflow 一天内未能处理这次点击，请在 Airflow 中处理。",
        "en": "Airflow could not process this click within a day. Please act in Airflow.",
    },
)
_TOO_LARGE = ClickResult(
    "invalid",
    {
        "zh": "填写的内容过长，请缩短后重新提交，或在 Airflow 中处理。",
        "en": "What was entered is too long. Please shorten it and submit again, or act in Airflow.",
    },
)
"""The plugin reads no more than `MAX_BODY_BYTES`, and would refuse it each time."""


class ClickDelivery:
    """Delivers clicks. For one event loop.

    Args:
        api: Airflow.
        store: The clicks.
        secrets: They prove what is delivered.
        throttle: Limits warnings about what is tried again.

    Attributes:
        results: The plugin's own answers to the latest clicks, by app and event; with the links that are not
            recorded, as they hold a code.
    """

    def __init__(
        self, api: AirflowApi, store: AppliedClicks, secrets: BridgeSecrets, throttle: Throttle
    ) -> None:
        self._api, self._store, self._secrets, self._throttle = api, store, secrets, throttle
        self.results: BoundedCache[tuple[str, str], ClickResult] = BoundedCache(1000)

    async def find(self) -> int:
        """Record the clicks that are new, and return how many there are.

        Raises:
            StorageError: The database cannot be used.
        """
        return await threads.run(self._store.find)

    async def work(self) -> int:
        """Deliver the clicks that are due, and return how many have a final result now.

        Raises:
            StorageError: The database cannot be used.
        """
        clicks = await threads.run(lambda: self._store.claim(_AT_ONCE, _LEASE_SECONDS))
        return sum(await asyncio.gather(*(self._process(click) for click in clicks)))

    async def _process(self, queued: QueuedClick) -> bool:
        app_id = queued.click.app_id
        if queued.age > GIVE_UP_SECONDS:
            await threads.run(lambda: self._finish(queued, _UNAVAILABLE, _LOST, "given_up"))
            logger.error("Click given up", extra=_log_fields(queued))
            measured.BRIDGE_CLICKS.add("given_up")
            return True
        try:
            status, result = await self.deliver(queued)
        except AirflowUnavailableError as error:
            await self._postpone(queued, str(error))
            return False
        if result is None or status not in FINAL:
            outcome = "no result" if result is None else result.outcome
            await self._postpone(queued, f"status {status}: {outcome}", is_wrong=status == _UNPROVEN)
            return False
        self.results.put((app_id, queued.event_id), result)
        if await threads.run(lambda: self._finish(queued, status, result, "done")):
            logger.debug("Click applied", extra=_log_fields(queued) | {"outcome": result.outcome})
        measured.BRIDGE_CLICKS.add(result.outcome if result.outcome in measured.BRIDGE_OUTCOMES else "other")
        measured.BRIDGE_CLICK_SECONDS.observe(queued.age)
        return True

    async def deliver(self, queued: QueuedClick) -> tuple[int, ClickResult | None]:
        """Deliver a click once.

        Args:
            queued: The click.

        Returns:
            Status and result; no result if the answer is not the plugin's, as that of a proxy.

        Raises:
            AirflowUnavailableError: Airflow was not reached.
        """
        # The row's id and not the click's own: with it the plugin records the result.
        body = replace(DeliveredClick.of(queued.click), event_id=queued.event_id).encode_body()
        if len(body) > MAX_BODY_BYTES:
            return _INVALID, replace(_TOO_LARGE, open_id=queued.click.operator.open_id)
        status, answer = await self._api.deliver(self._secrets, queued.event_id, body)
        try:
            return status, None if answer is None else read_result(orjson.dumps(answer).decode())
        except ValueError:
            return status, None

    def _finish(self, queued: QueuedClick, status: int, result: ClickResult, state: str) -> bool:
        recorded: dict[str, Any] = orjson.loads(result.dump(for_record=True))
        return self._store.finish(queued.click.app_id, queued.event_id, status, recorded, state)

    async def _postpone(self, queued: QueuedClick, reason: str, *, is_wrong: bool = False) -> None:
        await threads.run(lambda: self._store.postpone(queued.click.app_id, queued.event_id, queued.attempts))
        fields, kind = _log_fields(queued) | {"reason": reason}, reason[:40]
        if is_wrong:
            self._throttle.log(
                logger.error,
                "Click rejected by the plugin: invalid signature; check LARK_BRIDGE_SECRET",
                extra=fields,
                kind=kind,
            )
        else:
            self._throttle.log(logger.warning, "Click not applied; will retry", extra=fields, kind=kind)


def _log_fields(queued: QueuedClick) -> dict[str, Any]:
    return {"app_id": queued.click.app_id, "event_id": queued.event_id, "attempts": queued.attempts}
