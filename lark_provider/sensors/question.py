"""Wait for the answer to a recorded question: on a worker, by rescheduling, or in the triggerer.

The question is a row of the table `waits`. The first attempt of a task records it, and every later step reads
it back, so that a DAG file that is edited meanwhile changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowNotFoundException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from lark_provider.errors import LarkError
from lark_provider.hooks import airflow_config
from lark_provider.hooks.lark import LarkHook
from lark_provider.hooks.links import LarkChatLink, make_chat_url
from lark_provider.hooks.task import convert_lark_errors, make_origin, with_questions
from lark_provider.hooks.templates import StrictTemplates

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.protocol.callbacks import CardClick
    from lark_provider.protocol.questions import Draft, Origin, QuestionClaim, TaskQuestion
    from lark_provider.protocol.waits import Wait

_ANOTHER_DATABASE = (
    "The answer that the triggerer read must be in this worker's database, and is not. Next: give both the "
    "same [lark] database_url or database_conn_id."
)
_MAX_TIMEOUT = timedelta(days=3650)


class QuestionSensor(StrictTemplates, BaseSensorOperator):
    """Record a question, wait for the clicks that answer it, and return them.

    Derived classes define the question (`_make_draft`) and the result (`_make_result`).

    Args:
        lark_conn_id: The connection of the app whose cards are clicked.
        deferrable: Wait in the triggerer, without a worker.
    """

    ui_color = "#d9e8ff"
    operator_extra_links = (LarkChatLink(),)
    chat_link = ""
    _kind: ClassVar[str]
    _question: TaskQuestion | None = None
    _clicks: Sequence[CardClick] = ()
    _trigger_error: str | None = None  # why the task fails if the trigger fired without an answer
    _pending_error: Exception | None = None
    _legacy_event: dict[str, Any] | None = None

    def __init__(self, *, lark_conn_id: str, deferrable: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lark_conn_id = lark_conn_id
        self.deferrable = deferrable

    @cached_property
    def hook(self) -> LarkHook:
        """Make the hook of the sensor's connection."""
        return LarkHook(self.lark_conn_id)

    def execute(self, context: Context) -> Any:
        """Record the question unless it is recorded, look for an answer, and wait as configured."""
        if self.deferrable:
            self.mode = "reschedule"  # a poke without an answer then ends the loop instead of sleeping
        try:
            if self._legacy_event is None and self._pending_error is None:
                with convert_lark_errors():
                    self._apply_deadline(self._get_or_record(context).deadline, context)
        except (AirflowFailException, LarkError) as error:
            self._pending_error = error  # raised by the first poke, where soft_fail and the like apply to it
        try:
            return super().execute(context)
        except AirflowRescheduleException:
            if self.deferrable and self._question is not None:
                self._defer(self._question)
            raise

    def poke(self, context: Context) -> PokeReturnValue:
        """Look for the answer once.

        Raises:
            AirflowFailException: The question is closed, or there is no database.
            AirflowSensorTimeout: The question has expired.
        """
        from lark_provider.callbacks import waiting

        if self._pending_error is not None:
            error, self._pending_error = self._pending_error, None
            raise error
        if self._legacy_event is not None:
            return self._poke_legacy(context, self._legacy_event)
        with convert_lark_errors():
            over = waiting.settle(
                self._get_or_record(context),
                database_url=airflow_config.read_database_url(),
                broker_url=airflow_config.read_rabbitmq_url(),
            )
        if over is None:
            if self._trigger_error is not None:
                raise AirflowFailException(self._trigger_error)
            return PokeReturnValue(is_done=False)
        self._question, self._clicks = over
        if self._clicks:
            return PokeReturnValue(is_done=True, xcom_value=self._make_result(self._clicks))
        raise _make_unanswered_error(self._question)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """Continue after the trigger has fired, and look for the answer like any other poke.

        A task that began to wait under another operator starts over, since what it waited for does not answer
        the question that it asks now. So does a task that was removed from its DAG file and added again,
        which Airflow resumes without an event.

        Args:
            context: The task's Airflow context.
            event: The trigger's event: which question is over, or why waiting for it failed.

        Raises:
            AirflowFailException: Waiting failed.
        """
        if event is None or not _is_ours(event):
            return self._start_over(context)
        self._trigger_error = event.get("message") or _ANOTHER_DATABASE
        if (wait_id := event.get("wait_id")) is None:
            self._legacy_event = event
            return self.execute(context)
        try:
            with convert_lark_errors():
                self._question = with_questions(lambda questions: questions.get(wait_id))
        except (AirflowFailException, LarkError) as error:
            self._pending_error = error
        else:
            origin = make_origin(context, self._kind, self.lark_conn_id)
            if self._question is None:
                self._pending_error = AirflowFailException(self._trigger_error)
            elif self._question.origin.key != origin.key:
                return self._start_over(context)
        return self.execute(context)

    def _start_over(self, context: Context) -> Any:
        self.log.warning("Resumed without an answer to its own question; starting from the beginning.")
        self._question = self._trigger_error = None
        return self.execute(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after the wait in the triggerer, also after its timeout."""
        if next_method == "execute_complete":
            # Airflow's own implementation would report any exception from here on as a failed deferral.
            return self.execute_complete(context, **(next_kwargs or {}))
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (AirflowSensorTimeout, AirflowSkipException) as timeout:
            # A click that came in time counts, even if no triggerer was running to see it.
            self.log.info("Timeout reached; checking for clicks a last time", timeout_s=self.timeout)
            self.timeout = 0
            try:
                with convert_lark_errors():
                    self._question = self._find(make_origin(context, self._kind, self.lark_conn_id))
            except (AirflowFailException, LarkError) as error:
                self._pending_error = error
            else:
                if self._question is None:
                    raise  # the wait began under version 0.1, which recorded no question
            try:
                return self.execute(context)
            except AirflowSensorTimeout:
                raise timeout from None

    def _make_draft(self, context: Context, origin: Origin) -> Draft:
        """Return the question that this attempt asks if no earlier one has recorded it."""
        raise NotImplementedError

    def _make_result(self, clicks: Sequence[CardClick]) -> Any:
        """Return what the sensor returns for the clicks that answer the question."""
        raise NotImplementedError

    def _make_legacy_wait(self, context: Context) -> Wait:
        """Return which clicks count for a task that began to wait under version 0.1."""
        raise NotImplementedError

    def _on_recorded(self, claim: QuestionClaim) -> None:
        """Handle the claim of a question that this attempt has just recorded or taken over."""

    def _get_or_record(self, context: Context) -> TaskQuestion:
        """Return the question that an earlier step or attempt recorded, or record it now."""
        if self._question is None:
            origin = make_origin(context, self._kind, self.lark_conn_id)
            question = self._find(origin)
            if question is None:
                draft = self._make_draft(context, origin)
                claim = with_questions(lambda questions: questions.claim(draft))
                self._on_recorded(claim)
                question = claim.question
            self._question = question
        return self._question

    def _find(self, origin: Origin) -> TaskQuestion | None:
        deadline = self._compute_deadline()
        return with_questions(lambda questions: questions.find(origin, deadline))

    def _compute_deadline(self) -> datetime:
        return datetime.now(UTC) + min(timedelta(seconds=self.timeout), _MAX_TIMEOUT)

    def _apply_deadline(self, deadline: datetime | None, context: Context) -> None:
        """Let Airflow's timeout end at the recorded deadline, even if the DAG file has changed since."""
        if deadline is None:
            return
        since = datetime.now(UTC)
        if self.mode == "reschedule":
            since = context["ti"].get_first_reschedule_date(context) or since
        self.timeout = max(0.0, (deadline - since).total_seconds())

    def _defer(self, question: TaskQuestion) -> NoReturn:
        from lark_provider.callbacks import waiting
        from lark_provider.triggers.card_callback import LarkCardCallbackTrigger

        with convert_lark_errors():
            database_id = waiting.read_database_id(airflow_config.read_database_url())
        left = (question.deadline or self._compute_deadline()) - datetime.now(UTC)
        self.defer(
            trigger=LarkCardCallbackTrigger(wait_id=question.id, database_id=database_id),
            method_name="execute_complete",
            timeout=max(timedelta(0), left),
        )

    def _poke_legacy(self, context: Context, event: dict[str, Any]) -> PokeReturnValue:
        """Look for the answer to a wait that began under version 0.1."""
        from lark_provider.callbacks import waiting
        from lark_provider.protocol.waits import Wait

        with convert_lark_errors():
            wait = Wait.from_dict(event["wait"]) if event.get("wait") else self._make_legacy_wait(context)
            clicks = waiting.ask(
                wait,
                database_url=airflow_config.read_database_url(),
                broker_url=airflow_config.read_rabbitmq_url(),
            )
        if not clicks:
            raise AirflowFailException(self._trigger_error)
        self._clicks = clicks
        return PokeReturnValue(is_done=True, xcom_value=self._make_result(clicks))

    def _make_chat_url(self, chat_id: str) -> str:
        try:
            return make_chat_url(self.hook.client.base_url, chat_id, self.hook.web_domain)
        except (AirflowNotFoundException, LarkError):
            return ""  # with app_id no connection is needed, and then the domain of Lark's pages is unknown


def _is_ours(event: Any) -> bool:
    """Return whether an event comes from the trigger of a card, of version 0.1 or later."""
    return (
        isinstance(event, Mapping)
        and event.get("status") in {"answered", "error"}
        and "instance_code" not in event  # of a native approval
    )


def _make_unanswered_error(question: TaskQuestion) -> AirflowFailException | AirflowSensorTimeout:
    """Return the error for a question that is over without an answer."""
    if question.state == "decided":
        return AirflowFailException(
            "The click that decided the question must be in the database, and was deleted. Next: clear the "
            "task, so that it asks again."
        )
    if question.reason == "expired":
        return AirflowSensorTimeout(
            f"Nobody answered until {question.deadline}. Next: clear the task to ask again, or raise timeout."
        )
    return AirflowFailException(
        f"The question was closed: {question.reason}. Next: clear the task, so that it asks again."
    )
