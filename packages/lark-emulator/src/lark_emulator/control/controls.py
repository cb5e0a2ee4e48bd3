"""The control plane for Python callers: what `Emulator` can do besides starting and stopping."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.control import admin_api, plane
from lark_emulator.control.approval_controls import ApprovalControls
from lark_emulator.control.callback_controls import CallbackControls
from lark_emulator.control.connection_controls import ConnectionControls
from lark_emulator.control.document_controls import DocumentControls
from lark_emulator.control.office_controls import OfficeControls
from lark_emulator.control.sheet_controls import SheetControls
from lark_emulator.control.stub_controls import StubControls
from lark_emulator.control.table_controls import TableControls
from lark_emulator.control.user_controls import UserControls
from lark_emulator.world.apps import DEFAULT_APP_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def _parse_json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


class Controls(
    ApprovalControls,
    CallbackControls,
    ConnectionControls,
    OfficeControls,
    DocumentControls,
    SheetControls,
    StubControls,
    TableControls,
    UserControls,
    ABC,
):
    """Every operation of the control plane as a method. Bad input raises ValueError."""

    @property
    @abstractmethod
    def base_url(self) -> str:
        """Where clients find it, without a trailing slash."""

    def state(self, *, summary: bool = False) -> dict[str, Any]:
        """Return everything the emulator holds; without records and messages if `summary`."""
        return self._do(plane.get_state, {"summary": "1"} if summary else {})

    def requests(
        self, method: str = "*", path: str = "*", *, after: int = 0, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the newest requests, oldest first; counters are in `state()`.

        Args:
            method: An HTTP method, or `*`.
            path: An exact path, a template such as `/open-apis/im/v1/messages/:message_id`, or a pattern with
                `*`.
            after: The `id` of a request; only requests with a greater one are returned.
            limit: How many requests to return at most, the newest ones; absent = all that match.

        Returns:
            For each request `id`, `at` (seconds since the epoch), `method`, `path`, `query`, `route`,
            `status`, `code`, `app_id`, `ms`, `request` and `response` (texts without credentials), and
            `request_json` and `response_json` (the same parsed; None for what is not JSON).
        """
        spec = {"method": method, "path": path, "after": after, "limit": limit}
        log: list[dict[str, Any]] = self._do(plane.list_requests, spec)["requests"]
        return [
            {
                **request,
                "request_json": _parse_json(request["request"]),
                "response_json": _parse_json(request["response"]),
            }
            for request in log
        ]

    def reset(self) -> None:
        """Return to the state of a fresh emulator."""
        self._do(plane.reset, {})

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings and return them all, see `settings.Settings`.

        Raises:
            ValueError: an unknown name or a wrong value; nothing is changed then.
        """
        return self._do(plane.change_settings, changes)

    def fault(
        self,
        method: str = "*",
        path: str = "*",
        *,
        times: int = 1,
        skip: int = 0,
        status: int | None = None,
        code: int | None = None,
        msg: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        delay_ms: float | None = None,
        drop: str | None = None,
        perform: str | None = None,
        late_s: float | None = None,
    ) -> None:
        """Plan a failure, see `faults.Fault` for what each argument means.

        Raises:
            ValueError: an argument that makes no sense, or nothing to do.
        """
        plan = {
            "method": method,
            "path": path,
            "times": times,
            "skip": skip,
            "status": status,
            "code": code,
            "msg": msg,
            "headers": None if headers is None else dict(headers),
            "body": body,
            "delay_ms": delay_ms,
            "drop": drop,
            "perform": perform,
            "late_s": late_s,
        }
        self._do(plane.add_fault, plan)

    def clear_faults(self) -> None:
        """Forget all planned failures."""
        self._do(plane.clear_faults, {})

    def late_requests(self) -> list[dict[str, Any]]:
        """Return the requests that were or will be performed late, see `late.LateRequest`."""
        late: list[dict[str, Any]] = self._do(plane.list_late, {})["late"]
        return late

    def add_app(
        self,
        app_id: str | None = None,
        secret: str | None = None,
        *,
        name: str | None = None,
        scopes: Iterable[str] | None = None,
        available_to: Iterable[str] | None = None,
        store: bool = False,
        **details: Any,
    ) -> dict[str, Any]:
        """Add an app and return its `app_id`, `app_secret` and `bot_open_id`.

        Args:
            app_id: The app's id; generated if absent.
            secret: The app's secret; generated if absent.
            name: The name of the app's bot.
            scopes: The scopes that the app is granted; absent = all.
            available_to: The user ids that the app may write to and read about; absent = everyone.
            store: Whether it is a store (ISV) app.
            details: Further members, `pending_scopes`, `tenant_keys`, `enabled`, `bot`, `event_mode`,
                `callback_mode`, `redirect_urls` and `event_types`; see `change_app`.

        Raises:
            ValueError: the id is taken or malformed, or an unknown detail.
        """
        spec = {
            "app_id": app_id,
            "secret": secret,
            "name": name,
            "scopes": None if scopes is None else list(scopes),
            "available_to": None if available_to is None else list(available_to),
            "store": store,
            **details,
        }
        return self._do(admin_api.add_app, spec)

    def change_app(self, app_id: str | None = None, **changes: Any) -> dict[str, Any]:
        """Change an app, all or nothing, and return it as the state shows it.

        Args:
            app_id: The app's id; absent = the app that exists from the start.
            changes: Members to change: `secret`; `name`; `scopes` and `available_to` (lists, or None for
                everything and everyone); `pending_scopes` (applied for and not granted); `tenant_keys` (where
                it is installed, `[]` = nowhere); `enabled` and `bot` (booleans); `event_mode` and
                `callback_mode` (how events and card callbacks come: `auto`, `http` or `long_connection`);
                `redirect_urls` (where its authorization page may send users back to, or None for anywhere);
                `event_types` (which events it gets when something happens here; a list, or None for all).

        Raises:
            ValueError: no such app, an unknown member or a wrong type.
        """
        return self._do(admin_api.change_app, {"app_id": app_id or DEFAULT_APP_ID, **changes})

    def add_user(self, user_id: str | None = None, **details: str) -> dict[str, Any]:
        """Add a user and return all ids.

        Args:
            user_id: The user's user_id; generated if absent.
            details: Members of the user: `name`, `en_name`, `email`, `enterprise_email`, `mobile`, `status`;
                and `tenant_key`, for a person of another tenant, whom no app here can look up or write to
                alone.

        Raises:
            ValueError: the user_id is taken, or an unknown detail.
        """
        return self._do(admin_api.add_user, {"user_id": user_id, **details})

    def change_user(self, user_id: str, **changes: str) -> dict[str, Any]:
        """Change a user, all or nothing, and return all ids.

        Args:
            user_id: The user_id of the user to change.
            changes: Members to change: `name`, `en_name`, `email`, `enterprise_email`, `mobile` (an empty one
                removes it), and `status`, one of `activated`, `frozen`, `resigned`, `exited`, `unjoin`.

        Raises:
            ValueError: no such user, or an unknown member or status.
        """
        return self._do(admin_api.change_user, {"user_id": user_id, **changes})

    def add_chat(
        self,
        name: str,
        *,
        chat_id: str | None = None,
        users: Iterable[str] = (),
        bots: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Add a group with `users` (user ids) and `bots` (app ids), and return it.

        Raises:
            ValueError: the chat_id is taken, or a member is unknown.
        """
        spec = {"name": name, "chat_id": chat_id, "users": list(users), "bots": list(bots)}
        return self._do(admin_api.add_chat, spec)

    def change_chat(
        self,
        chat_id: str,
        *,
        add_users: Iterable[str] = (),
        remove_users: Iterable[str] = (),
        add_bots: Iterable[str] = (),
        remove_bots: Iterable[str] = (),
        dissolved: bool | None = None,
    ) -> dict[str, Any]:
        """Change a chat, all or nothing, and return it without its messages.

        Args:
            chat_id: The id of a group or a p2p chat, `oc_…`.
            add_users: The user ids of users to add, those of other tenants too.
            remove_users: The user ids of members to remove.
            add_bots: The app ids of bots to add.
            remove_bots: The app ids of bots to remove; a removed bot can neither write nor update its cards
                there (230002).
            dissolved: Whether the chat is dissolved, so that writing to it is refused (232009); None =
                unchanged.

        Raises:
            ValueError: no such chat, user, app or member.
        """
        lists = {"add_users": add_users, "remove_users": remove_users}
        lists |= {"add_bots": add_bots, "remove_bots": remove_bots}
        spec = {
            "chat_id": chat_id,
            "dissolved": dissolved,
            **{name: list(ids) for name, ids in lists.items()},
        }
        return self._do(admin_api.change_chat, spec)

    def change_message(
        self, message_id: str, *, age_s: float | None = None, recalled: bool = False
    ) -> dict[str, Any]:
        """Change a message as time and people do, and return it as the state shows it.

        Args:
            message_id: The id of the message, `om_…`.
            age_s: How many seconds before now the message was sent; a card of 14 days can be neither updated
                (230031) nor used.
            recalled: Whether its group's owner has recalled the message; an update gets 230011, and apps in
                the chat are sent the event.

        Raises:
            ValueError: no such message, or a wrong age.
        """
        spec = {"message_id": message_id, "age_s": age_s, "recalled": recalled}
        return self._do(admin_api.change_message, spec)

    def add_webhook(
        self,
        name: str | None = None,
        *,
        token: str | None = None,
        secret: str | None = None,
        keywords: Iterable[str] = (),
    ) -> str:
        """Add a custom bot and return the URL of its webhook; its messages are in `state()["webhooks"]`.

        Args:
            name: The name of the bot.
            token: The last part of the URL; generated if absent.
            secret: The secret with which messages must be signed; absent = no signature is needed.
            keywords: The words of which each message must contain at least one.

        Raises:
            ValueError: the token is taken, or there are more than ten keywords.
        """
        spec = {"name": name, "token": token, "secret": secret, "keywords": list(keywords)}
        return self.base_url + str(self._do(admin_api.add_webhook, spec)["path"])

    def add_wiki_node(
        self,
        obj_type: str,
        obj_token: str,
        *,
        title: str | None = None,
        shared_with: Iterable[str] | None = None,
        space_id: str | None = None,
        parent: str | None = None,
    ) -> str:
        """Add a wiki page that holds a document, and return its node_token.

        Args:
            obj_type: The type of the document, such as `bitable`, `docx` or `sheet`.
            obj_token: The document's own token; a base must exist.
            title: The title of the page.
            shared_with: The ids of the apps that may read the page; absent = all.
            space_id: The id of the wiki space; absent = that of the page above, or the space that exists from
                the start.
            parent: The node_token of the page above; absent = the page is on the first level.

        Raises:
            ValueError: an unknown type, base, app, space or page.
        """
        apps = None if shared_with is None else list(shared_with)
        spec = {"obj_type": obj_type, "obj_token": obj_token, "title": title, "shared_with": apps}
        spec |= {"space_id": space_id, "parent_node_token": parent}
        return str(self._do(admin_api.add_wiki_node, spec)["node_token"])

    def advance(self, seconds: float) -> None:
        """Move the emulator's clock forward; returns when all that was due by then was tried.

        Raises:
            ValueError: a negative number of seconds.
        """
        self._do(plane.move_clock, {"advance": seconds})
