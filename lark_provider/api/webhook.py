"""Custom bots: messages into the one group that a webhook belongs to, without an app."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import orjson

from lark_provider.api.cards import Card, card_content
from lark_provider.api.messaging.content import make_post_content, make_text_content
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.effects import NeedWebhook, Now, Random, Sleep
from lark_provider.protocol.errors import InvalidRequestError, RateLimitError, make_unknown_choice_error
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.redact import MASK
from lark_provider.protocol.webhook import HOOK_PATH, Webhook, sign_timestamp

MAX_BODY_BYTES = 20 * 1024
_BAD_REQUEST, _TOO_FAST, _MAX_RETRIES = 9499, "too many request", 3

WebhookMessageType: TypeAlias = Literal["text", "post", "interactive", "image", "share_chat"]
Accepted: TypeAlias = LarkResponse[dict[str, Any]]
"""Lark's acceptance of the message; a custom bot gets no message id."""


def make_message_call(
    webhook: Webhook, msg_type: WebhookMessageType, content: Mapping[str, Any], timestamp: float
) -> Call[dict[str, Any]]:
    """Build the request for one message.

    See POST /open-apis/bot/v2/hook/:token. Without idempotency key: a lost answer leaves the outcome unknown.

    Args:
        webhook: The bot.
        msg_type: Lark's name for the type.
        content: The content object of that type; for `interactive` the card.
        timestamp: Seconds since the epoch; part of the signature.

    Raises:
        InvalidRequestError: It lacks the bot's keyword, or is too large.
    """
    _require_keyword(webhook, msg_type, content)
    body: dict[str, Any] = {"msg_type": msg_type}
    body["card" if msg_type == "interactive" else "content"] = content
    if webhook.secret is not None:
        seconds = str(int(timestamp))
        body |= {"timestamp": seconds, "sign": sign_timestamp(webhook.secret, seconds)}
    call = make_request("POST", HOOK_PATH + MASK, json=body, auth=False, secret=webhook.token)
    size = len(call.body or b"")
    if size > MAX_BODY_BYTES:
        raise InvalidRequestError(
            f"The {msg_type} message of a custom bot must have at most {MAX_BODY_BYTES} bytes, got {size}. "
            "Next: shorten it, or send the details in further messages."
        )
    return call


def send(
    content: Mapping[str, Any] | str,
    *,
    msg_type: WebhookMessageType = "text",
    title: str = "",
    mentions: Sequence[str] = (),
) -> Procedure[Accepted]:
    """Send a message of any type that custom bots know.

    See POST /open-apis/bot/v2/hook/:token.

    Args:
        content: What the method for that type takes.
        msg_type: Lark's name for the type.
        title: The title of a post from text.
        mentions: Open_ids or user_ids, or "all", of people to be named at the end of text, post or card.

    Returns:
        Lark's acceptance. Custom bots get no message id, and so can change or recall nothing.

    Raises:
        InvalidRequestError: The content does not fit its type, is too large, or lacks the keyword.
        NotFoundError: There is no bot with this webhook.
        PermissionDeniedError: The signature or this machine's address is refused.
        RateLimitError: More than 100 messages a minute or 5 a second, still so after the allowed waits.
        OutcomeUnknownError: It was sent, and the answer is lost.
        TransportError: Lark was not reached.
    """
    if title and msg_type != "post":
        raise InvalidRequestError(
            f"title must be given with post only, got {msg_type}. Next: put it into the content."
        )
    payload: Mapping[str, Any]
    match msg_type:
        case "text":
            words = content.get("text") if isinstance(content, Mapping) else content
            payload = {
                **(content if isinstance(content, Mapping) else {}),
                **make_text_content(words, mentions),
            }
        case "post":
            payload = {"post": _post(content, title, mentions)}
        case "interactive":
            payload = orjson.loads(card_content(content, mentions=mentions, max_bytes=MAX_BODY_BYTES))
        case "image":
            payload = _wrap(content, "image_key")
        case "share_chat":
            payload = _wrap(content, "share_chat_id")
        case _:
            raise make_unknown_choice_error(
                "msg_type of a custom bot", msg_type, get_args(WebhookMessageType)
            )
    if mentions and msg_type in {"image", "share_chat"}:
        raise InvalidRequestError(f"mentions must not be given with {msg_type}. Next: leave them out.")
    webhook: Webhook = yield NeedWebhook()
    timestamp: float = yield Now()
    return (yield from _send(make_message_call(webhook, msg_type, payload, timestamp)))


