"""Send a message from a DAG."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.links import LarkChatLink, make_chat_url
from lark_provider.hooks.task import convert_lark_errors, make_attempt_key
from lark_provider.operators.base import LarkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.messaging import Message, MessageType, OnUnknown
    from lark_provider.api.receivers import ReceiverIdType
    from lark_provider.client import LarkServiceClient
    from lark_provider.hooks.receivers import NamedReceiver
    from lark_provider.protocol.calls import LarkResponse


class LarkSendMessageOperator(LarkOperator):
    """Send one message; many receivers by `.partial(…).expand(receiver_id=[…])`.

    A retry within an hour of the first try sends nothing twice: Lark recognizes the message by its key. With
    a database no later retry does either. Clearing the task sends it again.

    Args:
        receiver_id: An open_id (`ou_…`), union_id (`on_…`), chat id (`oc_…`), e-mail address or user_id,
            or a name from the connection's `receivers`.
        content: Text; for `post` Markdown or Lark's own form; for `interactive` card JSON, as a dict or
            as text; for other types their content object. The whole path of an existing `.json` or `.md`
            file, without spaces, relative to the DAG's folder or `template_searchpath`, is read as a
            template.
        template_id: A template of Lark's card builder instead of `content`, such as `AAqk…`.
        template_variable: The value of each of its variables.
        template_version: Such as `1.0.3`; by default the newest one that is published.
        msg_type: Lark's name for the type; with `template_id` it is `interactive`.
        receiver_id_type: The kind of `receiver_id`, if its shape misleads.
        mentions: Open_ids, e-mail addresses, or "all": whom to mention at the end of a text, post or card.
            Addresses need the scope contact:user.id:readonly.
        reply_to: A message, `om_…`, to answer; `receiver_id` is then not needed.
        idempotency_key: Any text that identifies this message; by default derived from DAG, run, task and
            attempt.
        on_unknown: What to do if a try had no answer more than an hour ago, so that the message may or may
            not have been sent: `fail`, `resend`, or `skip` (it counts as sent). With a database.
        lark_conn_id: The connection.

    Returns:
        The message id, as XCom.

    Raises:
        AirflowFailException: Lark refuses it, and a retry would not help.
        LarkError: Any other failure, for Airflow to retry.
    """

    template_fields: Collection[str] = (
        "receiver_id",
        "content",
        "template_id",
        "template_variable",
        "template_version",
        "mentions",
        "reply_to",
        "idempotency_key",
        "lark_conn_id",
    )
    required_templates: ClassVar[Collection[str]] = (
        "receiver_id",
        "content",
        "template_id",
        "template_variable",
        "template_version",
        "mentions",
        "reply_to",
        "idempotency_key",
    )
    operator_extra_links = (LarkChatLink(),)
    chat_link = ""
    template_fields_renderers: ClassVar[dict[str, str]] = {"content": "json"}

    def __init__(
        self,
        *,
        receiver_id: str | None = None,
        content: Mapping[str, Any] | str | None = None,
        msg_type: MessageType = "text",
        receiver_id_type: ReceiverIdType | None = None,
        mentions: str | Sequence[str] = (),
        reply_to: str | None = None,
        idempotency_key: str | None = None,
        on_unknown: OnUnknown = "fail",
        template_id: str | None = None,
        template_variable: Mapping[str, Any] | None = None,
        template_version: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (content is None) == (template_id is None):
            raise InvalidRequestError(
                f"Either content or template_id must be given, got "
                f"{'neither' if content is None else 'both'}. Next: pass content for a text or a "
                "card of your own, or template_id for a card template."
            )
        if template_id is None and (template_variable is not None or template_version is not None):
            raise InvalidRequestError(
                "template_variable and template_version must come with template_id, got them without. Next: "
                "pass the id of the template."
            )
        if template_id is not None and (mentions or msg_type not in {"text", "interactive"}):
            raise InvalidRequestError(
                "A card from a template must be sent without mentions and as msg_type='interactive', got "
                f"mentions={mentions!r}, msg_type={msg_type!r}. Next: put people into a variable of "
                "the template."
            )
        self.template_id = template_id
        self.template_variable = template_variable
        self.template_version = template_version
        self.reply_to = reply_to
        self.receiver_id = receiver_id
        self.content = content
        self.msg_type: MessageType = msg_type if template_id is None else "interactive"
        self.receiver_id_type = receiver_id_type
        self.mentions = mentions
        self.idempotency_key = idempotency_key
        self.on_unknown = on_unknown

    def execute(self, context: Context) -> str:
        """Send the message."""
        with convert_lark_errors():
            client = self.hook.client
            target = self.receiver_id or self.reply_to
            to = self.hook.receiver(target or "", self.receiver_id_type)
            key = self.idempotency_key or make_attempt_key(context, client, "message", target, "1")
            sent = self._send(client, to, to.make_key(key)).data
        self.chat_link = make_chat_url(client.base_url, sent.get("chat_id", ""), self.hook.web_domain)
        self.log.info(
            "Message sent",
            msg_type=self.msg_type,
            message_id=sent["message_id"],
            receiver=to.describe(),
        )
        return sent["message_id"]

    def _send(self, client: LarkServiceClient, to: NamedReceiver, key: str) -> LarkResponse[Message]:
        content, mentions = self._make_content(), self.mentions or ()
        if to.instead_of is not None:
            from lark_provider.hooks.receivers import mark_redirected

            named = [mentions] if isinstance(mentions, str) else mentions
            content, mentions = mark_redirected(content, self.msg_type, to.instead_of, named), ()
        elif mentions:
            from lark_provider.hooks.mentions import mention_ids

            mentions = mention_ids(client, mentions)
        if to.instead_of is None and self.reply_to is not None:
            return client.messaging.reply(
                self.reply_to,
                content,
                msg_type=self.msg_type,
                mentions=mentions,
                idempotency_key=key,
                on_unknown=self.on_unknown,
            )
        return client.messaging.send(
            to.id,
            content,
            msg_type=self.msg_type,
            mentions=mentions,
            receiver_id_type=to.id_type,
            idempotency_key=key,
            on_unknown=self.on_unknown,
        )

    def _make_content(self) -> Mapping[str, Any] | str:
        if self.template_id is None:
            return self.content or ""
        from lark_provider.api.cards import template_card

        return template_card(self.template_id, self.template_variable, self.template_version)
