"""The part of the control plane that adds to the tenant what its administrators and users would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.clock import MAX_AHEAD
from lark_emulator.control import snapshot
from lark_emulator.control.specs import (
    read_choice,
    read_flag,
    read_name_set,
    read_names,
    read_text,
    refuse_unknown,
    require_known,
)
from lark_emulator.im import webhook_bot
from lark_emulator.im.announcing import announce_recall
from lark_emulator.wiki import pages
from lark_emulator.world.apps import DEFAULT_APP_ID, MODES, TENANT_KEY
from lark_emulator.world.bases import SIGHTS, Limit
from lark_emulator.world.users import USER_STATUSES

if TYPE_CHECKING:
    from lark_emulator.lark import Lark
    from lark_emulator.world.apps import App

#: What can be said about an app when it is added, and changed later.
APP_MEMBERS = (
    *("secret", "name", "scopes", "pending_scopes", "available_to", "tenant_keys", "enabled", "bot"),
    *("event_mode", "callback_mode", "redirect_urls", "event_types"),
)
#: The same of a user.
USER_MEMBERS = ("name", "en_name", "email", "enterprise_email", "mobile", "status")


def add_app(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Add an app.

    Args:
        lark: The emulator to add the app to.
        spec: Arguments by name, all optional: `app_id`, `store` (a store app, not a custom one), and what
            `change_app` takes.

    Returns:
        Its `app_id`, `app_secret` and `bot_open_id`; nothing else ever shows the secret.
    """
    refuse_unknown(spec, "app_id", "store", *APP_MEMBERS)
    changes = _read_app_changes({name: value for name, value in spec.items() if value is not None})
    app = lark.world.add_app(
        read_text(spec, "app_id") or None,
        changes.pop("secret", None),
        changes.pop("name", "App"),
        store=read_flag(spec, "store", default=False),
    )
    _apply(app, changes)
    return {"app_id": app.app_id, "app_secret": app.secret, "bot_open_id": app.bot_open_id}


