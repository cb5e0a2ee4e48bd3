"""Wait for the outcome of a native approval in the triggerer."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from lark_provider.errors import LarkError, OutcomeUnknownError
from lark_provider.hooks import airflow_config
from lark_provider.support.backoff import pause_after
from lark_provider.support.throttle import Throttle
from lark_provider.triggers import task_state

if TYPE_CHECKING:
    from lark_provider.client import AsyncLarkServiceClient

logger = logging.getLogger(__name__)

_JITTER = 0.2
_MAX_PAUSE = 300.0
"""After failures the pauses grow up to this, or to `poll_interval` if that is longer."""


class LarkNativeApprovalTrigger(BaseTrigger):
    """Fire when an approval has ended: approved, rejected, withdrawn or deleted.

    The instance is read every `poll_interval` seconds, with some jitter, so that many do not come at once.
    Where a broker is configured, the app subscribes to the definition's events, and an event about the
    instance makes the trigger look at once; all triggers of a process share one connection. Events only save
    time: what is lost, doubled or out of order is found by reading. It outlasts an outage of Lark and of the
    broker.

    Args:
        instance_code: The instance.
        approval_code: Of its definition, for the subscription; "" for none.
        lark_conn_id: The connection.
        poll_interval: Seconds between two looks.
        withdraw: Whether the instance is withdrawn when the task is cleared, marked or deleted (Airflow 3.3
            and later).
        origin: `dag_id`, `run_id`, `task_id` and `map_index` of the task that waits; without it, the instance
            is never withdrawn.
    """

    def __init__(
        self,
        instance_code: str,
        *,
        approval_code: str = "",
        lark_conn_id: str = "lark_default",
        poll_interval: float = 30.0,
        withdraw: bool = False,
        origin: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it untyped
        self.instance_code, self.approval_code, self.lark_conn_id = instance_code, approval_code, lark_conn_id
        self.poll_interval, self.withdraw = poll_interval, withdraw
        self.origin = None if origin is None else dict(origin)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments from which Airflow makes the trigger again."""
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return name, {
            "instance_code": self.instance_code,
            "approval_code": self.approval_code,
            "lark_conn_id": self.lark_conn_id,
            "poll_interval": self.poll_interval,
            "withdraw": self.withdraw,
            "origin": self.origin,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire an event with the outcome, or with the reason why waiting failed."""
        from lark_provider.hooks import reporting  # DAG files are parsed without it.

        loop = asyncio.get_running_loop()
        started = loop.time()
        reporting.start()
        if self.withdraw and self.trigger_id is not None:  # it has none in `dag.test()`
            task_state.prepare()
        try:
            event = await self._find_outcome()
        except LarkError as error:
            event = {"status": "error", "message": f"{type(error).__name__}: {error}"}
        await asyncio.sleep(max(0.0, started + task_state.MIN_SECONDS - loop.time()))
        yield TriggerEvent({"instance_code": self.instance_code, **event})  # type: ignore[no-untyped-call]  # Airflow leaves it untyped

    async def _find_outcome(self) -> dict[str, Any]:
        """Return the outcome, once there is one.

        Raises:
            LarkError: No retry can help, as when the app has lost its scope.
        """
        from lark_provider.hooks.lark import LarkHook

        async with await LarkHook(self.lark_conn_id).get_async_conn() as client:
            hinted = asyncio.Event()
            leave = await self._listen(client, hinted)
            try:
                return await self._poll(client, hinted)
            finally:
                leave()

    async def _poll(self, client: AsyncLarkServiceClient, hinted: asyncio.Event) -> dict[str, Any]:
        failures, throttle = 0, Throttle()
        # Not all at once when a triggerer starts.
        await asyncio.sleep(random.uniform(0, min(self.poll_interval, task_state.MIN_SECONDS)))  # noqa: S311 - no secret
        while True:
            hinted.clear()
            try:
                instance = await client.approval.get_instance(self.instance_code)
            except LarkError as error:
                if not (error.retryable or isinstance(error, OutcomeUnknownError)):
                    raise
                failures += 1
                fields = {"instance_code": self.instance_code, "error": str(error)}
                throttle.log(logger.warning, "Approval not read; still waiting for it", extra=fields)
            else:
                failures = 0
                if instance.is_final:
                    return {"status": str(instance.status), "reverted": instance.is_reverted}
            with suppress(TimeoutError):
                await asyncio.wait_for(hinted.wait(), self._pause(failures))

    def _pause(self, failures: int) -> float:
        longest = max(self.poll_interval, _MAX_PAUSE)
        pause = pause_after(failures + 1, self.poll_interval, longest)
        return pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret

    async def _listen(self, client: AsyncLarkServiceClient, hinted: asyncio.Event) -> Callable[[], None]:
        """Subscribe and listen where a broker is configured; whatever fails, polling goes on."""
        if not self.approval_code:
            return lambda: None
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(hinted.set)

        try:
            leave, is_heard = await asyncio.to_thread(_begin, self.instance_code, wake)
        except LarkError as error:
            _warn_of_polling(error)
            return lambda: None
        if is_heard:
            await _subscribe(client, self.approval_code)
        return leave

    async def on_kill(self) -> None:
        """Withdraw the instance: the task was cleared, marked or deleted.

        Airflow 3.3 and later call this, but not when a triggerer stops or the task's time is up. A triggerer
        that was frozen while another one took over its triggers calls it too: the task is then still
        deferred, and the instance stays.
        """
        if self.withdraw and self.origin is not None:
            # In an asyncio task of its own: the triggerer cancels a trigger repeatedly until it has ended.
            await asyncio.shield(task_state.in_background(self._withdraw(self.origin)))

    async def _withdraw(self, origin: Mapping[str, Any]) -> None:
        fields = {"instance_code": self.instance_code, "task_id": origin["task_id"]}
        if await task_state.is_deferred(
            str(origin["dag_id"]), str(origin["run_id"]), str(origin["task_id"]), int(origin["map_index"])
        ):
            logger.info("Task still deferred; its approval stays", extra=fields)
            return
        from lark_provider.hooks.lark import LarkHook

        try:
            async with await LarkHook(self.lark_conn_id).get_async_conn() as client:
                instance = await client.approval.cancel_instance(self.instance_code)
        except Exception as error:  # noqa: BLE001 - also Airflow's, such as for a connection that is missing
            failed = fields | {"error": task_state.describe(error)}
            logger.warning("Failed to withdraw an approval", extra=failed)
        else:
            logger.info("Approval withdrawn unless it had ended", extra=fields | {"status": instance.status})


_subscribed: set[tuple[str, str]] = set()
"""App and definition of the subscriptions that this process has made or found."""


async def _subscribe(client: AsyncLarkServiceClient, approval_code: str) -> None:
    """Subscribe once in a process."""
    key = (client.app_id, approval_code)
    if key in _subscribed:
        return
    _subscribed.add(key)
    try:
        await client.approval.subscribe(approval_code)
    except LarkError as error:
        _subscribed.discard(key)
        _warn_of_polling(error)


def _warn_of_polling(error: LarkError) -> None:
    logger.warning("No events of approvals; polling only", extra={"error": str(error)})


def _begin(instance_code: str, wake: Callable[[], None]) -> tuple[Callable[[], None], bool]:
    """Listen for events; say whether there is a broker that brings them."""
    from lark_provider.callbacks import approvals  # in a thread: it loads pika
    from lark_provider.callbacks.broker import amqp

    url = airflow_config.read_rabbitmq_url()
    return approvals.listen(instance_code, wake, url), amqp.find_broker(url) is not None
