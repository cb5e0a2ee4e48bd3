"""Answer, edit and recall messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lark_provider.api.cards import MAX_CARD_BYTES, Card, card_content
from lark_provider.api.messaging.content import MessageType, serialise
from lark_provider.api.messaging.keyed import OnUnknown, check_policy, send_once
from lark_provider.api.messaging.send import Message
from lark_provider.protocol.arguments import check_str
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.keys import make_message_uuid
from lark_provider.protocol.operations import CallOrProcedure, Procedure, perform
from lark_provider.protocol.paths import fill_path


def reply(
    message_id: str,
    content: Mapping[str, Any] | str,
    *,
    msg_type: MessageType = "text",
    in_thread: bool = False,
    mentions: Sequence[str] = (),
    idempotency_key: str | None = None,
    uuid: str | None = None,
    on_unknown: OnUnknown = "fail",
) -> CallOrProcedure[Message]:
    """Answer a message.

    See POST /open-apis/im/v1/messages/:message_id/reply.

    Args:
        message_id: The message to answer, `om_…`.
        content: Text; for `post` Markdown or Lark's own form; for `interactive` a card; for other types
            their content object.
        msg_type: Lark's name for the type.
        in_thread: Whether to answer in a thread below the message.
        mentions: Open_ids, or "all", of people to be named at the end of a text, post or card.
        idempotency_key: Any text. A repeat with the same key and message within one hour sends nothing.
        uuid: Lark's own de-duplication key instead, at most 50 characters.
        on_unknown: What to do if an earlier attempt with this key may or may not have been sent: `fail`,
            `resend` or `skip`; see `send`.

    Returns:
        The answer; `.data["message_id"]` is its id.

    Raises:
        InvalidRequestError: An argument is invalid; nothing was sent.
        LarkAPIError: Lark refused it; `ConflictError` if the message was recalled.
        OutcomeUnknownError: It may have been performed, and no attempt got an answer.
        TransportError: Lark was not reached.
    """
    body: dict[str, Any] = {"msg_type": msg_type, "content": serialise(content, msg_type, mentions)}
    if in_thread:
        body["reply_in_thread"] = True
    check_policy(on_unknown)
    check_str("message_id", message_id, "the id of the message to answer (om_…)")
    token = make_message_uuid(message_id, idempotency_key, uuid)
    url = fill_path("/im/v1/messages/{message_id}/reply", message_id=message_id)

    def answer(uuid: str | None) -> Call[Message]:
        uuid_field = {} if uuid is None else {"uuid": uuid}
        return make_request("POST", url, json=body | uuid_field, idempotent=uuid is not None)

    def send(uuid: str) -> Procedure[LarkResponse[Message]]:
        return (yield from perform(answer(uuid)))

    if idempotency_key is None:
        return answer(token)
    return send_once(send, message_id, idempotency_key, msg_type, on_unknown)


def edit(
    message_id: str,
    content: Mapping[str, Any] | str,
    *,
    msg_type: Literal["text", "post"] = "text",
    mentions: Sequence[str] = (),
) -> Call[Message]:
    """Change the content of a text or post that this app sent; up to 20 times. For cards, `update_card`.

    See PUT /open-apis/im/v1/messages/:message_id.

    Args:
        message_id: The message, `om_…`.
        content: The new text, or the new post as Markdown or in Lark's own form.
        msg_type: The type of the message.
        mentions: Open_ids, or "all", of people to be named at the end.

    Returns:
        The message.

    Raises:
        InvalidRequestError: An argument is invalid; nothing was sent.
        PermissionDeniedError: Another app sent it.
        ConflictError: It was edited 20 times, or recalled.
        TransportError: Lark was not reached.
    """
    if msg_type not in ("text", "post"):
        raise InvalidRequestError(
            f"msg_type must be text or post to be edited, got {msg_type!r}. Next: use update_card for cards.",
            code=230054,
        )
    body = {"msg_type": msg_type, "content": serialise(content, msg_type, mentions)}
    url = fill_path("/im/v1/messages/{message_id}", message_id=message_id)
    # A repeat writes the same text, so it is safe after a lost answer.
    return make_request("PUT", url, json=body, idempotent=True)


def update_card(message_id: str, card: Card, *, max_bytes: int = MAX_CARD_BYTES) -> Call[dict[str, Any]]:
    """Replace a card that this app sent, for everybody who sees it; for up to 14 days.

    See PATCH /open-apis/im/v1/messages/:message_id. In JSON 1.0, the old card and the new one
    both need `config.update_multi: true`.

    Args:
        message_id: The message that carries the card, `om_…`.
        card: The new card, as for `send_card`.
        max_bytes: The most bytes that Lark accepts.

    Returns:
        An empty answer.

    Raises:
        InvalidRequestError: The card is not a JSON object, too large, or refused by Lark.
        PermissionDeniedError: Another app sent it.
        ConflictError: It is too old, or recalled.
        TransportError: Lark was not reached.
    """
    url = fill_path("/im/v1/messages/{message_id}", message_id=message_id)
    content = card_content(card, max_bytes=max_bytes)
    # Lark allows 5 updates of a card a second, like 5 messages to a chat.
    return make_request("PATCH", url, json={"content": content}, idempotent=True, receiver=message_id)


def recall(message_id: str) -> Call[dict[str, Any]]:
    """Recall a message. After a lost answer it is retried; if the message is gone then, it was recalled.

    See DELETE /open-apis/im/v1/messages/:message_id. The tenant's admin sets how long this is possible.

    Args:
        message_id: The message, `om_…`.

    Returns:
        An empty answer.

    Raises:
        ConflictError: It is too late, or it was already recalled.
        PermissionDeniedError: Another app sent it.
        OutcomeUnknownError: The answer was lost, and so were those of the retries.
        TransportError: Lark was not reached.
    """
    return make_request("DELETE", fill_path("/im/v1/messages/{message_id}", message_id=message_id))
