"""`lark-provider callbacks …`: what brings clicks on cards, and events, to where they are waited for."""

from __future__ import annotations

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    group = commands.add_parser("callbacks", help="receive clicks on cards, and events")
    actions = group.add_subparsers(required=True, metavar="ACTION")
    _add_listen(actions)


def _add_listen(actions: Any) -> None:
    listen = actions.add_parser(
        "listen",
        help="receive them over a long connection: needs no public address",
        description="Open a long connection to Lark, and keep what comes: clicks in the database "
        "(LARK_DATABASE_URL or POSTGRES_*), clicks and events in RabbitMQ if that is configured. The developer "
        "console offers the long connection, under Events & callbacks, while this runs. May run several times "
        "for an app: Lark gives each click to one of them. Ends at SIGTERM or Ctrl-C, with what is in hand "
        "done. Needs lark-oapi 1.7.3 or later.",
    )
    listen.add_argument("--app-id", help="the app; else LARK_APP_ID, or the registry's")
    listen.add_argument(
        "--handler", metavar="PACKAGE.MODULE.FUNCTION", help="answers each click that is kept"
    )
    listen.add_argument("--proxy", metavar="URL", help="an HTTP proxy; else HTTPS_PROXY and NO_PROXY count")
    listen.set_defaults(run=run_listen)


def run_listen(arguments: argparse.Namespace) -> int:
    """Listen until told to stop."""
    from lark_provider.callbacks.listen import Settings, listen  # noqa: PLC0415 - of several actions, this one
    from lark_provider.utils.logger import setup_logger  # noqa: PLC0415 - as above

    setup_logger()
    listen(Settings(arguments.app_id, arguments.handler, arguments.proxy))
    return 0
