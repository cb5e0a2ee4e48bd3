"""All emulated endpoints, one list; what else Lark has answers 501, and any other path 404."""

from __future__ import annotations

from lark_emulator import auth, bot, discovery, gaps, mailboxes, minutes, scopes, store_auth, tenancy
from lark_emulator.approval import comments as approval_comments
from lark_emulator.approval import definitions, querying
from lark_emulator.approval import instances as approval_instances
from lark_emulator.approval import tasks as approval_tasks
from lark_emulator.bitable import apps, fields, historical, records, search, tables, views
from lark_emulator.calendar import attendees, calendars, events, instances
from lark_emulator.callbacks import update
from lark_emulator.cardkit import cards as card_entities
from lark_emulator.cardkit import components
from lark_emulator.contact import changes as user_changes
from lark_emulator.contact import department_changes, departments, directory, users
from lark_emulator.contact import legacy as legacy_users
from lark_emulator.conversions import exports, imports
from lark_emulator.docx import children, convert, documents, edits, reading
from lark_emulator.drive import downloads, files, permissions, public, subscriptions
from lark_emulator.drive import uploads as drive_uploads
from lark_emulator.im import (
    batches,
    changes,
    chat_changes,
    chat_managers,
    chat_search,
    chats,
    forwarding,
    legacy,
    members,
    messages,
    pins,
    reactions,
    readers,
    resources,
    uploads,
    urgent,
    webhook_bot,
)
from lark_emulator.oauth import authorize, older, token
from lark_emulator.routing import RouteTable
from lark_emulator.sheets import (
    dimensions,
    dropdowns,
    filter_views,
    filters,
    finding,
    locks,
    pictures,
    reads,
    rules,
    spreadsheets,
    styles,
    values,
    worksheets,
)
from lark_emulator.tasks import comments, tasklists, tasks
from lark_emulator.tasks import members as task_members
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
    *reactions.ROUTES,
    *forwarding.ROUTES,
    *pins.ROUTES,
    *readers.ROUTES,
    *urgent.ROUTES,
    *batches.ROUTES,
    *legacy.ROUTES,
    *chats.ROUTES,
    *chat_changes.ROUTES,
    *chat_managers.ROUTES,
    *chat_search.ROUTES,
    *members.ROUTES,
    *webhook_bot.ROUTES,
    *update.ROUTES,
    *card_entities.ROUTES,
    *components.ROUTES,
    *users.ROUTES,
    *legacy_users.ROUTES,
    *user_changes.ROUTES,
    *directory.ROUTES,
    *departments.ROUTES,
    *department_changes.ROUTES,
    *calendars.ROUTES,
    *events.ROUTES,
    *instances.ROUTES,
    *attendees.ROUTES,
    *tasks.ROUTES,
    *task_members.ROUTES,
    *tasklists.ROUTES,
    *comments.ROUTES,
    *tenancy.ROUTES,
    *mailboxes.ROUTES,
    *minutes.ROUTES,
    *apps.ROUTES,
    *tables.ROUTES,
    *fields.ROUTES,
    *records.ROUTES,
    *historical.ROUTES,
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
    *locks.ROUTES,
    *filter_views.ROUTES,
    *pictures.ROUTES,
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
    *definitions.ROUTES,
    *approval_instances.ROUTES,
    *querying.ROUTES,
    *approval_tasks.ROUTES,
    *approval_comments.ROUTES,
)

TABLE = RouteTable((*ROUTES, *gaps.list_gaps(ROUTES)))
