"""Change a message that was sent before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.task import lark_errors
from lark_provider.operators.base import LarkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class LarkUpdateMessageOperator(LarkOperator):
    """Change a text, post or card that this app sent: new words for it, or a new card in its place.

    Args:
        message_id: The message, `om_…`; usually the XCom of the task that sent it.
        content: The new text; for `post` Markdown or Lark's own form; for `interactive` the new card.
        msg_type: What the message is.
        mentions: Open_ids, or "all", of people to be named at the end of a text or post.
        lark_conn_id: The connection.

    Returns:
        The message id, as XCom.

    Raises:
        AirflowFailException: Lark refuses it, and a retry would not help.
        LarkError: Any other failure, for Airflow to retry.
    """

    template_fields: Collection[str] = ("message_id", "content", "mentions", "lark_conn_id")
    template_ext: Sequence[str] = (".json", ".md")
    template_fields_renderers: ClassVar[dict[str, str]] = {"content": "json"}

    def __init__(
        self,
        *,
        message_id: str,
        content: Mapping[str, Any] | str,
        msg_type: Literal["text", "post", "interactive"] = "interactive",
        mentions: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.message_id = message_id
        self.content = content
        self.msg_type = msg_type
        self.mentions = mentions

    def execute(self, context: Context) -> str:  # noqa: ARG002 - Airflow's signature
        """Change it."""
        with lark_errors():
            messaging = self.hook.client.messaging
            if self.msg_type == "interactive":
                if self.mentions:
                    raise InvalidRequestError(
                        "mentions do not go with a card that is updated. Next: put <at id=…></at> into its "
                        "Markdown."
                    )
                messaging.update_card(self.message_id, self.content)
            else:
                messaging.edit(self.message_id, self.content, msg_type=self.msg_type, mentions=self.mentions)
        self.log.info("Changed %s %s.", self.msg_type, self.message_id)
        return self.message_id