def change_app(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Change an app (`app_id`), all or nothing.

    Args:
        lark: The emulator that holds the app.
        spec: Arguments by name: `secret`; `name`; `scopes` and `available_to` (lists, or null for everything
            and everyone); `pending_scopes` (a list); `tenant_keys` (a list: where it is installed, [] =
            nowhere); `enabled` and `bot` (true or false); `event_mode` and `callback_mode` (how events and
            card callbacks come: `auto`, `http` or `long_connection`); `redirect_urls` (a list: where its
            authorization page may send users back to, or null for anywhere); `event_types` (which events it
            gets when something happens here; a list, or null for all).

    Returns:
        The app as the state shows it.
    """
    refuse_unknown(spec, "app_id", *APP_MEMBERS)
    app = require_known(lark.world.apps, "app", read_text(spec, "app_id"))
    _apply(app, _read_app_changes(spec))
    return snapshot.render_app(app)


def _read_app_changes(spec: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name in APP_MEMBERS:
        if name not in spec:
            continue
        if name in ("scopes", "available_to", "redirect_urls", "event_types"):
            changes[name] = read_name_set(spec, name)
        elif name == "pending_scopes":
            changes[name] = read_name_set(spec, name) or frozenset()
        elif name == "tenant_keys":
            tenant_keys = read_name_set(spec, name)
            changes[name] = frozenset({TENANT_KEY}) if tenant_keys is None else tenant_keys
        elif name in ("enabled", "bot"):
            changes[name] = read_flag(spec, name, default=True)
        elif name in ("event_mode", "callback_mode"):
            changes[name] = read_choice(spec, name, MODES)
        elif read_text(spec, name):
            changes[name] = read_text(spec, name)
    return changes


def _apply(app: App, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(app, name, value)


def add_user(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Add a user: `user_id`, and what `change_user` takes, if wanted.

    With `tenant_key`, they belong to another tenant: they can be in groups and click, and no app of this
    tenant can look them up or write to them alone.
    """
    refuse_unknown(spec, "user_id", "tenant_key", *USER_MEMBERS)
    details = _read_user_details(spec)
    later = {name: details.pop(name) for name in ("status", "enterprise_email") if name in details}
    user = lark.world.add_user(read_text(spec, "user_id") or lark.world.make_id("", 8), **details)
    for name, value in later.items():
        setattr(user, name, value)
    user.tenant_key = read_text(spec, "tenant_key") or user.tenant_key
    return snapshot.render_user(lark, user)


def change_user(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Change a user (`user_id`), all or nothing; an empty address or number removes it."""
    refuse_unknown(spec, "user_id", *USER_MEMBERS)
    user = require_known(lark.world.users, "user", read_text(spec, "user_id"))
    for name, value in _read_user_details(spec).items():
        setattr(user, name, value)
    return snapshot.render_user(lark, user)


def _read_user_details(spec: dict[str, Any]) -> dict[str, str]:
    details = {name: read_text(spec, name) for name in USER_MEMBERS if spec.get(name) is not None}
    if details.get("status", USER_STATUSES[0]) not in USER_STATUSES:
        raise ValueError(f"'status' must be one of {', '.join(USER_STATUSES)}, not {details['status']!r}")
    return details


def add_chat(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Add a group: `name`, and `chat_id`, `users` (user ids), `bots` (app ids) if wanted."""
    refuse_unknown(spec, "name", "chat_id", "users", "bots")
    world = lark.world
    chat = world.add_chat(
        read_text(spec, "name"),
        users=[require_known(world.users, "user", name) for name in read_names(spec, "users") or []],
        bots=[require_known(world.apps, "app", name) for name in read_names(spec, "bots") or []],
        chat_id=read_text(spec, "chat_id") or None,
    )
    return snapshot.render_chat(lark.world, chat, summary=True)


def change_chat(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Change a chat (`chat_id`), a group or a p2p chat, all or nothing.

    Args:
        lark: The emulator that holds the chat.
        spec: Arguments by name: `add_users` and `remove_users` (user ids), `add_bots` and `remove_bots` (app
            ids), and `dissolved` (true: nothing can be sent there any more, and no card in it updated).

    Returns:
        The chat, without its messages.
    """
    refuse_unknown(spec, "chat_id", "add_users", "remove_users", "add_bots", "remove_bots", "dissolved")
    world = lark.world
    chat = require_known(world.chats, "chat", read_text(spec, "chat_id"))
    users = [require_known(world.users, "user", name) for name in read_names(spec, "add_users") or []]
    bots = [require_known(world.apps, "app", name) for name in read_names(spec, "add_bots") or []]
    gone = [
        require_known(chat.users, "member", name).user_id for name in read_names(spec, "remove_users") or []
    ]
    gone_bots = [
        require_known(chat.bots, "bot", name).app_id for name in read_names(spec, "remove_bots") or []
    ]
    chat.dissolved = read_flag(spec, "dissolved", default=chat.dissolved)
    chat.users |= {user.user_id: user for user in users}
    chat.bots |= {bot.app_id: bot for bot in bots}
    for name in gone:
        chat.users.pop(name, None)
    for name in gone_bots:
        chat.bots.pop(name, None)
    return snapshot.render_chat(lark.world, chat, summary=True)


def change_message(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Change a message (`message_id`) as time and people do.

    Args:
        lark: The emulator that holds the message.
        spec: Arguments by name: `age_s` (it was sent so many seconds before now: a card of 14 days can be
            neither updated nor used, without the whole clock being moved), and `recalled` (true: by its
            group's owner; apps in the chat are sent the event).

    Returns:
        The message as the state shows it.
    """
    refuse_unknown(spec, "message_id", "age_s", "recalled")
    message = require_known(lark.world.messages, "message", read_text(spec, "message_id"))
    age = spec.get("age_s")
    is_number = isinstance(age, int | float) and not isinstance(age, bool)
    if age is not None and not (is_number and 0 <= age <= MAX_AHEAD):
        raise ValueError(f"'age_s' must be a number of seconds, up to 100 years, not {age!r}")
    if read_flag(spec, "recalled", default=False) and not message.deleted:
        message.deleted = True
        announce_recall(lark.world, message, "group_owner")
    if age is not None:
        message.create_time = lark.clock.get_time_ms() - int(age * 1000)
    return snapshot.render_message(lark.world, message)


def add_webhook(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Add a custom bot: `name`, `token`, `secret` and `keywords` (a list), all optional.

    Returns:
        The `path` of its webhook; nothing else ever shows it.
    """
    refuse_unknown(spec, "name", "token", "secret", "keywords")
    bot = webhook_bot.add(
        lark.world,
        read_text(spec, "name") or "Custom bot",
        read_text(spec, "token") or None,
        read_text(spec, "secret") or None,
        read_names(spec, "keywords") or (),
    )
    return {"token": bot.token, "path": webhook_bot.PATH + bot.token}


def share_base(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Open a base (`app_token`) to another app (`app_id`)."""
    refuse_unknown(spec, "app_token", "app_id")
    base = require_known(lark.world.bases, "base", read_text(spec, "app_token"))
    app = require_known(lark.world.apps, "app", read_text(spec, "app_id"))
    base.shared_with.add(app.app_id)
    return {"shared_with": sorted(base.shared_with)}


def limit_base(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Set what advanced permissions of a base (`app_token`) leave to an app (`app_id`).

    Args:
        lark: The emulator that holds the base.
        spec: Arguments by name: `sees` (the records it sees: `all`, `own` or `none`; absent = all), `writes`
            (absent = true), and `is_advanced` (absent = true), which turns advanced permissions on or off for
            all apps.
    """
    refuse_unknown(spec, "app_token", "app_id", "sees", "writes", "is_advanced")
    base = require_known(lark.world.bases, "base", read_text(spec, "app_token"))
    app = require_known(lark.world.apps, "app", read_text(spec, "app_id") or DEFAULT_APP_ID)
    limit = read_sight(spec)
    base.is_advanced = read_flag(spec, "is_advanced", default=True)
    base.limits[app.app_id] = limit
    return snapshot.render_limits(base)


def read_sight(spec: dict[str, Any]) -> Limit:
    """Return what `sees` and `writes` say."""
    sees = read_text(spec, "sees") or SIGHTS[0]
    if sees not in SIGHTS:
        raise ValueError(f"'sees' must be one of {', '.join(SIGHTS)}, not {sees!r}")
    return Limit(sees, read_flag(spec, "writes", default=True))


def add_wiki_node(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Add a wiki page that holds `obj_token` of `obj_type`, and return it.

    Args:
        lark: The emulator to add the page to.
        spec: Arguments by name: `obj_type`, `obj_token`, and if wanted `title`, `shared_with` (the apps that
            may read it), `space_id` and `parent_node_token`.
    """
    refuse_unknown(spec, "obj_type", "obj_token", "title", "shared_with", "space_id", "parent_node_token")
    apps = read_names(spec, "shared_with")
    for name in apps or ():
        require_known(lark.world.apps, "app", name)
    node = pages.add(
        lark.world,
        read_text(spec, "obj_type"),
        read_text(spec, "obj_token"),
        read_text(spec, "title") or "Page",
        apps,
        space_id=read_text(spec, "space_id"),
        parent=read_text(spec, "parent_node_token"),
    )
    return pages.render(lark.world, node)
