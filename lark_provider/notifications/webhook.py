"""`LarkWebhookNotifier`: `LarkNotifier` for teams that have a custom bot and no app."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lark_provider.notifications.lark import LarkNotifier

if TYPE_CHECKING:
    from lark_provider.api.webhook import WebhookMessageType
    from lark_provider.notifications.facts import Event, Facts
    from lark_provider.notifications.texts import Language

_MAX_BYTES = 18 * 1024  # of the 20 that a custom bot takes; signature and mentions come on top


class LarkWebhookNotifier(LarkNotifier):
    """Tell a group what happened: `on_failure_callback=LarkWebhookNotifier()`.

    Like `LarkNotifier` it raises nothing while a DAG runs and takes no longer than its deadline. A custom bot
    cannot change what it has sent and knows no keys: each event is a message of its own.

    Args:
        lark_webhook_conn_id: The connection.
        content: What to send instead of the default: card JSON, or text or a post with `msg_type=`.
        msg_type: Lark's name for the type; with `text` or `post` the default is plain lines.
        language: Of the default: `zh` or `en`.
        mentions: Open_ids or user_ids, or "all".
        event: What happened, if the context is not to be asked.
        fallback_conn_id: Another connection of type `lark_webhook`, for when the first one fails.
        deadline: Seconds for everything.

    Raises:
        ConfigurationError: When it is made: a language, event or deadline that cannot be.
    """

    template_fields: Sequence[str] = ("content", "mentions", "lark_conn_id", "fallback_conn_id")

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
        **kwargs: Any,
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
            **kwargs,
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

        hook = LarkWebhookHook(conn_id, timeout=seconds)
        if may_block:
            _ = hook.connection  # fetched in Airflow's blocking way, which works in all its processes
        client = await hook.get_async_conn()
        content = self._default(facts, hook.keywords) if self.content is None else self.content
        mentions = [self.mentions] if isinstance(self.mentions, str) else list(self.mentions)
        answer = await client.send(content, msg_type=self._type, mentions=mentions)
        return (f"{self.msg_type} accepted (log_id {answer.log_id})",)

    @property
    def _type(self) -> WebhookMessageType:
        kind: Any = self.msg_type  # only these can be passed
        found: WebhookMessageType = kind
        return found

    def _default(self, facts: Facts, keywords: Sequence[str]) -> Mapping[str, Any] | str:
        from lark_provider.hooks.receivers import with_element  # noqa: PLC0415 - as above
        from lark_provider.notifications import cards  # noqa: PLC0415 - as above
        from lark_provider.notifications.excerpt import shorten  # noqa: PLC0415 - as above
        from lark_provider.notifications.texts import say  # noqa: PLC0415 - as above

        if self.msg_type != "interactive":
            text = cards.lines(facts, self.language)
            return text if _holds(text, keywords) else f"{text}\n{keywords[0]}"
        left_out = say(self.language, "left_out")
        for characters in (4_000, 1_000, 0):
            trace = shorten(facts.traceback, characters, left_out) if characters else ""
            card = cards.card(replace(facts, traceback=trace), self.language)
            shown = json.dumps(card, ensure_ascii=False)
            if len(shown.encode(errors="replace")) <= _MAX_BYTES:
                break
        # Without its keyword the bot would refuse every default card.
        return card if _holds(shown, keywords) else with_element(card, keywords[0])


def _holds(text: str, keywords: Sequence[str]) -> bool:
    return not keywords or any(word in text for word in keywords)
