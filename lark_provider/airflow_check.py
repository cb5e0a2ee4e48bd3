"""Check the routes and the bridge's settings against the running Airflow and Lark. Nothing is changed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, TypeAlias, cast
from urllib.parse import quote

from lark_provider import __version__, config
from lark_provider.api import scopes
from lark_provider.api.contact import UserIdType
from lark_provider.api.routes.commands import DIRECT, CommandRule
from lark_provider.api.routes.model import Receiver, Route, Routes
from lark_provider.bridge import reading
from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.command_check import SUBSCRIPTION, missing_scopes
from lark_provider.bridge.errors import AirflowRefusedError
from lark_provider.bridge.escalating import QUOTA
from lark_provider.bridge.escalation_check import faults
from lark_provider.bridge.routes import RoutesFile
from lark_provider.bridge.settings import Credentials, Settings, load
from lark_provider.checks import Check, Outcome, check
from lark_provider.client import LarkServiceClient
from lark_provider.doctor import examine
from lark_provider.errors import LarkAPIError, LarkError
from lark_provider.protocol.hitl.people import PeopleSettings
from lark_provider.protocol.hitl.proof import CHECK_EVENT, CLICK_PATH, SECRET_VARIABLE, BridgeSecrets
from lark_provider.protocol.paths import path
from lark_provider.storage import urls
from lark_provider.storage.api_servers import ApiServers
from lark_provider.storage.escalations import WaitingEscalations

Run: TypeAlias = Callable[[str, Callable[[], Outcome]], bool]
"""Runs a check, and returns whether what relies on it can be checked."""

_SECONDS = 10.0
_QUOTA_DAYS = timedelta(days=31)
"""A quota that was used up longer ago may have been renewed."""
_MOST_DAGS = 20
"""DAGs of one route whose tasks are read."""
_FEW_SIGNS = 10
"""A secret with fewer different characters was typed and not drawn at random."""
_READ = ("/dags/~/dagRuns/~/taskInstances", "/dags/~/dagRuns/~/hitlDetails", "/dags/~/dagRuns")
_UNPROVEN, _FORBIDDEN, _SERVER_ERROR = 401, 403, 500
_ABSENT = {404, 405}
"""Airflow's page answers GET of any path, and so 405 to POST."""


def examine_airflow(
    conn_id: str | None = None, *, app_id: str | None = None, team: str | None = None
) -> list[Check]:
    """Check everything that `lark-provider airflow bridge` relies on.

    Args:
        conn_id: The connection of Airflow's that names URL and account; else `LARK_AIRFLOW_*`.
        app_id: The app that sends where a route names none; else the default one.
        team: Of a multi-team Airflow.

    Returns:
        One check each for `routes`, `secret`, `settings`, `airflow`, `account`, `routes in Airflow`,
        `plugin`, `API servers`; then those of `doctor`, the receivers, the escalations of routes if there are
        any and the commands, for each app. What relies on one that has failed is left out.
    """
    checks: list[Check] = []

    def run(name: str, look: Callable[[], Outcome]) -> bool:
        checks.append(check(name, look))
        return checks[-1].status != "unhealthy"

    files: list[RoutesFile] = []
    is_read = run("routes", lambda: _file(files, team))
    run("secret", _secret)
    found: list[Settings] = []
    if run("settings", lambda: _settings(found, conn_id)):
        _airflow(run, found[0], files[0].current() if is_read else None)
    run("API servers", lambda: _servers(files[0].current().hold if is_read else None))
    if is_read:
        _lark(checks, run, files[0].current(), app_id)
    return checks


def _file(found: list[RoutesFile], team: str | None) -> Outcome:
    file = RoutesFile.from_environment(team)
    found.append(file)
    if file.path is None:
        return Outcome(
            f"{config.ROUTES_VARIABLE} names none: questions go to their assignees, failures to nobody",
            "not configured",
        )
    routes = file.current()
    people = len(routes.people.users)
    commands = f", {len(routes.commands)} rule(s) of chat commands" if routes.commands else ""
    return Outcome(f"{len(routes.routes)} route(s) and {people} person(s){commands} in {file.path}")


