"""Checks of the running Airflow by its REST API: the account, what the routes match, and the plugin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from lark_provider.api.routes.model import Route, Routes
from lark_provider.bridge import reading
from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.errors import AirflowRefusedError
from lark_provider.bridge.settings import BridgeSettings
from lark_provider.checks import CheckOutcome, RunCheck
from lark_provider.protocol.hitl.proof import CHECK_EVENT, CLICK_PATH, SECRET_VARIABLE, BridgeSecrets

_CALL_SECONDS = 10.0
_MAX_DAGS = 20
"""DAGs of one route whose tasks are read."""
_READ = ("/dags/~/dagRuns/~/taskInstances", "/dags/~/dagRuns/~/hitlDetails", "/dags/~/dagRuns")
_INVALID, _UNPROVEN, _SERVER_ERROR = 400, 401, 500
_ABSENT = {404, 405}
"""Airflow's page answers GET of any path, and so 405 to POST."""


def check_airflow(run: RunCheck, settings: BridgeSettings, routes: Routes | None) -> None:
    """Check Airflow: its version, what the account may read, what the routes match, and the plugin.

    Args:
        run: Runs each check.
        settings: URL, account and secrets.
        routes: Those of `lark.yaml`; None if it cannot be read.
    """
    with asyncio.Runner() as runner:
        api = AirflowApi(settings.airflow, verify=settings.verify, timeout=_CALL_SECONDS)

        def look(work: Callable[[], Coroutine[Any, Any, CheckOutcome]]) -> Callable[[], CheckOutcome]:
            return lambda: runner.run(work())

        try:
            dags: list[Mapping[str, Any]] = []
            if run("airflow", look(lambda: _check_version(api))):
                if run("account", look(lambda: _check_account(api, dags))) and routes is not None:
                    run("routes in Airflow", look(lambda: _matches(api, routes, dags)))
                run("plugin", look(lambda: _check_plugin(api, settings.secrets)))
        finally:
            runner.run(api.close())


async def _check_version(api: AirflowApi) -> CheckOutcome:
    reply = await api.get("/version") or {}
    return CheckOutcome(f"Airflow {reply.get('version')}")


async def _check_account(api: AirflowApi, dags: list[Mapping[str, Any]]) -> CheckOutcome:
    dags += await api.read_pages("/dags", "dags", {"order_by": "dag_id", "exclude_stale": "true"})
    for resource in _READ:
        await api.get(resource, {"limit": 1})
    try:
        await api.get("/eventLogs", {"limit": 1})
    except AirflowRefusedError as error:
        if not error.is_forbidden:
            raise
        return CheckOutcome(
            "The account may not read Airflow's audit log, so a task that fails after it was answered is not "
            "noticed. Next: give it a role that may, such as Viewer in the Simple auth manager.",
            "warning",
        )
    if not dags:
        return CheckOutcome(
            "The account sees no DAG. Next: give it a role that reads all DAGs, such as Viewer; or add a "
            "DAG.",
            "warning",
        )
    return CheckOutcome(f"reads {len(dags)} DAG(s), their runs, tasks and questions")


async def _matches(api: AirflowApi, routes: Routes, dags: Sequence[Mapping[str, Any]]) -> CheckOutcome:
    unused: list[str] = []
    for route in routes.routes:
        fitting = [dag for dag in dags if _fits(route, dag)]
        reason = "" if fitting else "no DAG has such an id, tag and owner"
        if fitting and route.tasks and len(fitting) <= _MAX_DAGS:
            tasks = [task for dag in fitting for task in await _list_tasks(api, str(dag["dag_id"]))]
            if not any(fnmatchcase(task, pattern) for task in tasks for pattern in route.tasks):
                reason = f"no task of {len(fitting)} DAG(s) has such an id"
        if not reason and fitting and all(_is_taken(routes, route, dag) for dag in fitting):
            reason = "earlier routes take all its DAGs"
        if reason:
            unused.append(f"line {route.line}, {route.name}: {reason}")
    if unused:
        return CheckOutcome(
            f"{len(unused)} of {len(routes.routes)} route(s) match nothing now. Next: correct their "
            "patterns, unless the DAGs are yet to come.",
            "warning",
            tuple(unused),
        )
    return CheckOutcome(f"each of {len(routes.routes)} route(s) matches a DAG")


def _fits(route: Route, dag: Mapping[str, Any]) -> bool:
    """Return whether a route is for a DAG, as far as its tasks and team allow."""
    known = reading.read_dag(dag)
    return replace(route, tasks=(), teams=()).matches(str(dag["dag_id"]), "", known.tags, known.owners, None)


def _is_taken(routes: Routes, route: Route, dag: Mapping[str, Any]) -> bool:
    """Return whether earlier routes, whatever the task, take a DAG from a route."""
    taken: set[str] = set()
    for earlier in routes.routes:
        if earlier is route:
            break
        ends = earlier.is_final or earlier.mute
        if ends and not earlier.tasks and not earlier.teams and _fits(earlier, dag):
            taken |= earlier.what
    return route.what <= taken


async def _list_tasks(api: AirflowApi, dag_id: str) -> list[str]:
    reply = await api.get(f"/dags/{quote(dag_id, safe='')}/tasks")
    return [str(task["task_id"]) for task in (reply or {}).get("tasks", ())]


async def _check_plugin(api: AirflowApi, secrets: BridgeSecrets) -> CheckOutcome:
    # Signed, so that a wrong secret is noticed; empty, so that it is about no click.
    body = b"{}"
    status, answer = await api.deliver(secrets, CHECK_EVENT, body)
    # The plugin tells a sender without a valid proof nothing but the status.
    if status == _UNPROVEN and answer == {}:
        return CheckOutcome(
            f"The plugin must have the same {SECRET_VARIABLE}, and it refused ours. Next: set the same "
            "value in Airflow's API servers, check both clocks, and restart them.",
            "unhealthy",
        )
    if status in _ABSENT:
        return CheckOutcome(
            f"Airflow's API server does not have the plugin (status {status}). Next: install this package "
            f"there, set {SECRET_VARIABLE} and a database, and restart it.",
            "unhealthy",
        )
    if status >= _SERVER_ERROR:
        return CheckOutcome(
            f"The plugin failed with status {status}. Next: look in the API server's log.", "unhealthy"
        )
    # Only the plugin answers so; a proxy, a login page and Airflow's own pages have other answers.
    if status != _INVALID or answer is None or answer.get("outcome") != "invalid":
        return CheckOutcome(
            f"The plugin must answer POST {CLICK_PATH} with status {_INVALID} and its own JSON, got status "
            f"{status} from something else, such as a proxy or a login page. Next: let /lark/* through to "
            "the API servers as it is, or set LARK_AIRFLOW_URL to a URL that does.",
            "unhealthy",
        )
    return CheckOutcome("is there, and takes what this secret signs")
