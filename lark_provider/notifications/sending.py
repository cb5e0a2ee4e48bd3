"""Send a notification over one connection after another, each within its share of the deadline.

A connection of an app updates the card of the DAG run, or sends a new message; a connection of a custom bot
only sends.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from lark_provider.api.cards.airflow import mentions
from lark_provider.hooks.lark import LarkHook
from lark_provider.hooks.webhook import LarkWebhookHook
from lark_provider.notifications import airflow_context, bot
from lark_provider.notifications.deadline import Deadline, call_in_thread, max_retries
from lark_provider.notifications.delivery import Message, deliver
from lark_provider.notifications.run_cards import RunCards
from lark_provider.protocol.incidents.event import EventKind, RunEvent
from lark_provider.protocol.incidents.model import Incident, after
from lark_provider.protocol.language import Language
from lark_provider.support.text import sendable

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from lark_provider.api.messaging import MessageType
    from lark_provider.api.receivers import ReceiverIdType
    from lark_provider.client import AsyncLarkServiceClient

_FIRST_SHARE = 0.6  # of the time that is left, for a connection that has a fallback
warned: set[str] = set()
"""Names without an id that this process has logged; once is enough."""


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
    mentions: str | Sequence[str]
    event: EventKind | None
    idempotency_key: str | None
    one_card_per_run: bool
    quiet_success: bool

    @property
    def log(self) -> Any:
        """Return the task's log."""
        ...

    def shares_cards_with(self, other: object) -> bool:
        """Return whether another callback updates the same cards as this notifier."""
        ...


