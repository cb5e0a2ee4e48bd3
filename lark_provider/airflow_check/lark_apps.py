"""Checks of Lark for the bridge: the apps, whom the routes and commands name, and escalations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

from lark_provider import config
from lark_provider.api import scopes
from lark_provider.api.contact import UserIdType
from lark_provider.api.routes.commands import DIRECT, CommandRule
from lark_provider.api.routes.model import Route, RouteReceiver, Routes
from lark_provider.bridge.command_check import SUBSCRIPTION, list_missing_scopes
from lark_provider.bridge.escalating import QUOTA
from lark_provider.bridge.escalation_check import list_faults
from lark_provider.checks import Check, CheckOutcome, RunCheck
from lark_provider.client import LarkServiceClient
from lark_provider.doctor import examine
from lark_provider.errors import LarkAPIError, LarkError
from lark_provider.protocol.hitl.people import PeopleSettings
from lark_provider.protocol.paths import fill_path
from lark_provider.storage import urls
from lark_provider.storage.waiting_escalations import WaitingEscalations

_CALL_SECONDS = 10.0
_QUOTA_DAYS = timedelta(days=31)
"""A quota that was used up longer ago may have been renewed."""


def check_lark(checks: list[Check], run: RunCheck, routes: Routes, app_id: str | None) -> None:
    """Check each app that the routes and commands name.

    Args:
        checks: Results of `doctor` are added to them.
        run: Runs each check, and adds its result.
        routes: Those of `lark.yaml`.
        app_id: The app where a route or command names none; else that of `lark.yaml`.
    """
    by_app: dict[str | None, list[RouteReceiver]] = {app_id or routes.app_id: []}
    for route in routes.routes:
        for receiver in route.receivers:
            by_app.setdefault(receiver.app_id or app_id or routes.app_id, []).append(receiver)
    commands: dict[str | None, list[CommandRule]] = {}
    for rule in routes.commands:
        app = rule.app_id or app_id or routes.app_id
        commands.setdefault(app, []).append(rule)
        by_app.setdefault(app, []).extend(_list_command_receivers(rule))
    for app, receivers in by_app.items():
        prefix = "" if len(by_app) == 1 else f"{app or 'default app'} "
        results = examine(app, areas=("messages", "people"))
        checks.extend(
            Check(f"{prefix}{result.name}", result.status, result.text, result.ms, result.details)
            for result in results
        )
        if any(result.name in {"app", "token"} and result.status == "unhealthy" for result in results):
            continue
        client = LarkServiceClient(app, timeout=_CALL_SECONDS, max_retries=1)
        people = routes.people if app == (app_id or routes.app_id) else PeopleSettings()
        if receivers or people.users:
            run(f"{prefix}receivers", lambda: _check_receivers(client, receivers, people))  # noqa: B023 - called now
        own = [(route, [to for to in route.receivers if to in receivers]) for route in routes.routes]
        escalated = [(route, to) for route, to in own if route.escalation is not None and to]
        if escalated:
            run(f"{prefix}escalation", lambda: _check_escalation(client, escalated))  # noqa: B023 - called now
        if rules := commands.get(app):
            run(f"{prefix}commands", lambda: check_commands(client, rules))  # noqa: B023 - called now


def _check_escalation(
    client: LarkServiceClient, routes: Sequence[tuple[Route, Sequence[RouteReceiver]]]
) -> CheckOutcome:
    used_up: Mapping[str, datetime] = {}
    if config.has_database():
        used_up = WaitingEscalations(urls.database()).read_last_failures(_QUOTA_DAYS, QUOTA)
    problems = list_faults(client, routes, used_up)
    if problems:
        return CheckOutcome(
            f"{len(problems)} fault(s) in the escalation of {len(routes)} route(s). Next: grant the scopes "
            "and publish a version, invite people to the chats, and correct the rotas.",
            "unhealthy",
            tuple(problems),
        )
    return CheckOutcome(
        f"{len(routes)} route(s): scopes and members are right; no call tells the quota that is left"
    )


def _list_command_receivers(rule: CommandRule) -> list[RouteReceiver]:
    """Return the chats and people of a command, whom the bot must reach to answer."""
    chats = [RouteReceiver(rule.app_id, chat, "chat_id") for chat in rule.chats if chat != DIRECT]
    return chats + [RouteReceiver(rule.app_id, open_id, "open_id") for open_id in rule.people]


def check_commands(client: LarkServiceClient, rules: Sequence[CommandRule]) -> CheckOutcome:
    """Check the scopes without which a bot receives no commands.

    Args:
        client: Of the app whose bot it is.
        rules: The commands.
    """
    having = scopes.read_granted_scopes(client.call("GET", "/application/v6/scopes").data)
    lacking = list_missing_scopes(rules, having)
    if lacking:
        return CheckOutcome(
            f"The bot lacks scopes to receive commands: {', '.join(lacking)}. Next: in the developer console "
            "→ Permissions & Scopes → Batch import, paste the following, and publish a version. "
            f"{SUBSCRIPTION}.",
            "unhealthy",
            (scopes.to_import(lacking),),
        )
    return CheckOutcome(
        f"{len(rules)} rule(s); all scopes to receive commands are granted", details=(SUBSCRIPTION,)
    )


def _check_receivers(
    client: LarkServiceClient, receivers: Iterable[RouteReceiver], people: PeopleSettings
) -> CheckOutcome:
    wanted = {(receiver.receiver_type, receiver.receiver) for receiver in receivers}
    wanted |= {("open_id", open_id) for open_id in people.users}
    unreachable = [fault for kind, name in sorted(wanted) if (fault := _find_fault(client, kind, name))]
    if unreachable:
        return CheckOutcome(
            f"{len(unreachable)} of {len(wanted)} receiver(s) cannot be reached. Next: invite the bot to the "
            "chats, make the app available to the people, or correct their ids.",
            "unhealthy",
            tuple(unreachable),
        )
    return CheckOutcome(f"{len(wanted)} chat(s) and person(s) can be reached")


def _find_fault(client: LarkServiceClient, kind: str, name: str) -> str:
    """Return what is wrong with a receiver; empty if nothing is."""
    try:
        if kind == "chat_id":
            where = fill_path("/im/v1/chats/{chat_id}/members/is_in_chat", chat_id=name)
            is_in = client.call("GET", where).data.get("is_in_chat")
            return "" if is_in else f"{name}: the bot is not in this chat"
        if kind == "email":
            open_ids = client.contact.find_by_email([name], max_age=0)
            return "" if open_ids.get(name) else f"{name}: no user visible to the app has this address"
        users = client.contact.get_users([name], user_id_type=cast("UserIdType", kind), max_age=0)
        return "" if users.get(name) is not None else f"{name}: no user visible to the app has this id"
    except LarkAPIError as error:
        return f"{name}: {error.msg or error}"
    except LarkError as error:
        return f"{name}: {error}"
