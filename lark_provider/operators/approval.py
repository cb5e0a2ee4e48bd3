"""Ask somebody for a decision on a card, and go on with it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from lark_provider.hooks import airflow_version  # noqa: F401 - first, for its clear sentence

from airflow.sdk.bases.branch import BranchMixIn  # isort: skip
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException

from lark_provider.errors import InvalidRequestError, LarkError
from lark_provider.hooks.lark import LarkHook
from lark_provider.hooks.task import attempt_key, first_try, lark_errors
from lark_provider.sensors.card_callback import LarkCardCallbackSensor, texts

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.cards.approval import Outcome
    from lark_provider.api.receivers import ReceiverIdType
    from lark_provider.hooks.receivers import Receiver
    from lark_provider.protocol.waits import Wait

MESSAGE_XCOM = "lark_message_id"


class LarkApprovalOperator(LarkCardCallbackSensor, BranchMixIn):
    """Sends a card with a button for each option, waits for a click, and returns the decision.

    The first click that is stored decides, for every retry as well; the card then shows who decided what
    and when, and has no buttons any more. Whoever is not among the approvers is told so by the gateway.
    A retry or a reschedule sends no second card; with Airflow 3.2, which forgets the first one, only within
    an hour of it.

    It is a sensor: `timeout`, `soft_fail`, `mode` and the like mean what they mean there, for the wait; what
    becomes of a rejection is for `on_reject` to say. With `redirect_all_to` in the connection, the card goes
    there, and everybody there may answer.

    Args:
        receiver_id: A person or chat, or a name from the connection's `receivers`.
        title: What is asked.
        text: What to know before answering, in Markdown.
        options: The decisions, each with what stands on its button.
        fields: Elements of `lark_provider.api.cards` to be filled in, e.g. `Input("reason")`.
        approvers: The ids (open_id, user_id or union_id) of those who may answer; empty for everybody.
        rejections: Which of the options are rejections.
        on_reject: After a rejection, `fail` the task, `skip` it, or `return` the decision.
        branches: For each decision the task ids, or one, to go on with; the others downstream are skipped.
        receiver_id_type: The kind of `receiver_id`, if its shape misleads.
        deferrable: Wait in the triggerer, without a worker. The default here.
        lark_conn_id: The connection.

    Returns:
        As XCom: `decision`, `operator` (open_id, user_id, union_id), `form_value`, `clicked_at` and
        `message_id`.

    Raises:
        AirflowFailException: It was rejected and `on_reject` is `fail`; or Lark refuses the card.
        AirflowSkipException: It was rejected and `on_reject` is `skip`.
        AirflowSensorTimeout: Nobody answered in time; the card says so.
    """

    template_fields: Collection[str] = ("receiver_id", "title", "text", "approvers", "lark_conn_id")
    template_ext: Sequence[str] = (".md",)

    def __init__(
        self,
        *,
        receiver_id: str,
        title: str,
        text: str = "",
        options: Mapping[str, str] | None = None,
        fields: Sequence[Mapping[str, Any]] = (),
        approvers: str | Sequence[str] = (),
        rejections: Sequence[str] = ("reject",),
        on_reject: Literal["fail", "skip", "return"] = "fail",
        branches: Mapping[str, str | Sequence[str]] | None = None,
        receiver_id_type: ReceiverIdType | None = None,
        lark_conn_id: str = LarkHook.default_conn_name,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, **kwargs)
        self.receiver_id = receiver_id
        self.receiver_id_type = receiver_id_type
        self.title, self.text = title, text
        self.options = dict(options or {"approve": "Approve", "reject": "Reject"})
        self.fields = list(fields)
        self.approvers = approvers
        self.rejections = tuple(rejections)
        self.on_reject = on_reject
        self.branches = dict(branches) if branches is not None else None
        self.lark_conn_id = lark_conn_id
        unknown = set(self.branches or ()) - set(self.options)
        if unknown:
            raise ValueError(
                f"branches name {sorted(unknown)}, which are no options. Next: add them to options."
            )

    @cached_property
    def hook(self) -> LarkHook:
        """The hook of the operator's connection."""
        return LarkHook(self.lark_conn_id)

    def execute(self, context: Context) -> Any:
        """Send the card unless it is sent, wait, and go on with the decision."""
        with lark_errors():
            if self._sent(context) is None:
                self._find_inbox()  # first: nobody is asked whose answer would not be seen
                self._remember(context, self._send(context))
        try:
            click = super().execute(context)
        except (AirflowFailException, AirflowSensorTimeout, AirflowSkipException):
            self._replace_card(self._sent(context), "expired", label="⌛")
            raise
        return self._go_on(context, click)

    def _send(self, context: Context) -> str:
        from lark_provider.api.cards.approval import approval_card  # noqa: PLC0415 - DAG files go without it

        client = self.hook.client
        to = self.hook.receiver(self.receiver_id, self.receiver_id_type)
        card: Any = approval_card(
            self.title,
            self.text,
            self.options,
            correlation=self._correlation(context),
            approvers=self._who_may_answer(to),
            rejections=self.rejections,
            fields=self.fields,
        )
        if to.instead_of is not None:
            from lark_provider.hooks.receivers import marked  # noqa: PLC0415 - as above

            card = marked(card, "interactive", to.instead_of, ())
        key = to.key(attempt_key(context, client, "approval", self.receiver_id))
        sent = client.messaging.send_card(to.id, card, receiver_id_type=to.id_type, idempotency_key=key).data
        self.log.info("Asked %s with %s.", to.id, sent["message_id"])
        return sent["message_id"]

    def _remember(self, context: Context, message_id: str) -> None:
        context["ti"].xcom_push(key=MESSAGE_XCOM, value=message_id)
        if (store := context.get("task_state_store")) is not None:
            store.set(f"{MESSAGE_XCOM}/{first_try(context)}", message_id)

    def _sent(self, context: Context) -> str | None:
        """The card's message, if it is sent."""
        ti = context["ti"]
        found: Any = ti.xcom_pull(task_ids=self.task_id, key=MESSAGE_XCOM, map_indexes=ti.map_index)
        # Airflow forgets the XCom at each start but a deferred one's; what it keeps instead came with 3.3.
        if found is None and (store := context.get("task_state_store")) is not None:
            found = store.get(f"{MESSAGE_XCOM}/{first_try(context)}")
        return None if found is None else str(found)

    def _correlation(self, context: Context) -> str:
        key = attempt_key(context, self.hook.client, "approval", self.receiver_id)
        return hashlib.sha256(key.encode()).hexdigest()[:32]

    def _who_may_answer(self, to: Receiver) -> tuple[str, ...]:
        return () if to.instead_of is not None else texts(self.approvers)

    def _wait(self, context: Context) -> Wait:
        self.correlation_id = self._correlation(context)
        # Not on the card's word alone: who knows the run can make another card with this correlation.
        self.app_id, self.actions = self.hook.client.app_id, tuple(self.options)
        self.operators = self._who_may_answer(self.hook.receiver(self.receiver_id, self.receiver_id_type))
        return super()._wait(context)

    def _go_on(self, context: Context, click: dict[str, Any]) -> dict[str, Any]:
        """Show the decision on the card, and do what follows from it. No part of the wait can undo it."""
        decision = str((click["action"]["value"] or {}).get("action", ""))
        form_value = click["action"]["form_value"] or {}
        rejected = decision in self.rejections
        who = click["operator"]["open_id"]
        at = datetime.fromisoformat(click["clicked_at"])
        at = at.astimezone(getattr(context.get("dag"), "timezone", None))
        # Two of them if it was forwarded and clicked there, or was sent again and the first one was clicked.
        for message_id in {click["message_id"], self._sent(context)} - {None}:
            self._replace_card(
                message_id,
                "rejected" if rejected else "approved",
                label=self.options.get(decision, decision),
                open_id=who,
                when=f"{at:%Y-%m-%d %H:%M %Z}",
                answers=form_value,
            )
        if rejected and self.on_reject == "fail":
            raise AirflowFailException(f"{who} answered {decision!r}.")
        if rejected and self.on_reject == "skip":
            raise AirflowSkipException(f"{who} answered {decision!r}.")
        decided = {"decision": decision, "form_value": form_value}
        decided |= {name: click[name] for name in ("operator", "clicked_at", "message_id")}
        if self.branches is not None:
            if self.do_xcom_push:
                # Other branches are skipped by an exception, with which what a task returns is lost.
                context["ti"].xcom_push(key=BaseXCom.XCOM_RETURN_KEY, value=decided)
            self.do_branch(context, self.branches.get(decision))
        return decided

    def _replace_card(
        self,
        message_id: str | None,
        outcome: Outcome,
        *,
        answers: Mapping[str, Any] | None = None,
        **shown: Any,
    ) -> None:
        if message_id is None:
            return
        from lark_provider.api.cards.approval import decided_card  # noqa: PLC0415 - as above

        try:
            card = decided_card(self.title, self.text, outcome, answers=answers, **shown)
            self.hook.client.messaging.update_card(message_id, card)
        except LarkError as error:
            if answers and isinstance(error, InvalidRequestError):
                # Too long, most likely. The decision has to be seen, and buttons gone, in any case.
                self._replace_card(message_id, outcome, **shown)
                return
            # The decision stands in the database; a card that could not be changed must not undo it.
            self.log.warning("Card %s still shows its buttons: %s", message_id, error)