def _secret() -> Outcome:
    text = os.environ.get(SECRET_VARIABLE, "")
    BridgeSecrets(text)
    weak = [one for one in text.split(",") if one.strip() and len(set(one.strip())) < _FEW_SIGNS]
    if weak:
        return Outcome(
            f"{SECRET_VARIABLE} must be random, got one with few different characters; whoever guesses it "
            "can act as every linked person. Next: set it to the output of `openssl rand -hex 32`.",
            "unhealthy",
        )
    return Outcome("long enough")


def _settings(found: list[Settings], conn_id: str | None) -> Outcome:
    found.append(load(conn_id))
    airflow: Credentials = found[0].airflow
    who = "a token" if airflow.token else f"account {airflow.username}"
    return Outcome(f"Airflow at {airflow.url} with {who}")


def _airflow(
    run: Callable[[str, Callable[[], Outcome]], bool], settings: Settings, routes: Routes | None
) -> None:
    with asyncio.Runner() as runner:
        api = AirflowApi(settings.airflow, verify=settings.verify, timeout=_SECONDS)

        def look(work: Callable[[], Coroutine[Any, Any, Outcome]]) -> Callable[[], Outcome]:
            return lambda: runner.run(work())

        try:
            dags: list[Mapping[str, Any]] = []
            if run("airflow", look(lambda: _version(api))):
                if run("account", look(lambda: _account(api, dags))) and routes is not None:
                    run("routes in Airflow", look(lambda: _matches(api, routes, dags)))
                run("plugin", look(lambda: _plugin(api, settings.secrets)))
        finally:
            runner.run(api.close())


async def _version(api: AirflowApi) -> Outcome:
    found = await api.get("/version") or {}
    return Outcome(f"Airflow {found.get('version')}")


async def _account(api: AirflowApi, dags: list[Mapping[str, Any]]) -> Outcome:
    dags += await api.pages("/dags", "dags", {"order_by": "dag_id", "exclude_stale": "true"})
    for resource in _READ:
        await api.get(resource, {"limit": 1})
    try:
        await api.get("/eventLogs", {"limit": 1})
    except AirflowRefusedError as error:
        if error.status != _FORBIDDEN:
            raise
        return Outcome(
            "The account may not read Airflow's audit log, so a task that fails after it was answered is not "
            "noticed. Next: give it a role that may, such as Viewer in the Simple auth manager.",
            "warning",
        )
    if not dags:
        return Outcome(
            "The account must see DAGs, got none. Next: give it a role that reads all DAGs, such as "
            "Viewer; or add a DAG.",
            "warning",
        )
    return Outcome(f"reads {len(dags)} DAG(s), their runs, tasks and questions")


async def _matches(api: AirflowApi, routes: Routes, dags: Sequence[Mapping[str, Any]]) -> Outcome:
    unused: list[str] = []
    for route in routes.routes:
        fitting = [one for one in dags if _fits(route, one)]
        reason = "" if fitting else "no DAG has such an id, tag and owner"
        if fitting and route.tasks and len(fitting) <= _MOST_DAGS:
            tasks = [task for one in fitting for task in await _tasks(api, str(one["dag_id"]))]
            if not any(fnmatchcase(task, pattern) for task in tasks for pattern in route.tasks):
                reason = f"no task of {len(fitting)} DAG(s) has such an id"
        if not reason and fitting and all(_taken(routes, route, one) for one in fitting):
            reason = "earlier routes take all its DAGs"
        if reason:
            unused.append(f"line {route.line}, {route.name}: {reason}")
    if unused:
        return Outcome(
            f"{len(unused)} of {len(routes.routes)} route(s) match nothing now. Next: correct their "
            "patterns, unless the DAGs are yet to come.",
            "warning",
            tuple(unused),
        )
    return Outcome(f"each of {len(routes.routes)} route(s) matches a DAG")


def _fits(route: Route, dag: Mapping[str, Any]) -> bool:
    """Return whether a route is for a DAG, as far as its tasks and team allow."""
    known = reading.dag(dag)
    return replace(route, tasks=(), teams=()).matches(str(dag["dag_id"]), "", known.tags, known.owners, None)


def _taken(routes: Routes, route: Route, dag: Mapping[str, Any]) -> bool:
    """Return whether earlier routes, whatever the task, take a DAG from a route."""
    taken: set[str] = set()
    for earlier in routes.routes:
        if earlier is route:
            break
        ends = earlier.is_final or earlier.mute
        if ends and not earlier.tasks and not earlier.teams and _fits(earlier, dag):
            taken |= earlier.what
    return route.what <= taken


