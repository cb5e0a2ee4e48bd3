"""Wait in a DAG until somebody answers a card."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from lark_provider.hooks import airflow_version  # noqa: F401 - first, for its clear sentence

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf  # isort: skip
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from lark_provider.hooks import shared
from lark_provider.hooks.task import first_try, lark_errors

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.protocol.callbacks import CardClick
    from lark_provider.protocol.waits import Wait


class LarkCardCallbackSensor(BaseSensorOperator):
    """Waits until somebody clicks on a card, and returns who clicked what.

    Clicks come in through the callback gateway (`lark-provider callbacks serve`) or the long connection
    (`callbacks listen`), and stand in the database that workers share (`[lark] database_url`). The first
    click that counts is the answer, for every retry as well.

    `poke_interval`, `timeout`, `soft_fail`, `silent_fail`, `never_fail` and `mode` mean what they mean for
    every sensor, deferred or not.

    Args:
        message_id: The card's message, `om_…`, or several; usually what LarkSendMessageOperator returned.
        wait_for: With several messages: `any` click on one of them, or a click on `all`.
        correlation_id: What the card's buttons carry as `lark_wait`, instead of or beside the message.
        actions: Only these clicks count: a component's `name`, or `action` in its value.
        operators: Only these people's clicks count: open_id, user_id or union_id.
        app_id: Only clicks on cards of this app count. To be named where several apps come in by one gateway
            and do not trust each other: whoever has the keys of one could make clicks on another's cards.
        deferrable: Wait in the triggerer, without a worker.
        poke_interval: Seconds between two looks, where it is not deferred.

    Returns:
        As XCom: `event_id`, `operator` (open_id, user_id, union_id), `action` (tag, name, value,
        form_value, option, options, input_value, checked, timezone), `message_id`, `chat_id`, `clicked_at`;
        with `wait_for="all"` a list of these in the order of the messages.

    Raises:
        AirflowSensorTimeout: Nobody answered in time.
        AirflowFailException: There is nothing to wait for, or no database, or another one.
    """

    template_fields: Collection[str] = ("message_id", "correlation_id", "actions", "operators", "app_id")
    ui_color = "#d9e8ff"
    _database_id: str | None = None
    _deferred_since: datetime | None = None
    _refusal: str | None = None

    def __init__(
        self,
        *,
        message_id: str | Sequence[str] | None = None,
        wait_for: Literal["any", "all"] = "any",
        correlation_id: str | None = None,
        actions: str | Sequence[str] = (),
        operators: str | Sequence[str] = (),
        app_id: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        if wait_for not in {"any", "all"}:
            raise ValueError(f"wait_for is {wait_for!r}. Next: pass 'any' or 'all'.")
        self.message_id = message_id
        self.wait_for = wait_for
        self.correlation_id = correlation_id
        self.actions = actions
        self.operators = operators
        self.app_id = app_id
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Look, and wait as the sensor is told to."""
        if not self.deferrable:
            return super().execute(context)
        self.mode = "reschedule"  # so that a look that finds nothing ends here, and not in a sleep
        try:
            return super().execute(context)
        except AirflowRescheduleException:
            self._defer(context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        with lark_errors():
            answer = self._ask(context)
        if answer is not None:
            return PokeReturnValue(is_done=True, xcom_value=self._result(answer))
        if self._refusal is not None:
            raise AirflowFailException(self._refusal)
        return PokeReturnValue(is_done=False)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on once the trigger has fired, with a look like any other.

        Args:
            context: The task's.
            event: What the trigger said: no more than that the answer is there.

        Raises:
            AirflowFailException: It never will be.
        """
        self._refusal = event.get("message") or (
            "The answer that the triggerer saw is not in this worker's database. Next: give both the same "
            "[lark] database_url or database_conn_id."
        )
        return self.execute(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the wait in the triggerer."""
        self._deferred_since = context["ti"].start_date
        if next_method == "execute_complete":
            # Airflow's way takes whatever is raised from here on for a failed wait.
            return self.execute_complete(context, **(next_kwargs or {}))
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (AirflowSensorTimeout, AirflowSkipException) as over:
            # A click that came in time counts, also if no triggerer was there to see it.
            self.log.info("The time of %s s is over: looking a last time.", self.timeout)
            self.timeout = 0
            try:
                return self.execute(context)
            except AirflowSensorTimeout:
                raise over from None

    def _defer(self, context: Context) -> None:
        from lark_provider.triggers.card_callback import LarkCardCallbackTrigger  # noqa: PLC0415 - as below

        passed = timedelta(0)
        if self._deferred_since is not None:
            passed = datetime.now(UTC) - self._deferred_since
        self.defer(
            trigger=LarkCardCallbackTrigger(self._wait(context).as_dict(), self._database_id),
            method_name="execute_complete",
            timeout=max(timedelta(0), timedelta(seconds=self.timeout) - passed),
        )

    def _ask(self, context: Context) -> list[CardClick] | None:
        from lark_provider.callbacks import waiting  # noqa: PLC0415 - DAG files are parsed without it

        url = shared.database_url()
        answer = waiting.ask(self._wait(context), database_url=url, broker_url=shared.rabbitmq_url())
        if answer is None and self.deferrable:
            self._find_inbox()
        return answer

    def _find_inbox(self) -> None:
        from lark_provider.callbacks import waiting  # noqa: PLC0415 - as above

        self._database_id = waiting.database_id(shared.database_url())

    def _result(self, answer: list[CardClick]) -> Any:
        from lark_provider.protocol.waits import told  # noqa: PLC0415 - as above

        clicks = [told(click) for click in answer]
        for click in clicks:
            self.log.info("%s answered %s.", click["operator"]["open_id"], click["message_id"])
        return clicks if self.wait_for == "all" else clicks[0]

    def _wait(self, context: Context) -> Wait:
        from lark_provider.protocol.waits import Wait  # noqa: PLC0415 - as above

        ti = context["ti"]
        messages, actions, operators = map(texts, (self.message_id, self.actions, self.operators))
        app = self.app_id or ""
        parts = [self.wait_for, self.correlation_id or "", *messages, "", *actions, "", *operators, "", app]
        asked = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        task = (ti.dag_id, ti.run_id, ti.task_id, ti.map_index, first_try(context))
        return Wait(
            key=hashlib.sha256("\n".join(map(str, task)).encode()).hexdigest()[:32] + asked,
            message_ids=messages,
            every=self.wait_for == "all",
            correlation=self.correlation_id or None,
            actions=actions,
            operators=operators,
            app_id=app or None,
        )


def texts(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """One text or several, without empty ones."""
    if isinstance(given, str):
        given = [given]
    return tuple(text for text in given or () if text)