def send_text(content: str, *, mentions: Sequence[str] = ()) -> Procedure[Accepted]:
    """Send plain text. Errors as for `send`.

    Args:
        content: The text.
        mentions: Open_ids or user_ids, or "all", of people to be named at the end.
    """
    return send(content, mentions=mentions)


def send_post(
    content: Mapping[str, Any] | str, *, title: str = "", mentions: Sequence[str] = ()
) -> Procedure[Accepted]:
    """Send rich text. Errors as for `send`.

    Args:
        content: Plain text, each line of which becomes a paragraph; or Lark's own form
            `{"zh_cn": {"title": …, "content": [[{"tag": …}]]}}`, with or without `post` around it.
        title: The title of a post from text.
        mentions: Open_ids or user_ids, or "all", of people to be named at the end.
    """
    return send(content, msg_type="post", title=title, mentions=mentions)


def send_card(content: Card, *, mentions: Sequence[str] = ()) -> Procedure[Accepted]:
    """Send a card. Its buttons can open links, but clicks reach no program. Errors as for `send`.

    Args:
        content: Card JSON, 1.0 or 2.0, as a dict or as text; or a template's reference.
        mentions: Open_ids, or "all", of people to be named at the card's end.
    """
    return send(content, msg_type="interactive", mentions=mentions)


def send_image(image_key: str) -> Procedure[Accepted]:
    """Send an image that an app has uploaded; a custom bot cannot upload. Errors as for `send`.

    Args:
        image_key: `img_…`, from `LarkServiceClient.messaging.upload_image`.
    """
    return send(image_key, msg_type="image")


def send_share_chat(chat_id: str) -> Procedure[Accepted]:
    """Send a group's card, by which people can join. Errors as for `send`.

    Args:
        chat_id: `oc_…`.
    """
    return send(chat_id, msg_type="share_chat")


def _send(call: Call[dict[str, Any]]) -> Procedure[Accepted]:
    """Send, and retry where Lark limits the rate with its code for bad requests.

    The code for a rate limit is 11232, which any call retries; but bursts are also refused with 9499, and
    only the message distinguishes them from an invalid request.
    """
    attempts = 0
    while True:
        try:
            return (yield from perform(call))
        except InvalidRequestError as error:
            if error.code != _BAD_REQUEST or _TOO_FAST not in error.msg.lower():
                raise
            attempts += 1
            if attempts > _MAX_RETRIES:
                raise RateLimitError(
                    str(error),
                    code=error.code,
                    msg=error.msg,
                    log_id=error.log_id,
                    http_status=error.http_status,
                    retryable=True,
                ) from error
        random: float = yield Random()
        # 5 messages are taken a second, and other senders wait as well.
        yield Sleep(1.0 + 2.0**attempts * random)


def _post(content: Mapping[str, Any] | str, title: str, mentions: Sequence[str]) -> Mapping[str, Any]:
    if isinstance(content, str):
        if not content.strip():
            raise InvalidRequestError("content must not be empty. Next: pass the text of the message.")
        # Lark's page on custom bots knows text, a, at and img; Markdown (`md`) is not among them.
        lines = [[{"tag": "text", "text": line}] for line in content.splitlines()]
        content, title = {"zh_cn": {"title": title, "content": lines}}, ""
    elif isinstance(content, Mapping) and set(content) == {"post"} and isinstance(content["post"], Mapping):
        content = content["post"]
    return make_post_content(content, title=title, mentions=mentions)


def _wrap(content: Mapping[str, Any] | str, name: str) -> Mapping[str, Any]:
    if isinstance(content, str) and content.strip():
        return {name: content.strip()}
    value = content.get(name) if isinstance(content, Mapping) else None
    if isinstance(content, Mapping) and isinstance(value, str) and value:
        return content
    raise InvalidRequestError(
        f"content must be the {name} or an object with it, got {content!r:.80}. Next: pass the {name}."
    )


def _require_keyword(webhook: Webhook, msg_type: str, content: Mapping[str, Any]) -> None:
    # Only Lark can see what an image, a group's card or a template contains.
    if not webhook.keywords or msg_type in {"image", "share_chat"} or content.get("type") == "template":
        return
    if not any(word in text for text in _iterate_texts(content) for word in webhook.keywords):
        wanted = " or ".join(map(repr, webhook.keywords))
        raise InvalidRequestError(
            f"The message must contain the bot's keyword {wanted}. Next: put it into the text.", code=19024
        )


def _iterate_texts(value: Any) -> Iterator[str]:
    """Yield all texts in a message; keys of objects are markup."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _iterate_texts(member)
    elif isinstance(value, Sequence):
        for member in value:
            yield from _iterate_texts(member)