async def _tasks(api: AirflowApi, dag_id: str) -> list[str]:
    found = await api.get(f"/dags/{quote(dag_id, safe='')}/tasks")
    return [str(one["task_id"]) for one in (found or {}).get("tasks", ())]


async def _plugin(api: AirflowApi, secrets: BridgeSecrets) -> Outcome:
    # Signed, so that a wrong secret is noticed; empty, so that it is about no click.
    body = b"{}"
    headers = secrets.headers("POST", CLICK_PATH, int(time.time()), CHECK_EVENT, body)
    status, _ = await api.deliver(body, headers)
    if status == _UNPROVEN:
        return Outcome(
            f"The plugin must have the same {SECRET_VARIABLE}, and it refused ours. Next: set the same "
            "value in Airflow's API servers, check both clocks, and restart them.",
            "unhealthy",
        )
    if status in _ABSENT:
        return Outcome(
            f"Airflow's API server must have the plugin, got status {status}. Next: install this package "
            f"there, set {SECRET_VARIABLE} and a database, and restart it.",
            "unhealthy",
        )
    if status >= _SERVER_ERROR:
        return Outcome(
            f"The plugin must answer, got status {status}. Next: look in the API server's log.", "unhealthy"
        )
    return Outcome("is there, and takes what this secret signs")


def _servers(hold: float | None) -> Outcome:
    if not config.has_database():
        return Outcome(
            "A database must be configured, got none. Next: set LARK_DATABASE_URL or POSTGRES_HOST, …, the "
            "same for the bridge and Airflow's API servers.",
            "unhealthy",
        )
    found = ApiServers(urls.database()).list()
    details = tuple(
        f"{one.host}: version {one.version}, Airflow {one.airflow_version}, "
        + ("guarded" if one.guarded else f"not guarded: {one.problem or 'no reason given'}")
        + ("" if one.hold_seconds is None else f", holds answers for {one.hold_seconds:g} s")
        for one in found
    )
    if not found:
        return Outcome(
            "Each API server must have recorded itself, got none in the last minutes. Next: check that "
            "they run with this package, the same database and LARK_BRIDGE_SECRET.",
            "unhealthy",
        )
    if not all(one.guarded for one in found):
        return Outcome(
            "Each API server must let exactly one answer count, and some do not. Next: see their reasons; "
            "until then answers are read back before people are told.",
            "unhealthy",
            details,
        )
    if {one.version for one in found} != {__version__}:
        return Outcome(
            f"Each API server should have the version {__version__} of this package, as here, and some have "
            "another one. Next: finish the upgrade; answers count all the same.",
            "warning",
            details,
        )
    holds = {one.hold_seconds for one in found if one.hold_seconds is not None}
    if len(holds) > 1 or (holds and hold is not None and holds != {hold}):
        got = ", ".join(f"{one:g} s" for one in sorted(holds))
        wanted = "" if hold is None else f", and hold of lark.yaml is {hold:g} s"
        return Outcome(
            f"API servers must hold answers equally long, got {got}{wanted}. Next: set LARK_ANSWER_HOLD "
            "alike in all of them, or leave it out and name the same lark.yaml; until then cards wait for "
            "the longest.",
            "warning",
            details,
        )
    return Outcome(f"{len(found)} process(es), each guarded", details=details)


