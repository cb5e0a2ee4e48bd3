"""All emulated endpoints, one list. What is not here answers 404."""

from __future__ import annotations

from lark_provider.emulator import auth, bot, contact, scopes, store_auth, wiki
from lark_provider.emulator.bitable import apps, fields, records, search, tables
from lark_provider.emulator.callbacks import update
from lark_provider.emulator.im import changes, chats, members, messages, resources, uploads, webhook_bot
from lark_provider.emulator.routing import RouteTable

ROUTES = (
    *auth.ROUTES,
    *store_auth.ROUTES,
    *scopes.ROUTES,
    *bot.ROUTES,
    *messages.ROUTES,
    *changes.ROUTES,
    *uploads.ROUTES,
    *resources.ROUTES,
    *chats.ROUTES,
    *members.ROUTES,
    *webhook_bot.ROUTES,
    *update.ROUTES,
    *contact.ROUTES,
    *apps.ROUTES,
    *tables.ROUTES,
    *fields.ROUTES,
    *records.ROUTES,
    *search.ROUTES,
    *wiki.ROUTES,
)

TABLE = RouteTable(ROUTES)
