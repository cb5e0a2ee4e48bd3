"""Send a notification over one connection after another, each within its share of the deadline.

A connection of an app records it in the outbox (`recorded`), or sends it at once where there is no database
(`direct`); a connection of a custom bot only sends (`bot`).
"""

from __future__ import annotations

import asyncio
import functools
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lark_provider.api.cards.airflow import mentions
from lark_provider.errors import LarkError
from lark_provider.hooks.lark import LarkHook
from lark_provider.hooks.webhook import LarkWebhookHook
from lark_provider.notifications import airflow_context, bot, direct
from lark_provider.notifications.deadline import Deadline, call_in_thread, choose_max_retries
from lark_provider.notifications.delivery import NotificationMessage
from lark_provider.notifications.notice import Notice, Notifier
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.support.once import Once
from lark_provider.support.text import escape_texts

_FIRST_SHARE = 0.6
"""Share of the remaining time that the first connection gets, if there is a fallback."""
_NO_DATABASE = "\0no database"
warned = Once()
"""What this process has logged once: names without an id, and that there is no database."""


async def send(notifier: Notifier, context: Mapping[str, Any], left: Deadline, *, may_block: bool) -> None:
    """Notify over the notifier's connection, else over its fallback connection, and log the result.

    Args:
        notifier: The notifier, which has the options.
        context: The Airflow context of the callback.
        left: The deadline for everything.
        may_block: Whether blocking calls to Airflow are possible, in a thread.
    """
    event = airflow_context.read(context, notifier.event)
    if may_block and event.kind == "dag_failure":
        event = await airflow_context.add_error(event, notifier.language, left.compute_remaining() / 4)
    conn_ids = list(dict.fromkeys(filter(None, (notifier.lark_conn_id, notifier.fallback_conn_id))))
    failures: list[str] = []
    fields = {"receiver": notifier.receiver_id, "source": airflow_context.format_place(context)}
    for index, conn_id in enumerate(conn_ids, 1):
        seconds = left.compute_remaining() * (1.0 if index == len(conn_ids) else _FIRST_SHARE)
        try:
            async with asyncio.timeout(seconds):
                sent = await _Attempt(notifier, conn_id, seconds, event, context, may_block).run()
        except Exception as error:  # noqa: BLE001 - tried over the next connection, else logged
            failures.append(f"{conn_id}: {airflow_context.format_error(error, seconds)}")
            continue
        if sent:
            arrived = {**fields, "messages": ", ".join(sent)}
            if failures:
                why = "; ".join(failures)
                notifier.log.warning("Notification sent over the fallback connection", **arrived, error=why)
            else:
                notifier.log.info("Notification sent", **arrived)
        return
    notifier.log.error("Failed to send the notification", **fields, error="; ".join(failures))


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
        left, retries = Deadline(self.seconds), choose_max_retries(self.seconds)
        # Not by the hook's property: until Python 3.12 all hooks wait for one that hangs in it.
        get = functools.partial(LarkHook.get_connection, self.conn_id)
        connection = await (
            call_in_thread(get, self.seconds) if self.may_block else LarkHook.aget_connection(self.conn_id)
        )
        by_bot = self.notifier.bots_only or connection.conn_type == "lark_webhook"
        if by_bot and self.notifier.quiet_success and self.event.is_success:
            return ()
        make_hook = LarkWebhookHook if by_bot else LarkHook
        hook = make_hook(self.conn_id, timeout=self.seconds, max_retries=retries)
        hook.connection = connection
        if self.may_block:
            # Airflow's supervisor does not bear an asynchronous request of a task that the deadline cancels.
            await call_in_thread(hook.load_extras, left.compute_remaining())
        if isinstance(hook, LarkWebhookHook):
            return await self._by_bot(hook)
        return await self._by_app(hook, left)

    async def _by_bot(self, hook: LarkWebhookHook) -> Sequence[str]:
        client = await hook.get_async_conn()  # It reads the extras, which the message needs.
        return await bot.deliver(client, self._make_message(hook), self.event, hook.keywords)

    async def _by_app(self, hook: LarkHook, left: Deadline) -> Sequence[str]:
        from lark_provider.client.base import has_database

        notifier = self.notifier
        client = await (await hook.get_async_conn()).resolve()
        to = hook.receiver(notifier.receiver_id, notifier.receiver_id_type)
        notice = Notice(
            notifier=notifier,
            conn_id=self.conn_id,
            client=client,
            to=to,
            message=self._make_message(hook),
            event=self.event,
            context=self.context,
            left=left,
            may_block=self.may_block,
        )
        if not has_database(client):
            self._say_that_it_is_direct()
            return await direct.send(notice)
        # Imported in a thread, since SQLAlchemy takes long enough to block a loop.
        load = functools.partial(importlib.import_module, "lark_provider.notifications.recorded")
        recorded = await call_in_thread(load, left.compute_remaining())
        try:
            sent: Sequence[str] = await recorded.send(notice)
        except recorded.NotRecordedError as error:
            notifier.log.warning("Outbox unavailable; sending the notification directly", error=str(error))
            return await direct.send(notice)
        return sent

    def _say_that_it_is_direct(self) -> None:
        if warned.mark_first(_NO_DATABASE):
            self.notifier.log.info(
                "No database is configured for Lark; notifications are sent directly, and lost if Lark is "
                "unavailable."
            )

    def _make_message(self, hook: LarkHook | LarkWebhookHook) -> NotificationMessage:
        notifier = self.notifier
        resolved = self._resolve_mentions(hook)
        for name in filter(warned.mark_first, resolved.names):
            notifier.log.warning(
                "Owner is mentioned by name only",
                owner=name,
                connection=self.conn_id,
                next_step="add the owner with an open_id or e-mail address to the extra 'owners' of the "
                "connection",
            )
        return NotificationMessage(
            escape_texts(notifier.content), notifier.msg_type, notifier.language, resolved
        )

    def _resolve_mentions(self, hook: LarkHook | LarkWebhookHook) -> mentions.Mentions:
        """Return whom to mention; no person if that is invalid, since the notification must not be lost."""
        notifier = self.notifier
        if not notifier.mentions:
            return mentions.Mentions()
        try:
            return mentions.resolve(
                notifier.mentions, self.event.owners, hook.owners, user_ids=notifier.bots_only
            )
        except LarkError as error:
            notifier.log.warning(
                "Failed to resolve mentions; sending the notification without them",
                connection=self.conn_id,
                error=airflow_context.format_error(error, self.seconds),
            )
            return mentions.Mentions()
