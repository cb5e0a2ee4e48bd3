"""Chats and people as the page shows them: an overview, and windows of messages."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.control import snapshot
from lark_emulator.control.specs import read_text, refuse_unknown, require_known
from lark_emulator.control.views.windows import parse_limit, parse_number
from lark_emulator.world.drive import SHEET
from lark_emulator.world.sheets import Spreadsheet

if TYPE_CHECKING:
    from lark_emulator.lark import Lark
    from lark_emulator.world.chats import Chat, Message, WebhookBot
    from lark_emulator.world.world import World

#: The most users, chats, bases and spreadsheets of an overview; how many there are is said beside them.
MAX_SHOWN = 500
_PREVIEW = 120
#: Messages that are looked through for a thread, from the newest on.
_MAX_SCANNED = 20_000
#: Clicks and urgent notices that are looked through for those of a window, from the newest on.
_MAX_CLICKS = 2000
WEBHOOK = "webhook:"


def get_overview(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return what a tenant holds, without contents: apps, users, chats, bases, spreadsheets, counts.

    At most 500 of a kind are listed, chats with the newest messages first.
    """
    refuse_unknown(spec)
    world, log = lark.world, lark.log
    chats = sorted(world.chats.values(), key=lambda chat: chat.active_time, reverse=True)
    return {
        "generation": lark.generation,
        "now": lark.clock.get_time(),
        "apps": [snapshot.render_app(app) for app in list(world.apps.values())[:MAX_SHOWN]],
        "users": [snapshot.render_user(lark, user) for user in list(world.users.values())[:MAX_SHOWN]],
        "user_count": len(world.users),
        "chats": [_render_chat(world, chat) for chat in chats[:MAX_SHOWN]],
        "chat_count": len(world.chats),
        "webhooks": [_render_webhook(n, bot) for n, bot in enumerate(world.webhook_bots.values())],
        "bases": [
            {
                "app_token": base.app_token,
                "name": base.name,
                "tables": [
                    {"table_id": table.table_id, "name": table.name, "record_count": len(table.records)}
                    for table in base.tables.values()
                ],
            }
            for base in list(world.bases.values())[:MAX_SHOWN]
        ],
        "base_count": len(world.bases),
        "spreadsheets": _list_spreadsheets(lark),
        "counts": {
            "requests": log.total,
            "clicks": len(lark.clicks),
            "crashes": log.crashes,
            "not_emulated": dict(log.gaps),
            "faults": len(lark.faults.planned),
        },
    }


def _list_spreadsheets(lark: Lark) -> list[dict[str, Any]]:
    return [
        {
            "token": document.token,
            "title": document.title,
            "sheets": [
                {"sheet_id": sheet.sheet_id, "title": sheet.title}
                for sheet in document.content.sheets.values()
            ],
        }
        for document in lark.world.drive.documents.values()
        if document.type == SHEET and not document.deleted and isinstance(document.content, Spreadsheet)
    ][:MAX_SHOWN]


def _render_chat(world: World, chat: Chat) -> dict[str, Any]:
    last = chat.messages[-1] if chat.messages else None
    return {
        **snapshot.render_chat(world, chat, summary=True),
        "active_time": chat.active_time,
        "last": None if last is None else _preview(last),
    }


def _render_webhook(place: int, bot: WebhookBot) -> dict[str, Any]:
    """Return a custom bot; its token is a credential, so the page knows it by its place."""
    last = bot.messages[-1] if bot.messages else None
    return {
        "chat_id": f"{WEBHOOK}{place}",
        "name": bot.name,
        "message_count": len(bot.messages),
        "active_time": 0 if last is None else last["create_time"],
    }


def _preview(message: Message) -> dict[str, Any]:
    """Return enough of a message for one line of it."""
    shown: dict[str, Any] = {
        "message_id": message.message_id,
        "msg_type": message.msg_type,
        "sender": message.app_id,
        "sender_user": message.user_id,
        "create_time": message.create_time,
        "deleted": message.deleted,
        "text": "",
    }
    if message.deleted:
        return shown
    content = orjson.loads(message.sent)
    if message.msg_type == "text":
        shown["text"] = content["text"][:_PREVIEW]
    elif message.msg_type == "interactive":
        shown["text"] = _get_title(content)[:_PREVIEW]
    elif message.msg_type == "post":
        shown["text"] = str(next(iter(content.values())).get("title", ""))[:_PREVIEW]
    return shown


