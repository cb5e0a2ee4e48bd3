"""Ask a person for a decision on a card, and continue with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.branch import BranchMixIn
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferralError,
)

from lark_provider.errors import LarkError
from lark_provider.hooks.lark import LarkHook
from lark_provider.hooks.task import convert_lark_errors, make_origin, with_questions
from lark_provider.operators import question_arguments
from lark_provider.operators.question_cards import OperatorCards, render_question_card
from lark_provider.sensors.card_callback import LarkCardCallbackSensor, list_texts

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.receivers import ReceiverIdType
    from lark_provider.protocol.questions import Draft, Origin, Question, QuestionClaim, Reason, TaskQuestion
    from lark_provider.protocol.waits import Wait

MESSAGE_XCOM = "lark_message_id"


class LarkApprovalOperator(LarkCardCallbackSensor, BranchMixIn):
    """Send a card with a button for each option, wait for a click, and return the decision.

    The question is recorded in the database before its card is sent, and read back from then on: a DAG file
    that is edited while the card is open does not change it. The first click that is stored decides, for
    every retry as well; the card then shows who decided what and when, and has no buttons any more. The
    gateway rejects clicks of users who are not approvers. A retry or a reschedule sends no second card. A
    task that is cleared asks again, and withdraws the card that it sent before.

    It is a sensor: `timeout`, `soft_fail`, `mode` and the like apply to the wait as in any sensor, but only
    `on_reject` to a rejection. With `redirect_all_to` in the connection, the card goes there, and every user
    there may answer.

    Args:
        receiver_id: A person or chat, or a name from the connection's `receivers`.
        title: The question.
        text: Markdown below the title.
        options: The decisions, each with the label of its button.
        fields: Elements of `lark_provider.api.cards` to be filled in, e.g. `Input("reason")`.
        approvers: Those who may answer: open_ids or union_ids; user_ids, e-mail addresses, mobile numbers and
            names from the connection's `receivers` are resolved to open_ids first. Empty for all users.
        rejections: Which of the options are rejections, one or several; `reject` by default.
        on_reject: After a rejection, `fail` the task, `skip` it, or `return` the decision.
        branches: For each decision the task id, or task ids, to continue with; the other downstream tasks are
            skipped.
        receiver_id_type: The kind of `receiver_id`, if its shape misleads.
        deferrable: Wait in the triggerer, without a worker; the default.
        lark_conn_id: The connection.

    Returns:
        As XCom: `decision`, `operator` (open_id, user_id, union_id), `form_value`, `clicked_at` and
        `message_id`.

    Raises:
        AirflowFailException: It was rejected and `on_reject` is `fail`; or Lark refuses the card; or there is
            no database, or an approver whom the app cannot see; or another process closed the question.
        AirflowSkipException: It was rejected and `on_reject` is `skip`.
        AirflowSensorTimeout: Nobody answered in time; the card says so.
    """

    template_fields: Collection[str] = ("receiver_id", "title", "text", "approvers", "lark_conn_id")
    required_templates: ClassVar[Collection[str]] = ("receiver_id", "title", "text", "approvers")
    people_templates: ClassVar[Collection[str]] = ("approvers",)
    _kind: ClassVar[str] = "approval"
    _replaced: TaskQuestion | None = None

    def __init__(
        self,
        *,
        receiver_id: str,
        title: str,
        text: str = "",
        options: Mapping[str, str] | None = None,
        fields: Sequence[Mapping[str, Any]] = (),
        approvers: str | Sequence[str] = (),
        rejections: str | Sequence[str] | None = None,
        on_reject: question_arguments.OnReject = "fail",
        branches: Mapping[str, str | Sequence[str]] | None = None,
        receiver_id_type: ReceiverIdType | None = None,
        lark_conn_id: str = LarkHook.default_conn_name,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, lark_conn_id=lark_conn_id, **kwargs)
        self.receiver_id = receiver_id
        self.receiver_id_type = receiver_id_type
        self.title, self.text = title, text
        self.options = question_arguments.read_options(options)
        self.fields = question_arguments.read_fields(fields)
        self.approvers = approvers
        self.rejections = question_arguments.read_rejections(rejections, self.options)
        question_arguments.check_on_reject(on_reject)
        self.on_reject = on_reject
        self.branches = question_arguments.read_branches(branches, self.options)

    def execute(self, context: Context) -> Any:
        """Record the question, send its card unless it is sent, wait, and act on the decision."""
        try:
            if self._legacy_event is None and self._pending_error is None:
                self._ensure_card_sent(context)
            super().execute(context)
        except (AirflowFailException, AirflowSensorTimeout, AirflowSkipException):
            self._close_question()
            if not self._clicks:
                raise
        except (LarkError, AirflowTaskTimeout):
            self._close_after_last_try(context)
            if not self._clicks:
                raise
        return self._apply_decision(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after the wait in the triggerer."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralError:  # The triggerer failed to wait, for example without this package.
            self._close_after_last_try(context)
            if not self._clicks:
                raise
            return self._apply_decision(context)
        except (AirflowSensorTimeout, AirflowSkipException):
            if self._question is None and next_method != "execute_complete":
                expired = replace(self._make_legacy_question(context), state="closed", reason="expired")
                self._cards.show_outcome(expired)
            raise

    @property
    def _cards(self) -> OperatorCards:
        return OperatorCards(self.hook, self.log)

    def _make_draft(self, context: Context, origin: Origin) -> Draft:
        from lark_provider.hooks.approvers import resolve_comparable_ids
        from lark_provider.protocol.questions import Draft

        to = self.hook.receiver(self.receiver_id, self.receiver_id_type)
        may_answer = resolve_comparable_ids(lambda: self.hook, self.approvers, "approvers")
        question = replace(
            self._make_question(context),
            operators=() if to.instead_of is not None else may_answer,
            receiver=to.id,
            receiver_type=to.id_type,
            instead_of=to.instead_of,
        )
        render_question_card(question, "")  # refuses what Lark would refuse, before the question is recorded
        return Draft(origin, question, self.hook.client.app_id, deadline=self._compute_deadline())

    def _make_question(self, context: Context) -> Question:
        """Return the question as the DAG file defines it, without receiver and approvers."""
        from lark_provider.protocol.questions import Question

        zone = getattr(context.get("dag"), "timezone", None)
        return Question(
            title=self.title,
            text=self.text,
            options=self.options,
            rejections=self.rejections,
            fields=tuple(self.fields),
            timezone=str(getattr(zone, "name", None) or zone or "UTC"),
            on_reject=self.on_reject,
            branches=self.branches,
        )

    def _on_recorded(self, claim: QuestionClaim) -> None:
        self._replaced = claim.replaced

    def _ensure_card_sent(self, context: Context) -> None:
        """Record the question and send its card, unless an earlier step has done so."""
        is_known = self._question is not None
        with convert_lark_errors():
            task_question = self._get_or_record(context)
            if task_question.state == "open" and not task_question.message_ids:
                card = render_question_card(task_question.question, task_question.id)
                task_question, self.chat_link = self._cards.send(task_question, card)
                self._question = task_question
                if task_question.state == "closed":  # the task was cleared while the card was being sent
                    self._cards.show_outcome(task_question)
                self._cards.withdraw_others(task_question, self._replaced, chat_link=self.chat_link)
        if task_question.message_ids and not is_known:
            context["ti"].xcom_push(key=MESSAGE_XCOM, value=task_question.message_ids[0])

    def _close_after_last_try(self, context: Context) -> None:
        """Close the question of a try that has failed, unless a retry follows, which continues with it."""
        ti = context["ti"]
        if ti.try_number <= ti.max_tries:
            return
        try:
            self._question = self._question or self._find(make_origin(context, self._kind, self.lark_conn_id))
        except (LarkError, AirflowException) as error:
            self.log.warning("Failed to close the question", error=str(error))
        else:
            self._close_question()

    def _close_question(self) -> None:
        """Close the question and its card; take over the answer if it was answered in the meantime."""
        if self._question is None:
            return
        wait_id, deadline = self._question.id, self._question.deadline
        is_late = deadline is not None and datetime.now(UTC) >= deadline
        reason: Reason = "expired" if is_late else "failed"
        try:
            over = with_questions(lambda questions: questions.close(wait_id, reason))
            if over is None:
                return
            if over.state == "decided":
                self._clicks = with_questions(lambda questions: questions.read_clicks(over))
                self._question = over
            else:
                self._cards.show_outcome(over)
        except (LarkError, AirflowException) as error:
            self.log.warning("Failed to close the question", error=str(error))

    def _apply_decision(self, context: Context) -> dict[str, Any]:
        """Show the decision on the card, and fail, skip, branch or return as recorded with the question."""
        from lark_provider.protocol.waits import get_decision, to_xcom

        click = self._clicks[0]
        task_question = self._question or self._make_legacy_question(context)
        self._cards.show_outcome(task_question, click)
        decision, who = get_decision(click) or "", click.operator.open_id
        rejected = decision in task_question.question.rejections
        on_reject = task_question.question.on_reject or self.on_reject
        if rejected and on_reject == "fail":
            raise AirflowFailException(
                f"{who} answered {decision!r}. Next: clear the task to ask again, or set on_reject."
            )
        if rejected and on_reject == "skip":
            raise AirflowSkipException(f"{who} answered {decision!r}.")
        decided = {"decision": decision, "form_value": click.action.form_value or {}}
        decided |= {name: to_xcom(click)[name] for name in ("operator", "clicked_at", "message_id")}
        branches = (
            self.branches if task_question.question.branches is None else task_question.question.branches
        )
        if branches is not None:
            if self.do_xcom_push:
                # Airflow skips the other branches by an exception, so that a returned value would be lost.
                context["ti"].xcom_push(key=BaseXCom.XCOM_RETURN_KEY, value=decided)
            self.do_branch(context, self._choose_branch(branches, decision))
        return decided

    def _choose_branch(
        self, recorded: Mapping[str, str | Sequence[str]], decision: str
    ) -> str | Sequence[str] | None:
        """Return the tasks after a decision: as recorded, or as in the file if a recorded task is gone."""
        branch = recorded.get(decision)
        task_ids = {branch} if isinstance(branch, str) else set(branch or ())
        dag = self.get_dag()
        is_gone = dag is not None and not task_ids <= set(dag.task_ids) | set(dag.task_group_dict)
        return (self.branches or {}).get(decision) if is_gone else branch

    def _make_legacy_wait(self, context: Context) -> Wait:
        from lark_provider.protocol.waits import Wait

        redirected = self.hook.receiver(self.receiver_id, self.receiver_id_type).instead_of is not None
        return Wait(
            make_origin(context, self._kind, self.lark_conn_id).key,
            self._make_legacy_question(context).message_ids,
            operators=() if redirected else list_texts(self.approvers),
            app_id=self.hook.client.app_id,
            options=tuple(self.options),
        )

    def _make_legacy_question(self, context: Context) -> TaskQuestion:
        """Return what is known of the question of a task that began to wait under version 0.1."""
        from lark_provider.protocol.questions import TaskQuestion

        ti, now = context["ti"], datetime.now(UTC)
        message_id = ti.xcom_pull(task_ids=self.task_id, key=MESSAGE_XCOM, map_indexes=ti.map_index)
        return TaskQuestion(
            id="",
            origin=make_origin(context, self._kind, self.lark_conn_id),
            question=self._make_question(context),
            app_id=self.hook.client.app_id,
            message_ids=() if message_id is None else (str(message_id),),
            state="decided",
            reason=None,
            decided_by=(),
            successor=None,
            deadline=None,
            created_at=now,
            updated_at=now,
        )
