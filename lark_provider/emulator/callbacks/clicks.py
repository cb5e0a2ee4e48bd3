"""A user uses a card: the app is told, has three seconds, and is not told again."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import orjson

from lark_provider.emulator.callbacks.components import GIVEN, action_of
from lark_provider.emulator.callbacks.post import UnreachableError
from lark_provider.emulator.callbacks.update import CardUpdate
from lark_provider.emulator.codes import RefusedError
from lark_provider.emulator.im.cards import SCHEMA_LOWERED, check_schema
from lark_provider.emulator.im.changes import rewrite
from lark_provider.emulator.im.content import checked_content
from lark_provider.emulator.routing import Actor
from lark_provider.emulator.specs import found, only, text

if TYPE_CHECKING:
    from lark_provider.emulator.apps import App
    from lark_provider.emulator.callbacks.post import Reply
    from lark_provider.emulator.callbacks.subscription import Subscription
    from lark_provider.emulator.dispatch import Lark
    from lark_provider.emulator.world import Message, User

# What the client shows to the user when a callback fails.
NO_URL, TIMEOUT, NO_CONNECTION, NO_HOST = 200340, 200341, 200342, 200343
NOT_OK, BAD_BODY, BAD_CARD = 200671, 200672, 200673
UNREACHABLE = {"timeout": TIMEOUT, "connect": NO_CONNECTION, "answer": NO_CONNECTION, "dns": NO_HOST}

HTTP_OK = 200
TOASTS = ("info", "success", "error", "warning")
DAY = 24 * 3600
#: Days in which a card can be used, by its schema.
USABLE_DAYS = {"2.0": 14, "1.0": 30}


class FailedError(Exception):
    """The user sees an error.

    Args:
        code: which.
        reason: why, for whoever develops the app.
    """

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        super().__init__(reason)


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
    copies = spec.get("copies", 1)
    if not isinstance(copies, int) or isinstance(copies, bool) or copies < 1:
        raise ValueError(f"'copies' must be a positive number, not {copies!r}")
    message, user = _usable(lark, spec)
    app = lark.world.apps[message.app_id]
    action = spec.get("action") or action_of(
        orjson.loads(message.sent),
        text(spec, "component"),
        {name: spec[name] for name in GIVEN if spec.get(name) is not None},
    )
    token = f"c-{secrets.token_hex(20)}"
    update = lark.world.card_updates[token] = CardUpdate(message, lark.clock.now())
    shown = {"event_id": secrets.token_hex(16), "token": token, "user": user.user_id, "action": action}
    event = {**shown, "message": message}
    try:
        outcomes = [await _call_back(lark, app, user, event) for _ in range(copies)]
    finally:
        update.answered = True
    result = {**shown, **outcomes[0]}
    lark.clicks.append({"message_id": message.message_id, "app_id": app.app_id, **result})
    return {**result, "repeats": outcomes[1:]} if copies > 1 else result


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


async def _call_back(lark: Lark, app: App, user: User, event: dict[str, Any]) -> dict[str, Any]:
    outcome: dict[str, Any] = {
        "status": None,
        "code": 0,
        "error": None,
        "toast": None,
        "card_updated": False,
    }
    message: Message = event["message"]
    try:
        reply = await _asked(lark, app, user, event)
        outcome["status"] = reply.status
        answer = _understood(reply)
        old = app.subscription is not None and app.subscription.old_cards
        toast, card = _parts(answer, old=old)
        if card is not None:
            actor = Actor(lark.world, lark.settings, app, message.tenant_key)
            _show(actor, message, card)
            outcome["card_updated"] = True
        outcome["toast"] = toast
    except FailedError as failure:
        outcome["code"], outcome["error"] = failure.code, str(failure)
    return outcome


async def _asked(lark: Lark, app: App, user: User, event: dict[str, Any]) -> Reply:
    subscription = app.subscription
    if subscription is None or not subscription.url:
        raise FailedError(NO_URL, f"app {app.app_id} has no callback URL")
    now = lark.clock.now()
    if subscription.old_cards:
        headers, body = subscription.wrapped_old(_old_payload(app, user, event), int(now))
    else:
        payload = _payload(app, user, event, subscription, now)
        headers, body = subscription.wrapped(payload, int(now))
    try:
        return await lark.courier.post(
            subscription.url, headers, body, timeout=lark.settings.callback_timeout
        )
    except UnreachableError as error:
        raise FailedError(UNREACHABLE[error.reason], str(error)) from None


def _payload(
    app: App, user: User, event: dict[str, Any], subscription: Subscription, now: float
) -> dict[str, Any]:
    message: Message = event["message"]
    return {
        "schema": "2.0",
        "header": {
            "event_id": event["event_id"],
            "token": subscription.verification_token,
            "create_time": str(int(now * 1_000_000)),
            "event_type": "card.action.trigger",
            "tenant_key": message.tenant_key,
            "app_id": app.app_id,
        },
        "event": {
            "operator": {"tenant_key": message.tenant_key, **_operator(app, user)},
            "token": event["token"],
            "action": event["action"],
            "host": "im_message",
            "context": {"open_message_id": message.message_id, "open_chat_id": message.chat_id},
        },
    }


def _old_payload(app: App, user: User, event: dict[str, Any]) -> dict[str, Any]:
    message: Message = event["message"]
    ids = _operator(app, user)
    del ids["union_id"]
    return {
        **ids,
        "open_message_id": message.message_id,
        "open_chat_id": message.chat_id,
        "tenant_key": message.tenant_key,
        "token": event["token"],
        "action": event["action"],
    }


def _operator(app: App, user: User) -> dict[str, str]:
    ids = {"open_id": user.id_for(app, "open_id"), "union_id": user.union_id}
    if not app.store and app.has_any("contact:user.employee_id:readonly"):
        ids["user_id"] = user.user_id
    return ids


def _understood(reply: Reply) -> dict[str, Any]:
    if reply.status != HTTP_OK:
        raise FailedError(NOT_OK, f"HTTP status {reply.status}")
    try:
        answer = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        raise FailedError(BAD_BODY, f"the answer is no JSON: {reply.body[:200]!r}") from None
    if not isinstance(answer, dict):
        raise FailedError(BAD_BODY, f"the answer is no object: {reply.body[:200]!r}")
    return answer


def _parts(answer: dict[str, Any], *, old: bool) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return toast and card of an answer; what else stands in it is ignored."""
    toast = answer.get("toast")
    if toast is not None and (
        not isinstance(toast, dict)
        or toast.get("type", "info") not in TOASTS
        or not (isinstance(toast.get("content"), str) or isinstance(toast.get("i18n"), dict))
    ):
        raise FailedError(BAD_BODY, f"the toast is none: {toast!r}")
    if old:  # the answer itself is the card
        is_card = not answer.keys().isdisjoint(("elements", "i18n_elements", "body", "schema", "header"))
        return toast, answer if is_card else None
    given = answer.get("card")
    if given is None:
        return toast, None
    data = given.get("data") if isinstance(given, dict) else None
    if not isinstance(data, dict) or given.get("type") not in ("raw", "template"):
        raise FailedError(BAD_CARD, "the card is not {'type': 'raw' or 'template', 'data': {…}}")
    return toast, data if given["type"] == "raw" else {"type": "template", "data": data}


def _show(actor: Actor, message: Message, card: dict[str, Any]) -> None:
    raw = orjson.dumps(card).decode()
    try:
        content = checked_content(actor, "interactive", raw)
        check_schema(message.sent, raw)
    except RefusedError as refusal:
        lowered = f"ErrCode: {SCHEMA_LOWERED};" in refusal.msg
        raise FailedError(SCHEMA_LOWERED if lowered else BAD_CARD, refusal.msg) from None
    rewrite(actor.world, message, content)