def _get_title(card: dict[str, Any]) -> str:
    header = card.get("header")
    title = header.get("title") if isinstance(header, dict) else None
    content = title.get("content") if isinstance(title, dict) else None
    return content if isinstance(content, str) else ""


def list_messages(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return a window of the messages of a chat, oldest first.

    Args:
        lark: The emulator that holds the chat.
        spec: Arguments by name: `chat_id` (or `webhook:0` and so on, for custom bots); `start`, the number of
            the first message (absent = the newest ones); `limit` (absent = 50, at most 200); `thread_id`, for
            a thread alone.

    Returns:
        `total`, `start`, and `items`: messages as in the state, with `number`, the `parent` that each
        answers, `used_by`, the users who clicked on it, and `urgent`: whom it rang, by kind.
    """
    refuse_unknown(spec, "chat_id", "start", "limit", "thread_id")
    wanted, chat_id = parse_limit(spec), read_text(spec, "chat_id")
    if chat_id.startswith(WEBHOOK):
        bot = _find_bot(lark, chat_id)
        start = _start(spec, len(bot.messages), wanted)
        posted = enumerate(bot.messages[start : start + wanted], start)
        return {
            "total": len(bot.messages),
            "start": start,
            "items": [_render_post(place, bot, post) for place, post in posted],
        }
    chat = require_known(lark.world.chats, "chat", chat_id)
    listed = chat.messages
    if thread_id := read_text(spec, "thread_id"):
        listed = [message for message in listed[-_MAX_SCANNED:] if message.thread_id == thread_id]
    start = _start(spec, len(listed), wanted)
    window = listed[start : start + wanted]
    used_by, urgent = _find_card_users(lark, window), _find_urgent(lark, window)
    return {
        "total": len(listed),
        "start": start,
        "items": [
            {
                **_render_message(lark, n, message),
                "used_by": used_by.get(message.message_id, []),
                "urgent": urgent.get(message.message_id, []),
            }
            for n, message in enumerate(window, start)
        ],
    }


def _find_bot(lark: Lark, chat_id: str) -> WebhookBot:
    bots = {f"{WEBHOOK}{place}": bot for place, bot in enumerate(lark.world.webhook_bots.values())}
    return require_known(bots, "chat", chat_id)


def _find_card_users(lark: Lark, window: list[Message]) -> dict[str, list[str]]:
    """Return who has used which card of a window, by user_id, the first one first."""
    shown: dict[str, list[str]] = {message.message_id: [] for message in window}
    for used in islice(reversed(lark.clicks), _MAX_CLICKS):
        users = shown.get(used["message_id"])
        if users is not None and used["user"] not in users:
            users.insert(0, used["user"])
    return shown


def _find_urgent(lark: Lark, window: list[Message]) -> dict[str, list[dict[str, Any]]]:
    """Return which messages of a window were made urgent: each kind once, with all whom it rang."""
    ids = {message.message_id for message in window}
    rung: dict[str, dict[str, list[str]]] = {}
    for urgent in islice(reversed(lark.world.urgents), _MAX_CLICKS):
        if urgent.message_id in ids:
            users = rung.setdefault(urgent.message_id, {}).setdefault(urgent.kind, [])
            users += [user_id for user_id in urgent.users if user_id not in users]
    return {
        name: [{"kind": kind, "users": kinds[kind]} for kind in ("app", "sms", "phone") if kind in kinds]
        for name, kinds in rung.items()
    }


def _start(spec: dict[str, Any], total: int, wanted: int) -> int:
    return min(parse_number(spec, "start", max(0, total - wanted)), total)


def _render_message(lark: Lark, place: int, message: Message) -> dict[str, Any]:
    parent = lark.world.messages.get(message.parent_id)
    return {
        **snapshot.render_message(lark.world, message),
        "number": place,
        "in_thread": message.in_thread,
        "parent": None if parent is None else _preview(parent),
    }


def _render_post(place: int, bot: WebhookBot, posted: dict[str, Any]) -> dict[str, Any]:
    """Return what a custom bot posted, in the shape of other messages; its cards cannot be used."""
    kind = str(posted.get("msg_type", ""))
    content: Any = posted.get("content")
    if kind == "post" and isinstance(content, dict) and isinstance(content.get("post"), dict):
        content = content["post"]
    return {
        "message_id": f"{WEBHOOK}{place}",
        "number": place,
        "msg_type": kind,
        "content": content if isinstance(content, dict) else {},
        "sender": "",
        "sender_name": bot.name,
        "create_time": posted.get("create_time"),
        "deleted": False,
        "edits": 0,
        "read_only": True,
    }
