"""Check the routes and the bridge's settings against the running Airflow and Lark. Nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from lark_provider import config
from lark_provider.airflow_check.airflow_api import check_airflow
from lark_provider.airflow_check.api_servers import check_api_servers
from lark_provider.airflow_check.lark_apps import check_lark
from lark_provider.bridge.routes import RoutesFile
from lark_provider.bridge.settings import BridgeSettings, load
from lark_provider.checks import Check, CheckOutcome, RunCheck, check
from lark_provider.protocol.hitl.proof import SECRET_VARIABLE, BridgeSecrets

_FEW_SIGNS = 10
"""A secret with fewer different characters was typed and not drawn at random."""

T = TypeVar("T")


def examine_airflow(
    conn_id: str | None = None, *, app_id: str | None = None, team: str | None = None
) -> list[Check]:
    """Check everything that `lark-provider airflow bridge` relies on.

    Args:
        conn_id: The id of the Airflow connection that holds URL and account; None for `LARK_AIRFLOW_*`.
        app_id: The id of the app that sends where a route names none; None for the default app.
        team: The team of a multi-team Airflow whose routes are checked; None for an Airflow without teams.

    Returns:
        One check each for `routes`, `secret`, `settings`, `airflow`, `account`, `routes in Airflow`,
        `plugin`, `API servers`; then those of `doctor`, the receivers, the escalations of routes if there are
        any and the commands, for each app. What relies on one that has failed is left out.
    """
    checks: list[Check] = []

    def run(name: str, look: Callable[[], CheckOutcome]) -> bool:
        checks.append(check(name, look))
        return checks[-1].status != "unhealthy"

    file = _load(run, "routes", lambda: RoutesFile.from_environment(team), _describe_routes)
    run("secret", _check_secret)
    settings = _load(run, "settings", lambda: load(conn_id), _describe_settings)
    if settings is not None:
        check_airflow(run, settings, None if file is None else file.read_current())
    run("API servers", lambda: check_api_servers(None if file is None else file.read_current().hold))
    if file is not None:
        check_lark(checks, run, file.read_current(), app_id)
    return checks


def _load(
    run: RunCheck, name: str, load_value: Callable[[], T], describe: Callable[[T], CheckOutcome]
) -> T | None:
    """Load what other checks rely on, as a check of its own; None if that fails."""
    loaded: list[T] = []

    def look() -> CheckOutcome:
        loaded.append(load_value())
        return describe(loaded[0])

    return loaded[0] if run(name, look) else None


def _describe_routes(file: RoutesFile) -> CheckOutcome:
    if file.path is None:
        return CheckOutcome(
            f"{config.ROUTES_VARIABLE} names none: questions go to their assignees, failures to nobody",
            "not configured",
        )
    routes = file.read_current()
    people = len(routes.people.users)
    commands = f", {len(routes.commands)} rule(s) of chat commands" if routes.commands else ""
    return CheckOutcome(f"{len(routes.routes)} route(s) and {people} person(s){commands} in {file.path}")


def _check_secret() -> CheckOutcome:
    text = os.environ.get(SECRET_VARIABLE, "")
    BridgeSecrets(text)
    weak = [secret for secret in text.split(",") if secret.strip() and len(set(secret.strip())) < _FEW_SIGNS]
    if weak:
        return CheckOutcome(
            f"{SECRET_VARIABLE} must be random, got one with few different characters; anyone who guesses it "
            "can act as every linked person. Next: set it to the output of `openssl rand -hex 32`.",
            "unhealthy",
        )
    return CheckOutcome("long enough")


def _describe_settings(settings: BridgeSettings) -> CheckOutcome:
    airflow = settings.airflow
    who = "a token" if airflow.token else f"account {airflow.username}"
    return CheckOutcome(f"Airflow at {airflow.url} with {who}")
