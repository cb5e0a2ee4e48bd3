"""Wait for a click on a card that was sent before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import conf
from airflow.sdk.exceptions import AirflowNotFoundException

from lark_provider.errors import ConfigurationError
from lark_provider.hooks.lark import LarkHook
from lark_provider.hooks.task import make_origin
from lark_provider.sensors.question import QuestionSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.protocol.callbacks import CardClick
    from lark_provider.protocol.questions import Draft, Origin
    from lark_provider.protocol.waits import Wait


class LarkCardCallbackSensor(QuestionSensor):
    """Wait until a user clicks on a card, and return who clicked what.

    Clicks come in through the callback gateway (`lark-provider callbacks serve`) or the long connection
    (`callbacks listen`), and are stored in the database that workers share (`[lark] database_url`). The first
    attempt records there which clicks count: a DAG file that is edited meanwhile changes nothing. The first
    click that counts is the answer, for every retry as well.

    `poke_interval`, `timeout`, `soft_fail`, `silent_fail`, `never_fail` and `mode` mean what they mean for
    every sensor, deferred or not.

    Args:
        message_id: The card's message, `om_…`, or several; usually what LarkSendMessageOperator returned.
        wait_for: With several messages: `any` click on one of them, or a click on `all`.
        correlation_id: The value that the card's buttons carry as `lark_wait`, instead of the message or in
            addition to it.
        actions: Only these clicks count: a component's `name`, or `action` in its value.
        operators: Only these people's clicks count: open_ids or union_ids; user_ids, e-mail addresses, mobile
            numbers and names from the connection's `receivers` are resolved to open_ids first.
        app_id: Only clicks on cards of this app count; by default the app of `lark_conn_id`.
        lark_conn_id: The connection of the app that sent the card.
        deferrable: Wait in the triggerer, without a worker.
        poke_interval: Seconds between two checks for a click, if the task is not deferred.

    Returns:
        As XCom: `event_id`, `operator` (open_id, user_id, union_id), `action` (tag, name, value,
        form_value, option, options, input_value, checked, timezone), `message_id`, `chat_id`, `clicked_at`;
        with `wait_for="all"` a list of these in the order of the messages.

    Raises:
        AirflowSensorTimeout: Nobody answered in time.
        AirflowFailException: Neither a message nor a correlation id is given; or there is no database, or it
            is not the triggerer's; or no user visible to the app matches one of `operators`.
    """

    template_fields: Collection[str] = (
        "message_id",
        "correlation_id",
        "actions",
        "operators",
        "app_id",
        "lark_conn_id",
    )
    required_templates: ClassVar[Collection[str]] = (
        "message_id",
        "correlation_id",
        "actions",
        "operators",
        "app_id",
    )
    people_templates: ClassVar[Collection[str]] = ("operators",)
    _kind: ClassVar[str] = "sensor"

    def __init__(
        self,
        *,
        message_id: str | Sequence[str] | None = None,
        wait_for: Literal["any", "all"] = "any",
        correlation_id: str | None = None,
        actions: str | Sequence[str] = (),
        operators: str | Sequence[str] = (),
        app_id: str | None = None,
        lark_conn_id: str = LarkHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            lark_conn_id=lark_conn_id, deferrable=deferrable, poke_interval=poke_interval, **kwargs
        )
        if wait_for not in ("any", "all"):
            raise ValueError(
                f"wait_for must be 'any' or 'all', got {wait_for!r}. Next: pass 'all' to wait for a click on "
                "each message."
            )
        self.message_id = message_id
        self.wait_for = wait_for
        self.correlation_id = correlation_id
        self.actions = actions
        self.operators = operators
        self.app_id = app_id

    def _make_draft(self, context: Context, origin: Origin) -> Draft:  # noqa: ARG002 - derived classes use it
        """Return the question that this attempt asks: which clicks it waits for."""
        from lark_provider.hooks.approvers import resolve_comparable_ids
        from lark_provider.protocol.questions import Draft, Question
        from lark_provider.protocol.waits import Wait

        messages, correlation = list_texts(self.message_id), self.correlation_id or None
        Wait(origin.key, messages, correlation=correlation)  # refuses a wait that no click can answer
        question = Question(
            actions=list_texts(self.actions),
            operators=resolve_comparable_ids(lambda: self.hook, self.operators, "operators"),
            every=self.wait_for == "all",
            correlation=correlation,
        )
        try:
            app_id = self.app_id or self.hook.client.app_id
        except AirflowNotFoundException as error:
            raise ConfigurationError(
                f"Connection {self.lark_conn_id!r} must be defined, since its app's clicks count. Next: pass "
                "lark_conn_id, the connection of the app that sent the card, or app_id."
            ) from error
        return Draft(origin, question, app_id, messages, self._compute_deadline())

    def _make_legacy_wait(self, context: Context) -> Wait:
        from lark_provider.protocol.waits import Wait

        return Wait(
            make_origin(context, self._kind, self.lark_conn_id).key,
            list_texts(self.message_id),
            every=self.wait_for == "all",
            correlation=self.correlation_id or None,
            actions=list_texts(self.actions),
            operators=list_texts(self.operators),
            app_id=self.app_id or None,
        )

    def _make_result(self, clicks: Sequence[CardClick]) -> Any:
        from lark_provider.protocol.waits import to_xcom

        self.chat_link = self._make_chat_url(clicks[0].chat_id or "")
        results = [to_xcom(click) for click in clicks]
        for result in results:
            fields = {"open_id": result["operator"]["open_id"], "message_id": result["message_id"]}
            self.log.info("Card clicked", **fields)
        return results if self.wait_for == "all" else results[0]


def list_texts(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return one or several texts as a tuple, without empty ones."""
    values = [value] if isinstance(value, str) else value or ()
    return tuple(text for text in values if text)
