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


def whole(lark: Lark) -> dict[str, Any]:
    """Return everything an emulator holds as it is now; the lists of records are iterators.

    They show the records of this moment, whatever others write before they are read.
    """
    state = of(lark, summary=False)
    for bitable, base_shown in zip(lark.world.bases.values(), state["bitables"], strict=True):
        for table, shown in zip(bitable.tables.values(), base_shown["tables"], strict=True):
            shown["records"] = map(partial(_record, dict(table.fields)), table.records.snapshot())
    return state


def of(lark: Lark, *, summary: bool) -> dict[str, Any]:
    """Return everything an emulator holds but for records; without messages and uploads if `summary`."""
    world = lark.world
    state: dict[str, Any] = {
        "tenant_key": TENANT_KEY,
        "now": lark.clock.now(),
        "apps": [app(known_app) for known_app in world.apps.values()],
        "users": [user(lark, known_user) for known_user in world.users.values()],
        "chats": [chat(known_chat, summary=summary) for known_chat in world.chats.values()],
        "webhooks": [webhook_bot.render(bot) for bot in world.webhook_bots.values()],
        "bitables": [base(bitable) for bitable in world.bases.values()],
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


def app(which: App) -> dict[str, Any]:
    """Return an app; what is None has no bounds."""
    return {
        "app_id": which.app_id,
        "name": which.name,
        "bot_open_id": which.bot_open_id,
        "scopes": None if which.scopes is None else sorted(which.scopes),
        "pending_scopes": sorted(which.pending_scopes),
        "available_to": None if which.available_to is None else sorted(which.available_to),
        "store": which.store,
        "tenant_keys": sorted(which.tenant_keys),
        "enabled": which.enabled,
        "bot": which.bot,
        "event_mode": which.event_mode,
        "callback_mode": which.callback_mode,
        "redirect_urls": None if which.redirect_urls is None else sorted(which.redirect_urls),
        "event_types": None if which.event_types is None else sorted(which.event_types),
        "callback": None if which.subscription is None else _subscription(which.subscription),
        "app_ticket": which.app_ticket,
        "token_requests": which.token_requests,
    }


def _subscription(to: Subscription) -> dict[str, Any]:
    return {
        "url": to.url,
        "event_url": to.event_url,
        "encrypted": bool(to.encrypt_key),
        "old_cards": to.old_cards,
    }


def user(lark: Lark, who: User) -> dict[str, Any]:
    """Return a user with the open_id that each app knows."""
    return {
        "user_id": who.user_id,
        "union_id": who.union_id,
        "name": who.name,
        "en_name": who.en_name,
        "email": who.email,
        "mobile": who.mobile,
        "enterprise_email": who.enterprise_email,
        "status": who.status,
        "departments": who.departments,
        "tenant_key": who.tenant_key,
        "open_ids": {app.app_id: who.id_for(app, "open_id") for app in lark.world.apps.values()},
    }


def chat(which: Chat, *, summary: bool) -> dict[str, Any]:
    """Return a chat with its members and, unless `summary`, its messages."""
    shown = {
        "chat_id": which.chat_id,
        "name": which.name,
        "chat_mode": which.mode,
        "chat_type": which.chat_type,
        "users": list(which.users),
        "bots": list(which.bots),
        "dissolved": which.dissolved,
        "owner": which.owner,
        "managers": sorted(which.managers),
        "message_count": len(which.messages),
    }
    return shown if summary else {**shown, "messages": [message(posted) for posted in which.messages]}


def message(which: Message) -> dict[str, Any]:
    """Return a message with its content as it was sent."""
    return {
        "message_id": which.message_id,
        "msg_type": which.msg_type,
        "content": orjson.loads(which.sent),
        "sender": which.app_id,
        "sender_user": which.user_id,
        "uuid": which.uuid,
        "create_time": which.create_time,
        "update_time": which.update_time,
        "parent_id": which.parent_id,
        "root_id": which.root_id,
        "thread_id": which.thread_id,
        "mentions": which.mentions,
        "edits": which.edits,
        "deleted": which.deleted,
        "reactions": [
            {"emoji_type": reaction.emoji_type, "app_id": reaction.app_id, "user": reaction.user_id}
            for reaction in which.reactions
        ],
        "pinned_by": None if which.pin is None else which.pin.user_id or which.pin.app_id,
        "readers": dict(which.readers),
        "follow_ups": which.follow_ups,
        "parts": [message(part) for part in which.parts],
    }


def base(which: Base) -> dict[str, Any]:
    """Return a base with its tables, without their records."""
    return {
        "app_token": which.app_token,
        "name": which.name,
        "shared_with": sorted(which.shared_with),
        **limits(which),
        "tables": [_table(table) for table in which.tables.values()],
    }


def limits(base: Base) -> dict[str, Any]:
    """Return what advanced permissions leave to whom."""
    return {
        "is_advanced": base.is_advanced,
        "limits": {app_id: asdict(limit) for app_id, limit in base.limits.items()},
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "table_id": table.table_id,
        "name": table.name,
        "fields": [render_field(table, column) for column in table.fields.values()],
        "record_count": len(table.records),
    }


def record(table: Table, which: Record) -> dict[str, Any]:
    """Return a record with its cells by the names of their fields."""
    return _record(table.fields, which)


def _record(columns: Mapping[str, Field], which: Record) -> dict[str, Any]:
    shown = {}
    for field_id, value in which.cells.items():
        column = columns.get(field_id)
        if column is None:  # deleted just now
            continue
        people = column.type == USER
        shown[column.name] = [person.user_id for person in value] if people else value
    return {"record_id": which.record_id, "fields": shown}
