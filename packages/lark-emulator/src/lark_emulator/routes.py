"""All emulated endpoints, one list; what else Lark has answers 501, and any other path 404."""

from __future__ import annotations

from lark_emulator import auth, bot, contact, discovery, gaps, scopes, store_auth
from lark_emulator.bitable import apps, fields, records, search, tables, views
from lark_emulator.callbacks import update
from lark_emulator.conversions import exports, imports
from lark_emulator.docx import children, convert, documents, edits, reading
from lark_emulator.drive import downloads, files, permissions, public, subscriptions
from lark_emulator.drive import uploads as drive_uploads
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
from lark_emulator.wiki import moving, nodes, spaces
from lark_emulator.wiki import search as wiki_search

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
    *views.ROUTES,
    *spaces.ROUTES,
    *nodes.ROUTES,
    *moving.ROUTES,
    *wiki_search.ROUTES,
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
    *drive_uploads.ROUTES,
    *downloads.ROUTES,
    *subscriptions.ROUTES,
    *imports.ROUTES,
    *exports.ROUTES,
    *documents.ROUTES,
    *reading.ROUTES,
    *children.ROUTES,
    *edits.ROUTES,
    *convert.ROUTES,
)

TABLE = RouteTable((*ROUTES, *gaps.beside(ROUTES)))
