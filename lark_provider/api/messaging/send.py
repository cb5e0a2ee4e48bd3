"""Send messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Required, TypedDict

from lark_provider.api.cards import MAX_CARD_BYTES, Card, card_content
from lark_provider.api.cards.template import template_card
from lark_provider.api.messaging.content import MessageType, encode_text, make_post_content, serialise
from lark_provider.api.messaging.keyed import OnUnknown, check_policy, send_once
from lark_provider.api.receivers import Receiver, ReceiverIdType, make_hint, make_receiver, resolve
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.keys import make_message_uuid
from lark_provider.protocol.operations import CallOrProcedure, Procedure, perform
from lark_provider.protocol.paths import fill_path

_MESSAGES = fill_path("/im/v1/messages")


class Message(TypedDict, total=False):
    """A message as Lark describes it. Times are milliseconds since the epoch, as text."""

    message_id: Required[str]
    root_id: str
    parent_id: str
    thread_id: str
    msg_type: Required[str]
    create_time: str
    update_time: str
    deleted: bool
    updated: bool
    chat_id: Required[str]
    sender: dict[str, str]
    body: dict[str, str]
    mentions: list[dict[str, str]]


def send(
    receiver_id: str,
    content: Mapping[str, Any] | str,
    *,
    msg_type: MessageType = "text",
    mentions: Sequence[str] = (),
    receiver_id_type: ReceiverIdType | None = None,
    idempotency_key: str | None = None,
    uuid: str | None = None,
    on_unknown: OnUnknown = "fail",
) -> CallOrProcedure[Message]:
    """Send a message of any type.

    See POST /open-apis/im/v1/messages.

    Args:
        receiver_id: An open_id (`ou_…`), union_id (`on_…`), chat id (`oc_…`), e-mail address, mobile number
            (`+…`, whose open_id is looked up first, see `contact.find_by_mobile`) or user_id.
        content: Text; for `post` Markdown or Lark's own form; for `interactive` a card; for other types
            their content object, as a dict or as JSON text.
        msg_type: Lark's name for the type.
        mentions: Open_ids, or "all", of people to be named at the end of a text, post or card.
        receiver_id_type: The kind of `receiver_id`, where its shape would mislead.
        idempotency_key: Any text. A repeat with the same key and receiver within one hour sends nothing;
            with a database, no later one does either.
        uuid: Lark's own de-duplication key instead, at most 50 characters.
        on_unknown: What to do if an attempt with this key got no answer more than an hour ago, so that the
            message may or may not have been sent: raise an error, send it again, or count it as sent. This
            needs a database.

    Returns:
        The message; `.data["message_id"]` is its id.

    Raises:
        InvalidRequestError: An argument is invalid; nothing was sent.
        NotFoundError: No visible user has the mobile number, or there is no such receiver.
        LarkAPIError: Lark refused it.
        OutcomeUnknownError: It may have been performed, and no attempt got an answer.
        DeadlineExceededError: The deadline passed, and nothing was sent.
        TransportError: Lark was not reached.
    """
    to = make_receiver(receiver_id, receiver_id_type)
    return send_to(to, msg_type, serialise(content, msg_type, mentions), idempotency_key, uuid, on_unknown)


def send_to(
    to: Receiver,
    msg_type: str,
    content: str,
    idempotency_key: str | None,
    uuid: str | None,
    on_unknown: OnUnknown,
) -> CallOrProcedure[Message]:
    """Send a message whose content is ready.

    Args:
        to: The receiver.
        msg_type: Lark's name for the type of the message.
        content: The content of the message, as `serialise` returns it.
        idempotency_key: Any text that names this message, or None. A repeat with the same key and receiver
            within one hour sends nothing; with a database, no later one does either.
        uuid: Lark's own de-duplication key instead, at most 50 characters; or None.
        on_unknown: What to do if an earlier attempt with this key may or may not have been sent: `fail`,
            `resend` or `skip`; see `send`.
    """
    check_policy(on_unknown)
    token = make_message_uuid(to.id, idempotency_key, uuid)
    if idempotency_key is None and to.id_type != "mobile":
        return make_message_call(to, msg_type, content, token)
    return _resolve_and_send(to, msg_type, content, idempotency_key, token, on_unknown)


def _resolve_and_send(
    named: Receiver,
    msg_type: str,
    content: str,
    idempotency_key: str | None,
    token: str | None,
    on_unknown: OnUnknown,
) -> Procedure[LarkResponse[Message]]:
    to = yield from resolve(named)
    if idempotency_key is None:
        return (yield from perform(make_message_call(to, msg_type, content, token)))

    def send_with(uuid: str) -> Procedure[LarkResponse[Message]]:
        return (yield from perform(make_message_call(to, msg_type, content, uuid)))

    return (yield from send_once(send_with, named.id, idempotency_key, msg_type, on_unknown))


def make_message_call(to: Receiver, msg_type: str, content: str, token: str | None) -> Call[Message]:
    """Build the request that sends a message.

    Args:
        to: The receiver; not a mobile number.
        msg_type: Lark's name for its type.
        content: The content, as `serialise` returns it.
        token: The `uuid`, as `make_message_uuid` returns it.
    """
    body = {"receive_id": to.id, "msg_type": msg_type, "content": content}
    if token is not None:
        body["uuid"] = token
    return make_request(
        "POST",
        _MESSAGES,
        params={"receive_id_type": to.id_type},
        json=body,
        idempotent=token is not None,
        subject=f"to {to.id}",
        receiver=to.id,
        hint=make_hint(to),
    )


def send_text(
    receiver_id: str,
    content: str,
    *,
    mentions: Sequence[str] = (),
    receiver_id_type: ReceiverIdType | None = None,
    idempotency_key: str | None = None,
    uuid: str | None = None,
    on_unknown: OnUnknown = "fail",
) -> CallOrProcedure[Message]:
    """Send plain text.

    See POST /open-apis/im/v1/messages. Errors and the other parameters as for `send`.

    Args:
        receiver_id: The receiver; see `send`.
        content: The text. The whole request may have at most 150 KB.
        mentions: Open_ids, or "all", of people to be named at the end.
        receiver_id_type: The kind of `receiver_id`, if its shape misleads.
        idempotency_key: Any text that names this message.
        uuid: Lark's own de-duplication key instead, at most 50 characters.
        on_unknown: What to do if an earlier attempt with this key may or may not have been sent: `fail`,
            `resend` or `skip`; see `send`.
    """
    to = make_receiver(receiver_id, receiver_id_type)
    return send_to(to, "text", encode_text(content, mentions), idempotency_key, uuid, on_unknown)


def send_post(
    receiver_id: str,
    content: Mapping[str, Any] | str,
    *,
    title: str = "",
    mentions: Sequence[str] = (),
    receiver_id_type: ReceiverIdType | None = None,
    idempotency_key: str | None = None,
    uuid: str | None = None,
    on_unknown: OnUnknown = "fail",
) -> CallOrProcedure[Message]:
    """Send rich text.

    See POST /open-apis/im/v1/messages, type `post`. Errors and the other parameters as for `send`.

    Args:
        receiver_id: The receiver; see `send`.
        content: Markdown, or Lark's own form `{"zh_cn": {"title": …, "content": [[{"tag": …}]]}}`.
        title: The title of a post from Markdown.
        mentions: Open_ids, or "all", of people to be named at the end.
        receiver_id_type: The kind of `receiver_id`, if its shape misleads.
        idempotency_key: Any text that names this message.
        uuid: Lark's own de-duplication key instead, at most 50 characters.
        on_unknown: What to do if an earlier attempt with this key may or may not have been sent: `fail`,
            `resend` or `skip`; see `send`.
    """
    to = make_receiver(receiver_id, receiver_id_type)
    return send_to(
        to,
        "post",
        serialise(make_post_content(content, title=title, mentions=mentions), "post"),
        idempotency_key,
        uuid,
        on_unknown,
    )


def send_card(
    receiver_id: str,
    content: Card,
    *,
    mentions: Sequence[str] = (),
    max_bytes: int = MAX_CARD_BYTES,
    receiver_id_type: ReceiverIdType | None = None,
    idempotency_key: str | None = None,
    uuid: str | None = None,
    on_unknown: OnUnknown = "fail",
) -> CallOrProcedure[Message]:
    """Send an interactive card.

    See POST /open-apis/im/v1/messages, type `interactive`. Errors and the other parameters as for `send`.

    Args:
        receiver_id: The receiver; see `send`.
        content: Card JSON (1.0 or 2.0) as a dict or as text, or a reference to a template or card entity.
        mentions: Open_ids, or "all", of people to be named at the card's end.
        max_bytes: The most bytes that Lark accepts. Its documentation says 30 KB; it has accepted more.
        receiver_id_type: The kind of `receiver_id`, if its shape misleads.
        idempotency_key: Any text that names this message.
        uuid: Lark's own de-duplication key instead, at most 50 characters.
        on_unknown: What to do if an earlier attempt with this key may or may not have been sent: `fail`,
            `resend` or `skip`; see `send`.
    """
    to = make_receiver(receiver_id, receiver_id_type)
    return send_to(
        to,
        "interactive",
        card_content(content, mentions=mentions, max_bytes=max_bytes),
        idempotency_key,
        uuid,
        on_unknown,
    )


def send_card_template(
    receiver_id: str,
    template_id: str,
    template_variable: Mapping[str, Any] | None = None,
    *,
    template_version: str | None = None,
    max_bytes: int = MAX_CARD_BYTES,
    receiver_id_type: ReceiverIdType | None = None,
    idempotency_key: str | None = None,
    uuid: str | None = None,
    on_unknown: OnUnknown = "fail",
) -> CallOrProcedure[Message]:
    """Send a card from a template of Lark's card builder.

    See POST /open-apis/im/v1/messages, type `interactive`. Errors and the other parameters as for `send`.
    `update_card` takes `lark_provider.api.cards.template_card(…)`.

    Args:
        receiver_id: The receiver; see `send`.
        template_id: The template, which must be published and open to the app.
        template_variable: The value of each variable, by name.
        template_version: The version of the template, such as `1.0.3`; None for the newest one that is
            published.
        max_bytes: The most bytes that Lark accepts.
        receiver_id_type: The kind of `receiver_id`, if its shape misleads.
        idempotency_key: Any text that names this message.
        uuid: Lark's own de-duplication key instead, at most 50 characters.
        on_unknown: What to do if an earlier attempt with this key may or may not have been sent: `fail`,
            `resend` or `skip`; see `send`.
    """
    to = make_receiver(receiver_id, receiver_id_type)
    card = template_card(template_id, template_variable, template_version)
    content = card_content(card, max_bytes=max_bytes)
    return send_to(to, "interactive", content, idempotency_key, uuid, on_unknown)
