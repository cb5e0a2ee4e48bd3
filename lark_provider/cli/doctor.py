"""`lark-provider doctor`: whether the tenant lets the app do what is asked of it."""

from __future__ import annotations

import argparse
from typing import Any

from lark_provider.api.scopes import AREAS
from lark_provider.cli.report import quieten, report
from lark_provider.doctor import examine


def add_to(commands: Any) -> None:
    """Add the command to what `add_subparsers` returned."""
    command = commands.add_parser(
        "doctor",
        help="check the tenant's side: token, bot, chats, scopes, a base",
        description="Ask Lark about an app: token, bot, chats with their ids, scopes granted "
        "and needed with a text to paste into the console, access to a base. Nothing is changed. Each fault "
        "says the next step. Ends with 1 if there is one.",
    )
    command.add_argument(
        "--app-id", help="which app (default: LARK_APP_ID, LARK_DEFAULT_APP_ID or the only one)"
    )
    command.add_argument("--tenant-key", help="in which tenant, if it is a store (ISV) app")
    command.add_argument(
        "--uses",
        action="append",
        choices=tuple(AREAS),
        help="what the app is used for, repeatable; only scopes for this are missed (default: everything)",
    )
    command.add_argument(
        "--bitable",
        metavar="URL",
        help="a base that it should reach: the link of its address bar, or app_token",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what was found."""
    quieten()
    areas = tuple(arguments.uses or AREAS)
    found = examine(arguments.app_id, tenant_key=arguments.tenant_key, areas=areas, bitable=arguments.bitable)
    return report(found, as_json=arguments.json)
