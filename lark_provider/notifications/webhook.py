"""`LarkWebhookNotifier`: `LarkNotifier` for teams that have a custom bot and no app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lark_provider.notifications.lark import LarkNotifier

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.webhook import WebhookMessageType
    from lark_provider.protocol.incidents.event import EventKind
    from lark_provider.protocol.language import Language


class LarkWebhookNotifier(LarkNotifier):
    """Notify the group of a custom bot: `on_failure_callback=LarkWebhookNotifier()`.

    Like `LarkNotifier` it raises nothing while a DAG runs and takes no longer than its deadline. A custom bot
    cannot update what it has sent and has no idempotency keys: each event is a message of its own.

    Args:
        lark_webhook_conn_id: The connection.
        content: What to send instead of the default: card JSON, or text or a post with `msg_type=`.
        msg_type: Lark's name for the type; with `text` or `post` the default is plain lines.
        language: Of the default: `zh` or `en`.
        mentions: Open_ids or user_ids, or "all"; `"owner"` for the owners, who are looked up in the
            connection's `owners`. A custom bot cannot mention by e-mail address: such people are named.
        event: What happened; None to derive it from the context.
        fallback_conn_id: Another connection of type `lark_webhook`, used if the first one fails.
        deadline: Seconds for everything.
        context: Airflow's, if the notifier is awaited.

    Raises:
        ConfigurationError: In the constructor: an unknown language or event, or an invalid deadline.
    """

    template_fields: Sequence[str] = ("content", "mentions", "lark_conn_id", "fallback_conn_id")
    bots_only: ClassVar[bool] = True

    def __init__(
        self,
        *,
        lark_webhook_conn_id: str = "lark_webhook_default",
        content: Mapping[str, Any] | str | None = None,
        msg_type: WebhookMessageType = "interactive",
        language: Language = "zh",
        mentions: str | Sequence[str] | None = (),
        event: EventKind | None = None,
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
