"""Custom bots: `POST /bot/v2/hook/:token`, without an app and without a tenant token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.im.cards import check_object
from lark_emulator.im.content import POST_LOCALES
from lark_emulator.routing import Call, Route
from lark_emulator.validation import parse_whole_number, read_json_object
from lark_emulator.world.chats import WebhookBot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lark_emulator.world.world import World

PATH = "/open-apis/bot/v2/hook/"
RATES = ((100.0, 60.0), (5.0, 1.0))
MAX_BODY_BYTES = 20 * 1024
MAX_KEYWORDS = 10
SECONDS_OFF = 3600.0
_SUCCESS = {"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"}
_REFERENCES = {"image": "image_key", "share_chat": "share_chat_id"}


def add(
    world: World, name: str, token: str | None, secret: str | None, keywords: Sequence[str]
) -> WebhookBot:
    """Add a custom bot.

    Raises:
        ValueError: the token is taken, or there are too many keywords.
    """
    token = token or secrets.token_hex(16)
    if token in world.webhook_bots:
        raise ValueError("a webhook with this token exists already")
    if len(keywords) > MAX_KEYWORDS:
        raise ValueError(f"a custom bot has at most {MAX_KEYWORDS} keywords, not {len(keywords)}")
    bot = world.webhook_bots[token] = WebhookBot(token, name, secret or "", tuple(keywords))
    return bot


def render(bot: WebhookBot) -> dict[str, Any]:
    """Return a bot for the state; its token and its secret are credentials and not part of it."""
    return {
        "name": bot.name,
        "signed": bool(bot.secret),
        "keywords": list(bot.keywords),
        "messages": bot.messages,
    }


def post(call: Call) -> dict[str, Any]:
    """Take a message."""
    bot = call.world.webhook_bots.get(call.params["token"])
    if bot is None:
        raise RefusedError(codes.WEBHOOK_UNKNOWN)
    # Not by the common limits: they count for each app, and there is none here.
    if call.settings.rate_limits and call.world.receiver_windows.take(("webhook", bot.token), RATES):
        raise RefusedError(codes.WEBHOOK_FREQUENCY)
    if len(call.body) > MAX_BODY_BYTES:
        raise RefusedError(codes.WEBHOOK_BAD_REQUEST)
    body = read_json_object(call, codes.WEBHOOK_BAD_REQUEST)
    if bot.secret and not _is_signed(call, bot.secret, body):
        raise RefusedError(codes.WEBHOOK_SIGNATURE)
    content = _read_content(body)
    if body["msg_type"] == "interactive":
        _check_card(call, content)
    if bot.keywords and not any(word in text for text in _iterate_texts(content) for word in bot.keywords):
        raise RefusedError(codes.WEBHOOK_KEYWORD)
    bot.messages.append(
        {"msg_type": body["msg_type"], "content": content, "create_time": call.world.clock.get_time_ms()}
    )
    return _SUCCESS


def _is_signed(call: Call, secret: str, body: dict[str, Any]) -> bool:
    timestamp, sign = body.get("timestamp"), body.get("sign")
    if type(timestamp) is int and call.settings.webhook_timestamps == "any":
        timestamp = str(timestamp)
    if not isinstance(timestamp, str) or not isinstance(sign, str):
        return False
    seconds = parse_whole_number(timestamp)
    if seconds is None:
        return False
    key = f"{timestamp}\n{secret}".encode()
    right = base64.b64encode(hmac.digest(key, b"", hashlib.sha256)).decode()
    return abs(call.world.clock.get_time() - seconds) <= SECONDS_OFF and hmac.compare_digest(
        right.encode(), sign.encode()
    )


def _read_content(body: dict[str, Any]) -> dict[str, Any]:
    kind = body.get("msg_type")
    if not kind:
        raise RefusedError(codes.WEBHOOK_MSG_TYPE)
    content = body.get("card" if kind == "interactive" else "content")
    if not isinstance(content, dict) or not content:
        raise RefusedError(codes.WEBHOOK_BAD_REQUEST)
    if kind == "interactive":
        return content
    if kind == "post":
        fine = _is_post(content.get("post"))
    elif isinstance(kind, str) and (kind == "text" or kind in _REFERENCES):
        value = content.get(_REFERENCES.get(kind, "text"))
        fine = isinstance(value, str) and value != ""
    else:
        fine = False
    if not fine:
        raise RefusedError(codes.WEBHOOK_BAD_REQUEST)
    return content


def _check_card(call: Call, card: dict[str, Any]) -> None:
    try:
        check_object(card, call.world, call.settings, None)
    except RefusedError as refusal:
        msg = refusal.msg.removeprefix(f"{codes.CARD_FAILED.msg}, ext=")
        raise RefusedError(codes.WEBHOOK_CARD._replace(msg=msg)) from None


def _is_post(locales: object) -> bool:
    return (
        isinstance(locales, dict)
        and bool(locales)
        and set(locales) <= POST_LOCALES
        and all(
            isinstance(locale, dict)
            and isinstance(locale.get("content"), list)
            and all(isinstance(line, list) for line in locale["content"])
            for locale in locales.values()
        )
    )


def _iterate_texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _iterate_texts(member)


ROUTES = (
    Route(
        "POST",
        f"{PATH}:token",
        post,
        unconfirmed=(
            "100/min and 5/s per bot answer 11232 with HTTP 200; a log of 2023 shows 9499 with 400",
            "an integer as `timestamp` is taken (settable, `webhook_timestamps`: 19021)",
            "what more than 20 KB answers: 9499 here",
            "the order of the checks",
            "where a keyword is looked for: in every text of the message here",
            "allow-lists of addresses (19022) are not emulated",
            "whose pictures and open_ids a card may name: any app's here",
        ),
        evidence="documentation",
        token=False,
        flat=True,
    ),
)
