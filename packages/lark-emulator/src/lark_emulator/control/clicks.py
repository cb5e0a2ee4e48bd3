"""A user uses a card: the app is told, has three seconds, and is not told again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.callbacks.answers import (
    EMPTY_NAME,
    NO_URL,
    UNREACHABLE,
    FailedError,
    read_toast_and_card,
    show,
)
from lark_emulator.callbacks.components import INPUTS, has_unnamed_fields, make_action
from lark_emulator.callbacks.payloads import Click
from lark_emulator.callbacks.post import Reply, UnreachableError
from lark_emulator.callbacks.subscription import wrap, wrap_old
from lark_emulator.callbacks.ways import Way, choose_click_way, make_frame
from lark_emulator.control.specs import MAX_COPIES, read_count, read_text, refuse_unknown, require_known
from lark_emulator.routing import Actor
from lark_emulator.websocket.links import NoAckError
from lark_emulator.world.chats import CardUpdate

if TYPE_CHECKING:
    from lark_emulator.lark import Lark
    from lark_emulator.world.chats import Message
    from lark_emulator.world.users import User

DAY = 24 * 3600
#: Days in which a card can be used, by its schema.
USABLE_DAYS = {"2.0": 14, "1.0": 30}


async def click(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Use a card.

    Args:
        lark: The emulator that holds the message.
        spec: Arguments by name: `message_id`; `user` (user_id of a member of its chat); `component` (its
            `name`, its `element_id` or its label; may be absent if there is only one), or `at` (its place in
            the card, such as `body.elements.2`); `option`, `options`, `input_value`, `checked`, `form_value`,
            `timezone` (what was chosen or typed); or `action`, which is sent as it is; and `copies` (how
            often the same callback is sent, 1 if absent).

    Returns:
        `event_id` and `token` of the callback, the `action` that was sent, and its outcome: `status`
        (of the HTTP answer or of the acknowledgement), `code` (0, or what the client shows, such as 200341),
        `error` (why), `toast` and `card_updated`; over the long connection also `connection_id` and
        `problems` (in what the acknowledgement breaks the rules); with `copies`, `repeats` has the same for
        each further one.

    Raises:
        ValueError: no such card, user or component, or it cannot be used like this.
    """
    refuse_unknown(spec, "message_id", "user", "component", "at", "action", "copies", *INPUTS)
    copies = read_count(spec, "copies", limit=MAX_COPIES)
    message, user = _find_usable_card(lark, spec)
    inputs = {name: spec[name] for name in INPUTS if spec.get(name) is not None}
    action = spec.get("action") or make_action(
        orjson.loads(message.sent),
        read_text(spec, "component"),
        inputs,
        at=read_text(spec, "at"),
        submit_value=lark.settings.submit_value == "sent",
        empty_fields=lark.settings.empty_fields,
    )
    used = Click(lark.world.apps[message.app_id], message, user, action)
    update = lark.world.card_updates[used.token] = CardUpdate(message, lark.clock.get_time())
    message.clicks_waiting += 1
    try:
        outcomes = [await _call_back(lark, used) for _ in range(copies)]
    finally:
        update.answered = True
        message.clicks_waiting -= 1
    shown = {
        "event_id": used.event_id,
        "token": used.token,
        "user": user.user_id,
        "action": action,
        **outcomes[0],
    }
    lark.clicks.append({"message_id": message.message_id, "app_id": message.app_id, **shown})
    return {**shown, "repeats": outcomes[1:]} if copies > 1 else shown


def _find_usable_card(lark: Lark, spec: dict[str, Any]) -> tuple[Message, User]:
    message = require_known(lark.world.messages, "message", read_text(spec, "message_id"))
    if message.msg_type != "interactive":
        raise ValueError(f"message {message.message_id!r} must be a card")
    if message.deleted:
        raise ValueError(f"message {message.message_id!r} was recalled")
    days = USABLE_DAYS["2.0" if orjson.loads(message.sent).get("schema") == "2.0" else "1.0"]
    if lark.clock.get_time() - message.create_time / 1000 > days * DAY:
        raise ValueError(f"card {message.message_id!r} can be used for {days} days only")
    chat = lark.world.chats[message.chat_id]
    if chat.dissolved:
        raise ValueError(f"chat {chat.chat_id!r} was dissolved")
    return message, require_known(chat.users, "member", read_text(spec, "user"))


async def _call_back(lark: Lark, used: Click) -> dict[str, Any]:
    outcome: dict[str, Any] = {"status": None, "code": 0, "error": None, "toast": None, "card_updated": False}
    way = choose_click_way(used.app, lark.links)
    to = used.app.subscription
    is_old = way == "http" and to is not None and to.old_cards
    try:
        reply = await _ask(lark, used, way, outcome)
        outcome["status"] = reply.status
        toast, card = read_toast_and_card(reply, old=is_old)
        if card is not None:
            actor = Actor(lark.world, lark.settings, used.app, used.message.tenant_key)
            show(actor, used.message, card)
            outcome["card_updated"] = True
        outcome["toast"] = toast
    except FailedError as failure:
        outcome["code"], outcome["error"] = failure.code, str(failure)
    return outcome


async def _ask(lark: Lark, used: Click, way: Way | None, outcome: dict[str, Any]) -> Reply:
    if "form_value" in used.action and has_unnamed_fields(orjson.loads(used.message.sent)):
        raise FailedError(EMPTY_NAME, "a component of the form has no name")
    if way is None:
        raise FailedError(NO_URL, f"app {used.app.app_id} has no callback URL and no long connection")
    return await (_by_http(lark, used) if way == "http" else _send_over_connection(lark, used, way, outcome))


async def _by_http(lark: Lark, used: Click) -> Reply:
    to = used.app.subscription
    assert to is not None  # noqa: S101 - the way says so
    if to.old_cards:
        headers, body = wrap_old(to, used.make_old_payload())
    else:
        headers, body = wrap(to, used.make_payload(lark.clock.get_time()))
    try:
        return await lark.courier.post(to.url, headers, body, timeout=lark.settings.callback_timeout)
    except UnreachableError as error:
        raise FailedError(UNREACHABLE[error.reason], str(error)) from None


async def _send_over_connection(lark: Lark, used: Click, way: Way, outcome: dict[str, Any]) -> Reply:
    try:
        ack = await lark.links.deliver(
            used.app.app_id, *make_frame(way, used.make_payload(lark.clock.get_time()))
        )
    except NoAckError as error:
        raise FailedError(NO_URL, str(error)) from None
    outcome["connection_id"], outcome["problems"] = ack.connection_id, list(ack.problems)
    return Reply(ack.code, b"{}" if ack.data is None else ack.data)
