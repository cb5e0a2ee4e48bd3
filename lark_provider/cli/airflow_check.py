"""`lark-provider airflow check`: check routes and settings against the running Airflow and Lark."""

from __future__ import annotations

import argparse
from typing import Any

from lark_provider.cli import logs
from lark_provider.cli.report import report


def add_check(group: Any) -> None:
    """Add the action to the group of `lark-provider airflow`."""
    check = group.add_parser(
        "check",
        help="check lark.yaml, Airflow, its plugin and the receivers",
        description="Check what `airflow bridge` relies on, with its settings: the routes and whether they "
        "match DAGs, LARK_BRIDGE_SECRET, Airflow and the account, the plugin and the guard of each API "
        "server, and in Lark the app, its scopes and each receiver. Nothing is changed. Each fault says "
        "the next step. Ends with 1 if there is one.",
    )
    check.add_argument("--conn-id", metavar="ID", help="take URL and account from AIRFLOW_CONN_<ID>")
    check.add_argument(
        "--app-id", help="the app that sends where a route names none (default: LARK_APP_ID, …)"
    )
    check.add_argument("--team", help="the team, of an Airflow with teams")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(run=run_check)


def run_check(arguments: argparse.Namespace) -> int:
    """Run the checks and print them."""
    from lark_provider.airflow_check import examine_airflow

    logs.silence()
    checks = examine_airflow(arguments.conn_id, app_id=arguments.app_id, team=arguments.team)
    return report(checks, as_json=arguments.json)
