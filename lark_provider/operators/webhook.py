"""Send a message by a custom bot from a DAG."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from lark_provider.errors import OutcomeUnknownError
from lark_provider.hooks.task import convert_lark_errors
from lark_provider.hooks.templates import StrictTemplates
from lark_provider.hooks.webhook import LarkWebhookHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.webhook import WebhookMessageType


class LarkWebhookOperator(StrictTemplates, BaseOperator):
    """Send one message into the group of a custom bot.

    Custom bots have no idempotency keys. A message whose answer is lost therefore fails the task at once
    instead of being sent again; a task whose worker dies after sending does send again when it is retried.
    Where a message must arrive exactly once, use an app and `LarkSendMessageOperator`.

    Args:
        content: Text; for `post` text or Lark's own form; for `interactive` card JSON, as a dict or as text;
            for `image` an image_key, for `share_chat` a chat id. The whole path of an existing
            `.json` or `.md` file, without spaces, relative to the DAG's folder or `template_searchpath`, is
            read as a template.
        msg_type: Lark's name for the type.
        title: The title of a post from text.
        mentions: Open_ids or user_ids, or "all": whom to mention at the end of a text, post or card.
        lark_webhook_conn_id: The connection.

    Raises:
        AirflowFailException: It was refused for good, or may have arrived although its answer is lost.
        LarkError: Any other failure, for Airflow to retry.
    """

    ui_color = "#d9e8ff"
    template_fields: Collection[str] = ("content", "title", "mentions", "lark_webhook_conn_id")
    required_templates: ClassVar[Collection[str]] = ("content", "mentions")
    template_fields_renderers: ClassVar[dict[str, str]] = {"content": "json"}

    def __init__(
        self,
        *,
        content: Mapping[str, Any] | str,
        msg_type: WebhookMessageType = "text",
        title: str = "",
        mentions: str | Sequence[str] = (),
        lark_webhook_conn_id: str = LarkWebhookHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.content = content
        self.msg_type = msg_type
        self.title = title
        self.mentions = mentions
        self.lark_webhook_conn_id = lark_webhook_conn_id

    @cached_property
    def hook(self) -> LarkWebhookHook:
        """Make the hook of the operator's connection."""
        return LarkWebhookHook(self.lark_webhook_conn_id)

    def execute(self, context: Context) -> None:  # noqa: ARG002 - Airflow's signature
        """Send the message."""
        mentions = [self.mentions] if isinstance(self.mentions, str) else self.mentions
        with convert_lark_errors():
            try:
                self.hook.client.send(
                    self.content,
                    msg_type=self.msg_type,
                    title=self.title,
                    mentions=mentions if self.mentions else (),
                )
            except OutcomeUnknownError as error:
                raise AirflowFailException(f"{type(error).__name__}: {error}") from error
        fields = {"msg_type": self.msg_type, "connection": self.lark_webhook_conn_id}
        self.log.info("Message sent by a custom bot", **fields)