def _lark(
    checks: list[Check],
    run: Run,
    routes: Routes,
    app_id: str | None,
) -> None:
    by_app: dict[str | None, list[Receiver]] = {app_id or routes.app_id: []}
    for receiver in (one for route in routes.routes for one in route.receivers):
        by_app.setdefault(receiver.app_id or app_id or routes.app_id, []).append(receiver)
    commands: dict[str | None, list[CommandRule]] = {}
    for rule in routes.commands:
        app = rule.app_id or app_id or routes.app_id
        commands.setdefault(app, []).append(rule)
        by_app.setdefault(app, []).extend(_places(rule))
    for app, receivers in by_app.items():
        prefix = "" if len(by_app) == 1 else f"{app or 'default app'} "
        found = examine(app, areas=("messages", "people"))
        checks.extend(
            Check(f"{prefix}{one.name}", one.status, one.text, one.ms, one.details) for one in found
        )
        if any(one.name in {"app", "token"} and one.status == "unhealthy" for one in found):
            continue
        client = LarkServiceClient(app, timeout=_SECONDS, max_retries=1)
        people = routes.people if app == (app_id or routes.app_id) else PeopleSettings()
        if receivers or people.users:
            run(f"{prefix}receivers", lambda: _receivers(client, receivers, people))  # noqa: B023 - called now
        own = [(one, [to for to in one.receivers if to in receivers]) for one in routes.routes]
        escalated = [(one, to) for one, to in own if one.escalation is not None and to]
        if escalated:
            run(f"{prefix}escalation", lambda: _escalation(client, escalated))  # noqa: B023 - called now
        if rules := commands.get(app):
            run(f"{prefix}commands", lambda: _commands(client, rules))  # noqa: B023 - called now


def _escalation(client: LarkServiceClient, routes: Sequence[tuple[Route, Sequence[Receiver]]]) -> Outcome:
    used_up: Mapping[str, datetime] = {}
    if config.has_database():
        used_up = WaitingEscalations(urls.database()).quota_used_up(_QUOTA_DAYS, QUOTA)
    found = faults(client, routes, used_up)
    if found:
        return Outcome(
            f"{len(found)} fault(s) in the escalation of {len(routes)} route(s). Next: grant the scopes and "
            "publish a version, invite people to the chats, and correct the rotas.",
            "unhealthy",
            tuple(found),
        )
    return Outcome(
        f"{len(routes)} route(s): scopes and members are right; no call tells the quota that is left"
    )


def _places(rule: CommandRule) -> list[Receiver]:
    """Return the chats and people of a command, whom the bot must reach to answer."""
    chats = [Receiver(rule.app_id, chat, "chat_id") for chat in rule.chats if chat != DIRECT]
    return chats + [Receiver(rule.app_id, one, "open_id") for one in rule.people]


def _commands(client: LarkServiceClient, rules: Sequence[CommandRule]) -> Outcome:
    having = scopes.granted(client.call("GET", "/application/v6/scopes").data)
    lacking = missing_scopes(rules, having)
    if lacking:
        return Outcome(
            f"The bot must hear commands, and lacks {', '.join(lacking)}. Next: in the developer console → "
            "Permissions & Scopes → Batch import, paste the following, and publish a version. "
            f"{SUBSCRIPTION}.",
            "unhealthy",
            (scopes.to_import(lacking),),
        )
    return Outcome(f"{len(rules)} rule(s), and the scopes to hear them", details=(SUBSCRIPTION,))


def _receivers(client: LarkServiceClient, receivers: Iterable[Receiver], people: PeopleSettings) -> Outcome:
    wanted = {(one.receiver_type, one.receiver) for one in receivers}
    wanted |= {("open_id", open_id) for open_id in people.users}
    faults = [fault for kind, name in sorted(wanted) if (fault := _fault(client, kind, name))]
    if faults:
        return Outcome(
            f"{len(faults)} of {len(wanted)} receiver(s) cannot be reached. Next: invite the bot to the "
            "chats, make the app available to the people, or correct their ids.",
            "unhealthy",
            tuple(faults),
        )
    return Outcome(f"{len(wanted)} chat(s) and person(s) can be reached")


def _fault(client: LarkServiceClient, kind: str, name: str) -> str:
    """Return what is wrong with a receiver; empty if nothing is."""
    try:
        if kind == "chat_id":
            where = path("/im/v1/chats/{chat_id}/members/is_in_chat", chat_id=name)
            is_in = client.call("GET", where).data.get("is_in_chat")
            return "" if is_in else f"{name}: the bot is not in this chat"
        if kind == "email":
            found = client.contact.find_by_email([name], max_age=0)
            return "" if found.get(name) else f"{name}: no user visible to the app has this address"
        users = client.contact.get_users([name], user_id_type=cast("UserIdType", kind), max_age=0)
        return "" if users.get(name) is not None else f"{name}: no user visible to the app has this id"
    except LarkAPIError as error:
        return f"{name}: {error.msg or error}"
    except LarkError as error:
        return f"{name}: {error}"
