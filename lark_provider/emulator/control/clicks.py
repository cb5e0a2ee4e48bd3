"""A user uses a card: the app is told, has three seconds, and is not told again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_provider.emulator.callbacks.answers import NO_URL, UNREACHABLE, FailedError, show, toast_and_card
from lark_provider.emulator.callbacks.components import GIVEN, action_of
from lark_provider.emulator.callbacks.payloads import Click
from lark_provider.emulator.callbacks.post import UnreachableError
from lark_provider.emulator.callbacks.subscription import wrapped, wrapped_old
from lark_provider.emulator.control.specs import count, found, only, text
from lark_provider.emulator.routing import Actor
from lark_provider.emulator.world.chats import CardUpdate

if TYPE_CHECKING:
    from lark_provider.emulator.callbacks.post import Reply
    from lark_provider.emulator.lark import Lark
    from lark_provider.emulator.world.apps import Subscription
    from lark_provider.emulator.world.chats import Message
    from lark_provider.emulator.world.users import User

DAY = 24 * 3600
#: Days in which a card can be used, by its schema.
USABLE_DAYS = {"2.0": 14, "1.0": 30}


async def click(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Use a card.

    Args:
        lark: where.
        spec: `message_id`; `user` (user_id of a member of its chat); `component` (its `name`, its
            `element_id` or its label; may be absent if there is only one); `option`, `options`,
            `input_value`, `checked`, `form_value`, `timezone` (what was chosen or typed); or `action`, which
            is sent as it is; and `copies` (how often the same callback is sent, 1 if absent).

    Returns:
        `event_id` and `token` of the callback, the `action` that was sent, and what became of it: `status`
        (HTTP), `code` (0, or what the client shows, such as 200341), `error` (why), `toast` and
        `card_updated`; with `copies`, `repeats` has the same for each further one.

    Raises:
        ValueError: no such card, user or component, or it cannot be used like this.
    """
    only(spec, "message_id", "user", "component", "action", "copies", *GIVEN)
    copies = count(spec, "copies")
    message, user = _usable(lark, spec)
    given = {name: spec[name] for name in GIVEN if spec.get(name) is not None}
    action = spec.get("action") or action_of(orjson.loads(message.sent), text(spec, "component"), given)
    used = Click(lark.world.apps[message.app_id], message, user, action)
    update = lark.world.card_updates[used.token] = CardUpdate(message, lark.clock.now())
    try:
        outcomes = [await _call_back(lark, used) for _ in range(copies)]
    finally:
        update.answered = True
    shown = {
        "event_id": used.event_id,
        "token": used.token,
        "user": user.user_id,
        "action": action,
        **outcomes[0],
    }
    lark.clicks.append({"message_id": message.message_id, "app_id": message.app_id, **shown})
    return {**shown, "repeats": outcomes[1:]} if copies > 1 else shown


def _usable(lark: Lark, spec: dict[str, Any]) -> tuple[Message, User]:
    message = found(lark.world.messages, "message", text(spec, "message_id"))
    if message.msg_type != "interactive":
        raise ValueError(f"message {message.message_id!r} is no card")
    if message.deleted:
        raise ValueError(f"message {message.message_id!r} was recalled")
    days = USABLE_DAYS["2.0" if orjson.loads(message.sent).get("schema") == "2.0" else "1.0"]
    if lark.clock.now() - message.create_time / 1000 > days * DAY:
        raise ValueError(f"card {message.message_id!r} can be used for {days} days only")
    return message, found(lark.world.chats[message.chat_id].users, "member", text(spec, "user"))


async def _call_back(lark: Lark, used: Click) -> dict[str, Any]:
    outcome: dict[str, Any] = {"status": None, "code": 0, "error": None, "toast": None, "card_updated": False}
    to = used.app.subscription
    try:
        reply = await _asked(lark, used, to)
        outcome["status"] = reply.status
        toast, card = toast_and_card(reply, old=to is not None and to.old_cards)
        if card is not None:
            actor = Actor(lark.world, lark.settings, used.app, used.message.tenant_key)
            show(actor, used.message, card)
            outcome["card_updated"] = True
        outcome["toast"] = toast
    except FailedError as failure:
        outcome["code"], outcome["error"] = failure.code, str(failure)
    return outcome


async def _asked(lark: Lark, used: Click, to: Subscription | None) -> Reply:
    if to is None or not to.url:
        raise FailedError(NO_URL, f"app {used.app.app_id} has no callback URL")
    if to.old_cards:
        headers, body = wrapped_old(to, used.old_payload())
    else:
        headers, body = wrapped(to, used.payload(lark.clock.now()))
    try:
        return await lark.courier.post(to.url, headers, body, timeout=lark.settings.callback_timeout)
    except UnreachableError as error:
        raise FailedError(UNREACHABLE[error.reason], str(error)) from None
