"""`lark-provider health`: check what this package depends on."""

from __future__ import annotations

import argparse
from typing import Any

from lark_provider.cli import logs
from lark_provider.cli.report import report
from lark_provider.health import check_all


def add_to(commands: Any) -> None:
    """Add the command to what `add_subparsers` returned."""
    command = commands.add_parser(
        "health",
        help="check database, migrations, broker, registry, key and token endpoint",
        description="Check what is configured: database, migrations, broker, registry, key and Lark's token "
        "endpoint. Ends with 1 if one is unhealthy; what is not configured is no failure.",
    )
    command.add_argument("--app-id", help="for which app to ask Lark for a token")
    command.add_argument("--tenant-key", help="and for which tenant, if that is a store (ISV) app")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the checks and print them."""
    logs.silence()
    return report(check_all(arguments.app_id, tenant_key=arguments.tenant_key), as_json=arguments.json)
