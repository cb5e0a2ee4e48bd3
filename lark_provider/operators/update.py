"""Update a message that was sent before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from lark_provider.errors import InvalidRequestError, LarkError
from lark_provider.hooks.links import LarkChatLink, make_chat_url
from lark_provider.hooks.mentions import mention_ids
from lark_provider.hooks.task import convert_lark_errors
from lark_provider.operators.base import LarkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.client import LarkServiceClient


class LarkUpdateMessageOperator(LarkOperator):
    """Update a text, post or card that this app sent: with new text, or with a new card in its place.

    Args:
        message_id: The message, `om_…`; usually the XCom of the task that sent it.
        content: The new text; for `post` Markdown or Lark's own form; for `interactive` the new card;
            or a template file, as for `LarkSendMessageOperator`.
        msg_type: The type of the message.
        mentions: Open_ids, e-mail addresses, or "all": whom to mention at the end of a text or post.
        lark_conn_id: The connection.

    Returns:
        The message id, as XCom.

    Raises:
        AirflowFailException: Lark refuses it, and a retry would not help.
        LarkError: Any other failure, for Airflow to retry.
    """

    template_fields: Collection[str] = ("message_id", "content", "mentions", "lark_conn_id")
    required_templates: ClassVar[Collection[str]] = ("message_id", "content", "mentions")
    operator_extra_links = (LarkChatLink(),)
    chat_link = ""
    template_fields_renderers: ClassVar[dict[str, str]] = {"content": "json"}

    def __init__(
        self,
        *,
        message_id: str,
        content: Mapping[str, Any] | str,
        msg_type: Literal["text", "post", "interactive"] = "interactive",
        mentions: str | Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.message_id = message_id
        self.content = content
        self.msg_type = msg_type
        self.mentions = mentions

    def execute(self, context: Context) -> str:  # noqa: ARG002 - Airflow's signature
        """Update the message."""
        with convert_lark_errors():
            client = self.hook.client
            messaging = client.messaging
            if self.msg_type == "interactive":
                if self.mentions:
                    raise InvalidRequestError(
                        "mentions must be empty when a card is updated, got some. Next: put <at id=…></at> "
                        "into its Markdown."
                    )
                messaging.update_card(self.message_id, self.content)
                chat_id = self._find_chat(client)
            else:
                mentions = mention_ids(client, self.mentions) if self.mentions else ()
                changed = messaging.edit(
                    self.message_id, self.content, msg_type=self.msg_type, mentions=mentions
                )
                chat_id = changed.data.get("chat_id", "")
        self.chat_link = make_chat_url(client.base_url, chat_id, self.hook.web_domain)
        self.log.info("Message updated", msg_type=self.msg_type, message_id=self.message_id)
        return self.message_id

    def _find_chat(self, client: LarkServiceClient) -> str:
        """Return the chat of a card, for the link; Lark does not return it when a card is updated."""
        try:
            [message, *_] = client.messaging.get(self.message_id).data["items"]
            return message["chat_id"]
        except (LarkError, LookupError, ValueError) as error:
            # Reading needs a scope that updating does not. The card is updated all the same.
            self.log.debug("Chat lookup failed", message_id=self.message_id, error=str(error))
            return ""
