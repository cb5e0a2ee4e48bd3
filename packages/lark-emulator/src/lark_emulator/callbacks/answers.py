"""What the client makes of the answer to a card callback: a toast, another card, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.cardkit.checks import streams
from lark_emulator.codes import RefusedError
from lark_emulator.im.cards import SCHEMA_LOWERED, check_schema
from lark_emulator.im.changes import rewrite
from lark_emulator.im.content import check_content
from lark_emulator.world.card_entities import STREAMING

if TYPE_CHECKING:
    from lark_emulator.callbacks.post import Reply
    from lark_emulator.routing import Actor
    from lark_emulator.world.chats import Message
    from lark_emulator.world.world import World

# What the client shows to the user when a callback fails.
NO_URL, TIMEOUT, NO_CONNECTION, NO_HOST = 200340, 200341, 200342, 200343
EMPTY_NAME = 200530
STREAMS = 200810
NOT_OK, BAD_BODY, BAD_CARD = 200671, 200672, 200673
UNREACHABLE = {"timeout": TIMEOUT, "connect": NO_CONNECTION, "answer": NO_CONNECTION, "dns": NO_HOST}

OK = 200
TOASTS = ("info", "success", "error", "warning")
CARD_MEMBERS = ("schema", "header", "body", "elements", "i18n_elements")

Json = dict[str, Any]


class FailedError(Exception):
    """The user sees an error.

    Args:
        code: The error code that the Lark client shows to the user, such as 200341.
        reason: The cause, for the developer of the app.
    """

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        super().__init__(reason)


def read_toast_and_card(reply: Reply, *, old: bool) -> tuple[Json | None, Json | None]:
    """Return the toast and the card of an answer; its other members are ignored.

    Args:
        reply: The app's answer to the callback.
        old: Whether it answers `card.action.trigger_v1`: the answer itself is the card then.

    Raises:
        FailedError: 200671, 200672 or 200673.
    """
    if reply.status != OK:
        raise FailedError(NOT_OK, f"status {reply.status}")
    try:
        answer = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        raise FailedError(BAD_BODY, f"the answer must be JSON, got {reply.body[:200]!r}") from None
    if not isinstance(answer, dict):
        raise FailedError(BAD_BODY, f"the answer is no object: {reply.body[:200]!r}")
    toast = answer.get("toast")
    if toast is not None and not _is_toast(toast):
        raise FailedError(BAD_BODY, f"the toast is none: {toast!r}")
    if old:
        return toast, None if answer.keys().isdisjoint(CARD_MEMBERS) else answer
    return toast, _read_card(answer.get("card"))


def _is_toast(toast: Any) -> bool:
    if not isinstance(toast, dict) or toast.get("type", "info") not in TOASTS:
        return False
    return isinstance(toast.get("content"), str) or isinstance(toast.get("i18n"), dict)


def _read_card(card: Any) -> Json | None:
    if card is None:
        return None
    data = card.get("data") if isinstance(card, dict) else None
    if not isinstance(data, dict) or card.get("type") not in ("raw", "template"):
        raise FailedError(BAD_CARD, "the card is not {'type': 'raw' or 'template', 'data': {…}}")
    return data if card["type"] == "raw" else {"type": "template", "data": data}


def show(actor: Actor, message: Message, card: Json) -> None:
    """Put a card in the place of the one that was used.

    Raises:
        FailedError: 200673, 200830 or 200810 (the card streams).
    """
    if _is_streaming(actor.world, message):
        raise FailedError(STREAMS, "the card is in streaming mode")
    raw = orjson.dumps(card).decode()
    try:
        content = check_content(actor, "interactive", raw)
        check_schema(message.sent, raw)
    except RefusedError as refusal:
        lowered = f"ErrCode: {SCHEMA_LOWERED};" in refusal.msg
        raise FailedError(SCHEMA_LOWERED if lowered else BAD_CARD, refusal.msg) from None
    rewrite(actor.world, message, content)


def _is_streaming(world: World, message: Message) -> bool:
    """Return whether a card takes streamed text: for ten minutes from when that was switched on."""
    if not streams(orjson.loads(message.sent)):
        return False
    entities = (entity for entity in world.card_entities.values() if entity.message is message)
    entity = next(entities, None)
    opened = message.create_time / 1000 if entity is None else entity.opened
    return opened is not None and world.clock.get_time() - opened <= STREAMING
