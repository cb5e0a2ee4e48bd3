"""`LarkWebhookNotifier`: `LarkNotifier` for teams that have a custom bot and no app."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lark_provider.notifications.lark import LarkNotifier

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.webhook import WebhookMessageType
    from lark_provider.notifications.facts import Event, Facts
    from lark_provider.notifications.texts import Language


class LarkWebhookNotifier(LarkNotifier):
    """Tell a group what happened: `on_failure_callback=LarkWebhookNotifier()`.

    Like `LarkNotifier` it raises nothing while a DAG runs and takes no longer than its deadline. A custom bot
    cannot change what it has sent and knows no keys: each event is a message of its own.

    Args:
        lark_webhook_conn_id: The connection.
        content: What to send instead of the default: card JSON, or text or a post with `msg_type=`.
        msg_type: Lark's name for the type; with `text` or `post` the default is plain lines.
        language: Of the default: `zh` or `en`.
        mentions: Open_ids or user_ids, or "all"; `"owner"` for the owners, who are looked up in the
            connection's `owners`. A custom bot cannot mention by e-mail address, and says the name.
        event: What happened, if the context is not to be asked.
        fallback_conn_id: Another connection of type `lark_webhook`, for when the first one fails.
        deadline: Seconds for everything.
        context: Airflow's, where the notifier is awaited.

    Raises:
        ConfigurationError: When it is made: a language, event or deadline that cannot be.
    """

    template_fields: Sequence[str] = ("content", "mentions", "lark_conn_id", "fallback_conn_id")
    _user_ids: ClassVar[bool] = True

    def __init__(
        self,
        *,
        lark_webhook_conn_id: str = "lark_webhook_default",
        content: Mapping[str, Any] | str | None = None,
        msg_type: WebhookMessageType = "interactive",
        language: Language = "zh",
        mentions: str | Sequence[str] = (),
        event: Event | None = None,
        fallback_conn_id: str | None = None,
        deadline: float = 10.0,
        context: Context | None = None,
    ) -> None:
        super().__init__(
            receiver_id="the custom bot's group",
            lark_conn_id=lark_webhook_conn_id,
            content=content,
            msg_type=msg_type,
            language=language,
            mentions=mentions,
            event=event,
            fallback_conn_id=fallback_conn_id,
            one_card_per_run=False,
            deadline=deadline,
            context=context,
        )

    async def _over(
        self,
        conn_id: str,
        seconds: float,
        facts: Facts,
        context: Mapping[str, Any],  # noqa: ARG002 - the base's signature
        *,
        may_block: bool,
    ) -> Sequence[str]:
        from lark_provider.hooks.webhook import LarkWebhookHook  # noqa: PLC0415 - DAG files are parsed without it
        from lark_provider.notifications.bounded import aside  # noqa: PLC0415 - as above

        hook = LarkWebhookHook
        get = functools.partial(hook.get_connection, conn_id)
        connection = await (aside(get, seconds) if may_block else hook.aget_connection(conn_id))
        return await self._over_bot(conn_id, seconds, facts, connection)
