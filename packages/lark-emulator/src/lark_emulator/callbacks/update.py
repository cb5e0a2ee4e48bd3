"""`POST /interactive/v1/card/update`: a card is updated some time after a click, with the click's token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.im.cards import check_schema, is_shared
from lark_emulator.im.changes import rewrite
from lark_emulator.im.content import check_content
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_json_object

if TYPE_CHECKING:
    from lark_emulator.world.chats import Message

LIFE = 30 * 60


def update(call: Call) -> dict[str, Any]:
    """Answer with no more than code and msg."""
    try:
        return _update(call)
    except RefusedError as refusal:
        refusal.code = refusal.code._replace(status=int(call.settings.card_update_status))
        raise


def _update(call: Call) -> dict[str, Any]:
    body = read_json_object(call, codes.UPDATE_NO_JSON)
    token, card = body.get("token"), body.get("card")
    if not isinstance(token, str) or not isinstance(card, dict):
        raise RefusedError(codes.UPDATE_PARAM)
    granted = call.world.card_updates.get(token)
    if granted is None or not granted.answered:
        raise RefusedError(codes.UPDATE_TOKEN_BAD)
    message = granted.message
    if message.app_id != call.app.app_id:
        raise RefusedError(codes.UPDATE_OTHER_APP)
    if call.world.clock.get_time() - granted.created > LIFE:
        raise RefusedError(codes.UPDATE_TOKEN_EXPIRED)
    if granted.uses >= call.settings.card_update_uses:
        raise RefusedError(codes.UPDATE_TOKEN_USED_UP)
    if message.deleted:
        raise RefusedError(codes.UPDATE_RECALLED)
    _check_readers(call, message, card)
    raw = orjson.dumps({name: member for name, member in card.items() if name != "open_ids"}).decode()
    try:
        content = check_content(call, "interactive", raw)
        check_schema(message.sent, raw)
    except RefusedError as refusal:
        if refusal.code is codes.CONTENT_TOO_LONG:
            raise RefusedError(codes.UPDATE_TOO_LARGE) from None
        raise RefusedError(codes.UPDATE_FORMAT._replace(msg=refusal.msg)) from None
    granted.uses += 1
    rewrite(call.world, message, content)
    return {}


def _check_readers(call: Call, message: Message, card: dict[str, Any]) -> None:
    """Refuse a card that is neither shared by all its readers nor says whose copies are updated."""
    if is_shared(card):
        return
    readers = call.world.chats[message.chat_id].users.values()
    open_ids = card.get("open_ids")
    if not open_ids:
        raise RefusedError(codes.UPDATE_NEEDS_OPEN_IDS)
    known = {user.get_id(call.app, "open_id") for user in readers}
    if not isinstance(open_ids, list) or not all(
        isinstance(open_id, str) and open_id in known for open_id in open_ids
    ):
        raise RefusedError(codes.UPDATE_OPEN_IDS)


ROUTES = (
    Route(
        "POST",
        "/open-apis/interactive/v1/card/update",
        update,
        flat=True,
        unconfirmed=(
            "HTTP status of errors: 400 (settable, `card_update_status`), no page says",
            "before the callback was answered: 300020",
            "how often a token can be used: twice (settable, `card_update_uses`; an older page says 3)",
            "more than 30 KB gets 100000, which the page gives for 100 KB",
            "a card that is not shared by all its readers is updated for all of them",
        ),
    ),
)
