"""`lark-provider doctor`: check whether the tenant permits what the app needs."""

from __future__ import annotations

import argparse
from typing import Any

from lark_provider.api.scopes import AREAS, USUAL
from lark_provider.cli import logs
from lark_provider.cli.arguments import add_app_options
from lark_provider.cli.report import report
from lark_provider.doctor import examine


def add_to(commands: Any) -> None:
    """Add the command to what `add_subparsers` returned."""
    *others, last = (area for area in AREAS if area not in USUAL)
    command = commands.add_parser(
        "doctor",
        help="check the tenant's side: token, bot, chats, scopes, a base",
        description="Ask Lark about an app: token, bot, chats with their ids, scopes granted "
        "and needed with a text to paste into the console, access to a base. Nothing is changed. Each fault "
        "says the next step. Ends with 1 if there is one.",
    )
    add_app_options(command)
    command.add_argument(
        "--uses",
        action="append",
        choices=tuple(AREAS),
        help="what the app is used for, repeatable; only scopes for this are missed (default: everything "
        f"but {', '.join(others)} and {last})",
    )
    command.add_argument(
        "--bitable",
        metavar="URL",
        help="a base that it should reach: the link of its address bar, or app_token",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the checks and print them."""
    logs.silence()
    areas = tuple(arguments.uses or USUAL)
    checks = examine(
        arguments.app_id, tenant_key=arguments.tenant_key, areas=areas, bitable=arguments.bitable
    )
    return report(checks, as_json=arguments.json)