async def send(notifier: Notifier, context: Mapping[str, Any], left: Deadline, *, may_block: bool) -> None:
    """Notify over the notifier's connection, else over its fallback connection, and log the result.

    Args:
        notifier: Its options.
        context: Airflow's.
        left: The deadline for everything.
        may_block: Whether blocking calls to Airflow are possible, in a thread.
    """
    event = airflow_context.read(context, notifier.event)
    if may_block and event.kind == "dag_failure":
        event = await airflow_context.explained(event, notifier.language, left.left() / 4)
    conn_ids = list(dict.fromkeys(filter(None, (notifier.lark_conn_id, notifier.fallback_conn_id))))
    failures, where = "", airflow_context.where(context)
    for index, conn_id in enumerate(conn_ids, 1):
        seconds = left.left() * (1.0 if index == len(conn_ids) else _FIRST_SHARE)
        try:
            async with asyncio.timeout(seconds):
                sent = await _Attempt(notifier, conn_id, seconds, event, context, may_block).run()
        except Exception as error:  # noqa: BLE001 - tried over the next connection, else logged
            failures += f" {conn_id}: {airflow_context.one_line(error, seconds)}"
            continue
        if sent:
            earlier = f"; earlier failures:{failures}" if failures else ""
            details = (notifier.receiver_id, where, ", ".join(sent), earlier)
            if failures:
                notifier.log.warning("Notified %s of %s: %s%s", *details)
            else:
                notifier.log.info("Notified %s of %s: %s%s", *details)
        return
    notifier.log.error("Failed to notify %s of %s.%s", notifier.receiver_id, where, failures)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt to send an event, over one connection, within some seconds."""

    notifier: Notifier
    conn_id: str
    seconds: float
    event: RunEvent
    context: Mapping[str, Any]
    may_block: bool

    async def run(self) -> Sequence[str]:
        """Send the event.

        Returns:
            Ids of the messages that show it; empty if the notifier reports no such success.

        Raises:
            Exception: Whatever the connection, its secrets backend, Lark or Airflow raised.
        """
        left, retries = Deadline(self.seconds), max_retries(self.seconds)
        # Not by the hook's property: until Python 3.12 all hooks wait for one that hangs in it.
        get = functools.partial(LarkHook.get_connection, self.conn_id)
        connection = await (
            call_in_thread(get, self.seconds) if self.may_block else LarkHook.aget_connection(self.conn_id)
        )
        if self.notifier.bots_only or connection.conn_type == "lark_webhook":
            return await self._by_bot(connection, retries)
        hook = LarkHook(self.conn_id, timeout=self.seconds, max_retries=retries)
        hook.connection = connection
        return await self._by_app(hook, left)

    async def _by_bot(self, connection: Connection, retries: int) -> Sequence[str]:
        if self.notifier.quiet_success and self.event.of_success:
            return ()
        hook = LarkWebhookHook(self.conn_id, timeout=self.seconds, max_retries=retries)
        hook.connection = connection
        message = self._message(hook)
        return await bot.deliver(await hook.get_async_conn(), message, self.event, hook.keywords)

    async def _by_app(self, hook: LarkHook, left: Deadline) -> Sequence[str]:
        event, notifier = self.event, self.notifier
        client = await hook.get_async_conn()
        to = hook.receiver(notifier.receiver_id, notifier.receiver_id_type)
        run_cards, before, incident = await self._incident(left)
        if incident is None and notifier.quiet_success and event.of_success:
            return ()
        message = self._message(hook)
        key = notifier.idempotency_key or self._key(await client.resolve())
        instead = before.cards if before and incident else ()
        cards = await deliver(client, to, message, event, incident, key=key, instead=instead)
        if run_cards and incident:
            show = functools.partial(deliver, client, to, message, event, key=key)
            try:
                shown = incident.with_cards(*cards)
                await run_cards.record(event.run_id, shown, before, show, left.left() - 0.1)
            except Exception as error:  # noqa: BLE001 - the message is sent, whether or not it is recorded
                notifier.log.info(
                    "Failed to record the card; later events may get separate cards. %s",
                    airflow_context.one_line(error, self.seconds),
                )
        return cards

    async def _incident(self, left: Deadline) -> tuple[RunCards | None, Incident | None, Incident | None]:
        """Return the run's recorded cards, its incident before the event, and its incident with the event."""
        notifier, event = self.notifier, self.event
        if not (
            notifier.one_card_per_run and notifier.content is None and notifier.msg_type == "interactive"
        ):
            return None, None, None
        run_cards = before = None
        states: Mapping[str, str] = {}
        if self.may_block:
            run_cards = RunCards(self.conn_id, notifier.receiver_id, event.dag_id)
            try:
                async with asyncio.timeout(left.left() / 2):  # the rest is for sending
                    before, states = await run_cards.before(event, self.context, self.seconds)
            except TimeoutError:
                notifier.log.info("Airflow Variables timed out; sending a separate card for this event.")
                run_cards = None
        errors: dict[str, str] = {}
        if self.may_block and event.kind == "dag_failure":
            reported = {one.label for one in before.failures if one.error} if before else set()
            silent = [one for one, state in states.items() if state == "failed" and one not in reported]
            errors = await airflow_context.errors(
                event, self.context, silent, notifier.language, notifier.shares_cards_with, left.left() / 4
            )
        return run_cards, before, after(before, event, states, errors)

    def _message(self, hook: LarkHook | LarkWebhookHook) -> Message:
        notifier = self.notifier
        known = hook.owners if notifier.mentions else {}
        found = mentions.resolve(notifier.mentions, self.event.owners, known, user_ids=notifier.bots_only)
        for name in set(found.names) - warned:
            warned.add(name)
            notifier.log.warning(
                "%r is mentioned by name only. Next: add it with an open_id or e-mail address to the extra "
                "'owners' of connection %r.",
                name,
                self.conn_id,
            )
        return Message(sendable(notifier.content), notifier.msg_type, notifier.language, found)

    def _key(self, client: AsyncLarkServiceClient) -> str:
        """Return an idempotency key derived from the event, so that Lark recognizes a repeated callback."""
        event = self.event
        what = [event.kind, str(event.try_number), event.deadline_id]
        where = [event.dag_id, event.run_id, event.task_id, str(event.map_index)]
        key = [client.base_url, client.app_id, "notifier", *where, *what, self.notifier.receiver_id]
        return "\n".join(key)
