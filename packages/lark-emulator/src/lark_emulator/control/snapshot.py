"""The state of an emulator as JSON. Secrets and tokens are never part of it.

An app's ticket is: it opens nothing without the secret, and an app without a callback has no other way to it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.bitable.columns import render_field
from lark_emulator.bitable.values import USER
from lark_emulator.control import office
from lark_emulator.control.stubbing import list_unused
from lark_emulator.im import uploads, webhook_bot
from lark_emulator.im.shown import render_mention
from lark_emulator.wiki import pages
from lark_emulator.world.apps import TENANT_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lark_emulator.lark import Lark
    from lark_emulator.world.apps import App, Subscription
    from lark_emulator.world.bases import Base, Field, Table
    from lark_emulator.world.chats import Chat, Message
    from lark_emulator.world.records import Record
    from lark_emulator.world.users import User
    from lark_emulator.world.world import World


def render_with_records(lark: Lark) -> dict[str, Any]:
    """Return everything an emulator holds as it is now; the lists of records are iterators.

    They show the records of this moment, whatever others write before they are read.
    """
    state = render(lark, summary=False)
    for base, base_shown in zip(lark.world.bases.values(), state["bitables"], strict=True):
        for table, shown in zip(base.tables.values(), base_shown["tables"], strict=True):
            shown["records"] = map(partial(render_record, dict(table.fields)), table.records.take_snapshot())
    return state


def render(lark: Lark, *, summary: bool) -> dict[str, Any]:
    """Return everything an emulator holds but for records; without messages and uploads if `summary`."""
    world = lark.world
    state: dict[str, Any] = {
        "tenant_key": TENANT_KEY,
        "now": lark.clock.get_time(),
        "apps": [render_app(app) for app in world.apps.values()],
        "users": [render_user(lark, user) for user in world.users.values()],
        "chats": [render_chat(world, chat, summary=summary) for chat in world.chats.values()],
        "webhooks": [webhook_bot.render(bot) for bot in world.webhook_bots.values()],
        "bitables": [render_base(base) for base in world.bases.values()],
        "documents": [
            {
                "token": document.token,
                "type": document.type,
                "title": document.title,
                "owner": ":".join(document.owner),
            }
            for document in world.drive.documents.values()
            if not document.deleted
        ],
        "wiki_spaces": [pages.render_space(space) for space in world.wiki_spaces.values()],
        "wiki_nodes": [pages.render(world, node) for node in world.wiki_nodes.values()],
        "upload_count": len(world.uploads),
        "media_count": len(world.drive.medias),
        "click_count": len(lark.clicks),
        "late_waiting": lark.late.waiting,
        "event_states": dict(Counter(delivery.state for delivery in lark.events.all)),
        "long_connections": dict(lark.links.counts),
        "token_requests": lark.tokens.requests,
        "tokens_issued": lark.tokens.issued,
        "requests": lark.log.total,
        "connections": lark.log.connections,
        "crashes": lark.log.crashes,
        "not_emulated": dict(lark.log.gaps),
        "unused_stubs": list_unused(lark),
        "by_endpoint": dict(lark.log.by_endpoint),
        "by_code": dict(lark.log.by_code),
    }
    if not summary:
        state["clicks"] = list(lark.clicks)
        state["events"] = [delivery.to_dict() for delivery in lark.events.all]
        state["uploads"] = [uploads.render(upload) for upload in world.uploads.values()]
        state |= office.render(world)
    return state


def render_app(app: App) -> dict[str, Any]:
    """Return an app; what is None has no bounds."""
    return {
        "app_id": app.app_id,
        "name": app.name,
        "bot_open_id": app.bot_open_id,
        "scopes": None if app.scopes is None else sorted(app.scopes),
        "pending_scopes": sorted(app.pending_scopes),
        "available_to": None if app.available_to is None else sorted(app.available_to),
        "store": app.store,
        "tenant_keys": sorted(app.tenant_keys),
        "enabled": app.enabled,
        "bot": app.bot,
        "event_mode": app.event_mode,
        "callback_mode": app.callback_mode,
        "redirect_urls": None if app.redirect_urls is None else sorted(app.redirect_urls),
        "event_types": None if app.event_types is None else sorted(app.event_types),
        "callback": None if app.subscription is None else _render_subscription(app.subscription),
        "app_ticket": app.app_ticket,
        "token_requests": app.token_requests,
    }


def _render_subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        "url": subscription.url,
        "event_url": subscription.event_url,
        "encrypted": bool(subscription.encrypt_key),
        "old_cards": subscription.old_cards,
    }


def render_user(lark: Lark, user: User) -> dict[str, Any]:
    """Return a user with the open_id that each app knows."""
    return {
        "user_id": user.user_id,
        "union_id": user.union_id,
        "name": user.name,
        "en_name": user.en_name,
        "email": user.email,
        "mobile": user.mobile,
        "enterprise_email": user.enterprise_email,
        "status": user.status,
        "departments": user.departments,
        "tenant_key": user.tenant_key,
        "open_ids": {app.app_id: user.get_id(app, "open_id") for app in lark.world.apps.values()},
    }


def render_chat(world: World, chat: Chat, *, summary: bool) -> dict[str, Any]:
    """Return a chat with its members and, unless `summary`, its messages."""
    shown = {
        "chat_id": chat.chat_id,
        "name": chat.name,
        "chat_mode": chat.mode,
        "chat_type": chat.chat_type,
        "users": list(chat.users),
        "bots": list(chat.bots),
        "dissolved": chat.dissolved,
        "owner": chat.owner,
        "managers": sorted(chat.managers),
        "message_count": len(chat.messages),
    }
    return (
        shown
        if summary
        else {**shown, "messages": [render_message(world, message) for message in chat.messages]}
    )


def render_message(world: World, message: Message) -> dict[str, Any]:
    """Return a message with its content as it was sent, and whom it mentions as its app knows them."""
    app = world.apps.get(message.app_id)
    return {
        "message_id": message.message_id,
        "msg_type": message.msg_type,
        "content": orjson.loads(message.sent),
        "sender": message.app_id,
        "sender_user": message.user_id,
        "uuid": message.uuid,
        "create_time": message.create_time,
        "update_time": message.update_time,
        "parent_id": message.parent_id,
        "root_id": message.root_id,
        "thread_id": message.thread_id,
        "mentions": [render_mention(world, mention, app, message.tenant_key) for mention in message.mentions],
        "edits": message.edits,
        "deleted": message.deleted,
        "reactions": [
            {"emoji_type": reaction.emoji_type, "app_id": reaction.app_id, "user": reaction.user_id}
            for reaction in message.reactions
        ],
        "pinned_by": None if message.pin is None else message.pin.user_id or message.pin.app_id,
        "readers": dict(message.readers),
        "follow_ups": message.follow_ups,
        "parts": [render_message(world, part) for part in message.parts],
    }


def render_base(base: Base) -> dict[str, Any]:
    """Return a base with its tables, without their records."""
    return {
        "app_token": base.app_token,
        "name": base.name,
        "shared_with": sorted(base.shared_with),
        **render_limits(base),
        "tables": [_render_table(table) for table in base.tables.values()],
    }


def render_limits(base: Base) -> dict[str, Any]:
    """Return what advanced permissions leave to whom."""
    return {
        "is_advanced": base.is_advanced,
        "limits": {app_id: asdict(limit) for app_id, limit in base.limits.items()},
    }


def _render_table(table: Table) -> dict[str, Any]:
    return {
        "table_id": table.table_id,
        "name": table.name,
        "fields": [render_field(table, column) for column in table.fields.values()],
        "record_count": len(table.records),
    }


def render_record(columns: Mapping[str, Field], record: Record) -> dict[str, Any]:
    """Return a record with its cells by the names of their fields."""
    shown = {}
    for field_id, value in record.cells.items():
        column = columns.get(field_id)
        if column is None:  # deleted just now
            continue
        people = column.type == USER
        shown[column.name] = [person.user_id for person in value] if people else value
    return {"record_id": record.record_id, "fields": shown}
