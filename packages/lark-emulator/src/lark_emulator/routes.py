"""All emulated endpoints, one list; what else Lark has answers 501, and any other path 404."""

from __future__ import annotations

from lark_emulator import auth, bot, contact, discovery, gaps, scopes, store_auth, wiki
from lark_emulator.bitable import apps, fields, records, search, tables
from lark_emulator.callbacks import update
from lark_emulator.drive import files, permissions, public
from lark_emulator.im import changes, chats, members, messages, resources, uploads, webhook_bot
from lark_emulator.oauth import authorize, older, token
from lark_emulator.routing import RouteTable
from lark_emulator.sheets import (
    dimensions,
    dropdowns,
    filters,
    finding,
    reads,
    rules,
    spreadsheets,
    styles,
    values,
    worksheets,
)

ROUTES = (
    *auth.ROUTES,
    *store_auth.ROUTES,
    *authorize.ROUTES,
    *token.ROUTES,
    *older.ROUTES,
    *scopes.ROUTES,
    *discovery.ROUTES,
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
    *spreadsheets.ROUTES,
    *worksheets.ROUTES,
    *values.ROUTES,
    *reads.ROUTES,
    *styles.ROUTES,
    *dimensions.ROUTES,
    *filters.ROUTES,
    *finding.ROUTES,
    *rules.ROUTES,
    *dropdowns.ROUTES,
    *files.ROUTES,
    *permissions.ROUTES,
    *public.ROUTES,
)

TABLE = RouteTable((*ROUTES, *gaps.beside(ROUTES)))
