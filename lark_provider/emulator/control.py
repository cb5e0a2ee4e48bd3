"""The control plane: `/_emulator/…`, and the same operations for Python callers in this process."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from lark_provider.emulator import snapshot, wiki
from lark_provider.emulator.exchange import Answer, as_json
from lark_provider.emulator.faults import Fault
from lark_provider.emulator.im import webhook_bot

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_provider.emulator.dispatch import Lark
    from lark_provider.emulator.exchange import Request

PREFIX = "/_emulator/"

T = TypeVar("T")


class Control:
    """Looks into one emulated Lark, and changes it. Bad input raises ValueError, over HTTP status 400."""

    def __init__(self, lark: Lark) -> None:
        self._lark = lark

    def handle(self, request: Request) -> Answer:
        """Answer a request under `/_emulator/`."""
        name = request.path.removeprefix(PREFIX)
        operations: dict[tuple[str, str], Callable[[dict[str, Any]], dict[str, Any]]] = {
            ("GET", "state"): lambda _: self.state(summary=dict(request.query).get("summary") == "1"),
            ("GET", "requests"): lambda _: self.requests(),
            ("POST", "reset"): lambda _: self.reset(),
            ("GET", "settings"): lambda _: self.settings({}),
            ("POST", "settings"): self.settings,
            ("GET", "faults"): lambda _: self.faults(),
            ("POST", "faults"): self.add_fault,
            ("DELETE", "faults"): lambda _: self.clear_faults(),
            ("POST", "apps"): self.add_app,
            ("POST", "users"): self.add_user,
            ("POST", "chats"): self.add_chat,
            ("POST", "webhooks"): self.add_webhook,
            ("POST", "bases/share"): self.share_base,
            ("POST", "wiki/nodes"): self.add_wiki_node,
            ("POST", "tokens/revoke"): self.revoke_tokens,
            ("POST", "clock"): self.move_clock,
        }
        operation = operations.get((request.method, name))
        if operation is None:
            known = sorted(f"{method} {PREFIX}{path}" for method, path in operations)
            return as_json({"error": f"no {request.method} {request.path}", "known": known}, 404)
        try:
            body = orjson.loads(request.body) if request.body else {}
            if not isinstance(body, dict):
                return as_json({"error": "the body must be a JSON object"}, 400)
            return as_json(operation(body))
        except ValueError as error:  # orjson.JSONDecodeError is one, too
            return as_json({"error": str(error)}, 400)

    def state(self, *, summary: bool = False) -> dict[str, Any]:
        """Return everything the emulator holds; without records and messages if `summary`."""
        return snapshot.of(self._lark, summary=summary)

    def requests(self) -> dict[str, Any]:
        """Return the request log and its counters."""
        return self._lark.log.as_dict()

    def reset(self) -> dict[str, Any]:
        """Return to the state of a fresh emulator."""
        self._lark.reset()
        return {}

    def settings(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Change settings, all or none, and return them all."""
        self._lark.settings.change(changes)
        return self._lark.settings.as_dict()

    def faults(self) -> dict[str, Any]:
        """Return the failures still to come."""
        return {"faults": [fault.as_dict() for fault in self._lark.faults.planned]}

    def add_fault(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Plan a failure, see `faults.Fault`."""
        self._lark.faults.planned.append(Fault.made_from(plan))
        return self.faults()

    def clear_faults(self) -> dict[str, Any]:
        """Forget all planned failures."""
        self._lark.faults.planned.clear()
        return {}

    def add_app(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Add an app: `app_id`, `secret`, `name`, `scopes` and `available_to` (lists), all optional.

        Returns:
            Its `app_id` and `app_secret`; nothing else ever shows the secret.
        """
        _only(spec, "app_id", "secret", "name", "scopes", "available_to")
        scopes, available_to = _names(spec, "scopes"), _names(spec, "available_to")
        app = self._lark.world.add_app(
            _text(spec, "app_id") or None,
            _text(spec, "secret") or None,
            _text(spec, "name") or "App",
            None if scopes is None else frozenset(scopes),
            None if available_to is None else frozenset(available_to),
        )
        return {"app_id": app.app_id, "app_secret": app.secret, "bot_open_id": app.bot_open_id}

    def add_user(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Add a user: `user_id`, and `name`, `en_name`, `email`, `mobile` if wanted."""
        _only(spec, "user_id", "name", "en_name", "email", "mobile")
        world = self._lark.world
        user = world.add_user(
            _text(spec, "user_id") or world.new_id("", 8),
            _text(spec, "name"),
            _text(spec, "en_name"),
            _text(spec, "email"),
            _text(spec, "mobile"),
        )
        return snapshot.user(self._lark, user)

    def add_chat(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Add a group: `name`, and `chat_id`, `users` (user ids), `bots` (app ids) if wanted."""
        _only(spec, "name", "chat_id", "users", "bots")
        world = self._lark.world
        chat = world.add_chat(
            _text(spec, "name"),
            users=[_found(world.users, "user", name) for name in _names(spec, "users") or []],
            bots=[_found(world.apps, "app", name) for name in _names(spec, "bots") or []],
            chat_id=_text(spec, "chat_id") or None,
        )
        return snapshot.chat(chat, summary=True)

    def add_webhook(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Add a custom bot: `name`, `token`, `secret` and `keywords` (a list), all optional.

        Returns:
            The `path` of its webhook; nothing else ever shows it.
        """
        _only(spec, "name", "token", "secret", "keywords")
        bot = webhook_bot.add(
            self._lark.world,
            _text(spec, "name") or "Custom bot",
            _text(spec, "token") or None,
            _text(spec, "secret") or None,
            _names(spec, "keywords") or (),
        )
        return {"token": bot.token, "path": webhook_bot.PATH + bot.token}

    def share_base(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Open a base (`app_token`) to another app (`app_id`)."""
        _only(spec, "app_token", "app_id")
        base = _found(self._lark.world.bases, "base", _text(spec, "app_token"))
        app = _found(self._lark.world.apps, "app", _text(spec, "app_id"))
        base.shared_with.add(app.app_id)
        return {"shared_with": sorted(base.shared_with)}

    def add_wiki_node(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Add a wiki page that holds `obj_token` of `obj_type`; `title` and `shared_with` if wanted."""
        _only(spec, "obj_type", "obj_token", "title", "shared_with")
        apps = _names(spec, "shared_with")
        for name in apps or ():
            _found(self._lark.world.apps, "app", name)
        return wiki.shown(
            wiki.add(
                self._lark.world,
                _text(spec, "obj_type"),
                _text(spec, "obj_token"),
                _text(spec, "title") or "Page",
                apps,
            )
        )

    def revoke_tokens(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Make tokens invalid at once: of one app (`app_id`), or of all."""
        _only(spec, "app_id")
        return {"revoked": self._lark.tokens.revoke(_text(spec, "app_id") or None)}

    def move_clock(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Move the clock forward by `advance` seconds, and return the time."""
        _only(spec, "advance")
        seconds = spec.get("advance")
        if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not math.isfinite(seconds):
            raise ValueError(f"'advance' must be a number of seconds, not {seconds!r}")
        self._lark.clock.advance(seconds)
        return {"now": self._lark.clock.now()}


def _only(spec: dict[str, Any], *known: str) -> None:
    for name in spec:
        if name not in known:
            raise ValueError(f"unknown member {name!r}; known: {', '.join(known)}")


def _text(spec: dict[str, Any], name: str) -> str:
    value = spec.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name!r} must be a string, not {value!r}")  # noqa: TRY004 - one kind for bad input
    return value


def _names(spec: dict[str, Any], name: str) -> list[str] | None:
    value = spec.get(name)
    if value is None:
        return None
    if not isinstance(value, (list, tuple, set, frozenset)) or not all(isinstance(v, str) for v in value):
        raise ValueError(f"{name!r} must be a list of strings, not {value!r}")
    return list(value)


def _found(known: dict[str, T], kind: str, name: str) -> T:
    try:
        return known[name]
    except KeyError:
        raise ValueError(f"no {kind} {name!r}; known: {', '.join(known)}") from None
