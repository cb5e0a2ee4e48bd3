"""One notification over one connection: what it is about, who gets it, and how long it may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from lark_provider.notifications import airflow_context
from lark_provider.notifications.deadline import Deadline, call_in_thread
from lark_provider.notifications.delivery import NotificationMessage
from lark_provider.protocol.incidents.changes import is_repeated_end
from lark_provider.protocol.incidents.event import EventKind, RunEvent
from lark_provider.protocol.incidents.model import Incident
from lark_provider.protocol.language import Language

if TYPE_CHECKING:
    from lark_provider.api.messaging import MessageType
    from lark_provider.api.receivers import ReceiverIdType
    from lark_provider.client import AsyncLarkServiceClient
    from lark_provider.hooks.receivers import NamedReceiver


class Notifier(Protocol):
    """The options of a `LarkNotifier`, with its templates rendered."""

    bots_only: ClassVar[bool]
    receiver_id: str
    receiver_id_type: ReceiverIdType | None
    lark_conn_id: str
    fallback_conn_id: str | None
    content: Any
    msg_type: MessageType
    language: Language
    mentions: str | Sequence[str] | None
    event: EventKind | None
    idempotency_key: str | None
    one_card_per_run: bool
    quiet_success: bool
    message_digest: str

    @property
    def log(self) -> Any:
        """Return the task's log."""
        ...

    def shares_cards_with(self, other: object) -> bool:
        """Return whether another callback updates the same cards as this notifier."""
        ...


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification by an app.

    Attributes:
        notifier: The notifier, which has the options.
        conn_id: The id of the Lark connection.
        client: The client of that connection's app.
        to: The receiver.
        message: The message.
        event: The event to notify of.
        context: The Airflow context of the callback.
        left: The deadline for everything.
        may_block: Whether blocking calls to Airflow are possible, in a thread.
    """

    notifier: Notifier
    conn_id: str
    client: AsyncLarkServiceClient
    to: NamedReceiver
    message: NotificationMessage
    event: RunEvent
    context: Mapping[str, Any]
    left: Deadline
    may_block: bool

    @property
    def shares_card(self) -> bool:
        """Return whether failures of the run share a card."""
        notifier = self.notifier
        return notifier.one_card_per_run and notifier.content is None and notifier.msg_type == "interactive"

    @property
    def is_quiet(self) -> bool:
        """Return whether the event is not reported unless it changes an incident."""
        return self.notifier.quiet_success and self.event.is_success

    @property
    def key(self) -> str:
        """Return an idempotency key, by which a repeated callback is recognized.

        It is derived from the event, and from the message: a callback may be a list of notifiers. The id of
        the task instance, and the attempt of the run for its own events, tell the failures of a run apart
        that is cleared, or that is deleted and made again with the same id.
        """
        event, client = self.event, self.client
        if self.notifier.idempotency_key:
            return self.notifier.idempotency_key
        attempt = "" if event.is_task_event else event.run_attempt
        what = [event.kind, str(event.try_number), event.deadline_id, event.ti_id, attempt]
        where = [event.dag_id, event.run_id, event.task_id, str(event.map_index)]
        message = [self.notifier.receiver_id, self.notifier.message_digest]
        key = [client.base_url, client.app_id, "notifier", *where, *what, *message]
        return "\n".join(key)

    async def read_states(self) -> Mapping[str, str]:
        """Return Airflow's states of the run's task instances; empty if it cannot be asked, or is slow."""
        if not self.may_block:
            return {}
        # The first request of a DAG processor takes seconds, on a busy machine more than there are: what is
        # left must be enough to record the event, which then shows what the tasks have reported.
        try:
            return await call_in_thread(
                lambda: airflow_context.read_states(self.context), self.left.compute_remaining() / 2
            )
        except TimeoutError:
            self.notifier.log.info("Airflow's task states timed out; the card shows what tasks reported.")
            return {}

    async def read_errors(self, before: Incident | None, states: Mapping[str, str]) -> Mapping[str, str]:
        """Return the errors of failed task instances that sent no notification, for a failed DAG run.

        Args:
            before: The incident before this event.
            states: Airflow's states of the run's task instances.
        """
        if not (self.may_block and self.event.kind == "dag_failure"):
            return {}
        incident = before or Incident()
        fails_again = is_repeated_end(incident, self.event)  # Then the DAG's callback reported older errors.
        reported = {
            failure.label
            for failure in incident.failures
            if failure.error and (failure.try_number or not fails_again)
        }
        silent = [label for label, state in states.items() if state == "failed" and label not in reported]
        shares = self.notifier.shares_cards_with
        return await airflow_context.read_errors(
            self.event,
            self.context,
            silent,
            self.notifier.language,
            shares,
            self.left.compute_remaining() / 4,
        )
