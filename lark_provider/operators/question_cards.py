"""The cards of recorded questions: sent once, and replaced when the question is over.

Nothing here decides a question. A card that cannot be updated is logged, and its question stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException

from lark_provider.api import card_life
from lark_provider.errors import ConfigurationError, LarkError
from lark_provider.hooks import airflow_config
from lark_provider.hooks.lark import LarkHook
from lark_provider.hooks.links import make_chat_url
from lark_provider.hooks.task import with_questions

if TYPE_CHECKING:
    from lark_provider.api.card_life import LiveCard
    from lark_provider.protocol.callbacks import CardClick
    from lark_provider.protocol.questions import Question, TaskQuestion

_OVERDUE = timedelta(minutes=10)
_MAX_OVERDUE = 5
_KEY_LIFETIME = timedelta(minutes=55)
"""How long Lark recognizes a message by its idempotency key: an hour, less a margin for clocks."""


class OperatorCards:
    """Send and replace cards, each over the connection that its question was recorded with.

    Args:
        hook: The hook of the operator's Lark connection.
        log: The task's log.
    """

    def __init__(self, hook: LarkHook, log: Any) -> None:
        self.hook = hook
        self.log = log

    def send(self, task_question: TaskQuestion, card: Any) -> tuple[TaskQuestion, str]:
        """Send the card of a question, and record its message. Within an hour a repeat sends nothing more.

        Later it does, if it is not known whether an earlier attempt has sent the card. Of two such cards only
        the second is recorded; the first one keeps its buttons until a person clicks on it.

        Args:
            task_question: The question.
            card: Card JSON.

        Returns:
            The question as it is recorded then, and the link to the chat.

        Raises:
            ConfigurationError: The connection's app is another than the question's.
            LarkError: Lark refused the card or was unreachable, or the database is unavailable.
        """
        hook = self._choose_hook(task_question)
        client = hook.client
        if client.app_id != task_question.app_id:
            raise ConfigurationError(
                f"Connection {hook.lark_conn_id!r} is of app {client.app_id} now, but the question was "
                f"recorded for app {task_question.app_id}: no click on this card would count. Next: "
                "clear the task, so that it asks again, or change the connection back."
            )
        sent = client.perform(card_life.show(self._make_live_card(task_question), card))
        recorded = with_questions(lambda questions: questions.get(task_question.id))
        return recorded or task_question, make_chat_url(client.base_url, sent.chat_id, hook.web_domain)

    def show_outcome(
        self, task_question: TaskQuestion, click: CardClick | None = None, *, newer: str = ""
    ) -> None:
        """Replace the cards of a question that is over by ones that say how it ended.

        Args:
            task_question: The question.
            click: The click that decided it. Its message is another one if the card was forwarded.
            newer: A link to the chat with the card that takes its place.
        """
        from lark_provider.api.cards.outcome import make_outcome_card

        if not task_question.is_ours:
            return
        refused: Mapping[str, Exception]
        message_ids = {
            *task_question.message_ids,
            *([click.message_id] if click and click.message_id else []),
        }
        try:
            ending = card_life.end_all(message_ids, make_outcome_card(task_question, click, newer=newer))
            refused = self._choose_hook(task_question).client.perform(ending)
        except (LarkError, AirflowException) as error:  # Airflow's: the recorded connection is missing.
            refused = dict.fromkeys(message_ids, error)
        for message_id, why in refused.items():
            fields = {"message_id": message_id, "error": str(why)}
            self.log.warning("Failed to update a card; it still shows its buttons", **fields)

    def withdraw_others(
        self, task_question: TaskQuestion, replaced: TaskQuestion | None, *, chat_link: str
    ) -> None:
        """Withdraw the card that a new one replaces, and cards of the app whose deadline is long over.

        Args:
            task_question: The new question.
            replaced: The question whose place it takes.
            chat_link: A link to the chat with the new card.
        """
        now = datetime.now(UTC)
        try:
            if replaced is not None:
                self._withdraw(replaced.id, now, newer=chat_link)
            overdue = with_questions(
                lambda questions: questions.list_overdue(
                    task_question.app_id or "", now - _OVERDUE, _MAX_OVERDUE
                )
            )
            answered = with_questions(lambda questions: questions.settle(overdue))
            for late in overdue:
                if late.id not in answered:
                    self._expire(late.id)
        except (LarkError, AirflowException) as error:
            # The gateway withdraws them when a user clicks; the new question must not suffer from it.
            self.log.warning("Failed to withdraw expired cards", error=str(error))

    def _expire(self, wait_id: str) -> None:
        closed = with_questions(lambda questions: questions.close(wait_id, "expired"))
        if closed is not None:
            self.show_outcome(closed)

    def _withdraw(self, wait_id: str, now: datetime, *, newer: str) -> None:
        from lark_provider.api.cards.outcome import make_outcome_card

        old = with_questions(lambda questions: questions.get(wait_id))
        if old is None or old.app_id != self._choose_hook(old).client.app_id:
            return
        if old.message_ids or now - old.created_at >= _KEY_LIFETIME:
            self.show_outcome(old, newer=newer)
            return
        # Its worker died before it recorded the message, if it sent one.
        ending = card_life.end(self._make_live_card(old), make_outcome_card(old, newer=newer))
        self._choose_hook(old).client.perform(ending)

    def _make_live_card(self, task_question: TaskQuestion) -> LiveCard:
        from lark_provider.callbacks import waiting

        question, database_url = task_question.question, airflow_config.read_database_url()

        def record(sent: LiveCard) -> None:  # in a thread, which must not ask Airflow for the database
            message_id = str(sent.message_id)
            self.log.info("Question sent", receiver=question.receiver, message_id=message_id)
            waiting.with_waits(
                lambda questions: questions.record_sent(task_question.id, message_id), database_url
            )

        # If it is not known after Lark's hour whether the card was sent, a second one is better than a
        # question that is never asked: the buttons of both name the question, whose first click decides.
        how = {
            "receiver_id_type": question.receiver_type,
            "idempotency_key": task_question.id,
            "on_unknown": "resend",
        }
        return card_life.LiveCard(question.receiver, record, how)

    def _choose_hook(self, task_question: TaskQuestion) -> LarkHook:
        """Return the hook of the connection recorded with a question; the DAG may name another one by now."""
        recorded = task_question.origin.conn_id
        return self.hook if recorded in {"", self.hook.lark_conn_id} else LarkHook(recorded)


def render_question_card(question: Question, correlation: str) -> Any:
    """Return the card of a question, with a mark if the connection redirects it.

    Args:
        question: What is asked.
        correlation: The question's id, which the buttons carry.

    Raises:
        InvalidRequestError: Lark would refuse the card.
    """
    from lark_provider.api.cards.approval import make_approval_card
    from lark_provider.hooks.receivers import mark_redirected

    card = make_approval_card(
        question.title,
        question.text,
        question.options,
        correlation=correlation,
        approvers=question.operators,
        rejections=question.rejections,
        fields=question.fields,
    )
    instead_of = question.instead_of
    return card if instead_of is None else mark_redirected(card, "interactive", instead_of, ())
