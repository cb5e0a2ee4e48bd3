"""`lark-provider callbacks serve|listen|pump`: where clicks on cards and events come in."""

from __future__ import annotations

import argparse
import signal
import threading
from typing import Any

_SETTINGS = (
    "Keys come from the registry (`app add --encrypt-key --verification-token`) and from LARK_APP_ID with "
    "LARK_EVENT_ENCRYPT_KEY and LARK_EVENT_VERIFICATION_TOKEN; clicks go to RabbitMQ (RABBITMQ_URL or "
    "RABBITMQ_HOST, …) and to the database (LARK_DATABASE_URL or POSTGRES_HOST, …), whichever is configured."
)


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    group = commands.add_parser("callbacks", help="take clicks on cards and events").add_subparsers(
        required=True, metavar="ACTION"
    )
    _add_serve(group)
    _add_listen(group)
    _add_pump(group)


def _add_serve(group: Any) -> None:
    serve = group.add_parser(
        "serve", help="serve the callback URLs of all apps", description=f"Serve callbacks. {_SETTINGS}"
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    serve.add_argument("--port", type=int, default=8780, help="port to listen on; 0 takes a free one")
    serve.add_argument("--handler", metavar="MODULE.FUNCTION", help="called with each click, may answer it")
    serve.add_argument("--old-cards", action="store_true", help="also take card.action.trigger_v1")
    serve.set_defaults(run=run_serve)


def _add_listen(group: Any) -> None:
    listen = group.add_parser(
        "listen",
        help="take them over a long connection, which needs no public address",
        description="Open a long connection to Lark, and keep what comes: clicks in the database "
        "(LARK_DATABASE_URL or POSTGRES_HOST, …), clicks and events in RabbitMQ if that is configured. While "
        "this runs, choose the long connection in the developer console, under Events & callbacks. It may "
        "run several times for an app: Lark gives each click to one of them. Ends at SIGTERM or Ctrl-C, once "
        "what is in hand is done. Needs lark-oapi 1.7.3 or later.",
    )
    listen.add_argument("--app-id", help="the app; else LARK_APP_ID, or the only one of the registry")
    listen.add_argument("--handler", metavar="MODULE.FUNCTION", help="called with each click, may answer it")
    listen.add_argument("--proxy", metavar="URL", help="an HTTP proxy; else HTTPS_PROXY and NO_PROXY count")
    listen.set_defaults(run=run_listen)


def _add_pump(group: Any) -> None:
    pump = group.add_parser(
        "pump",
        help="bring clicks from RabbitMQ into the database",
        description="Bring clicks from RabbitMQ into the database until stopped. Sensors and triggerers do "
        "so while they wait; a pump of its own keeps the queue short meanwhile.",
    )
    pump.set_defaults(run=run_pump)


def run_serve(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    from lark_provider.callbacks import service  # noqa: PLC0415 - `pump` goes without it

    service.serve(
        arguments.host,
        arguments.port,
        handler=arguments.handler,
        accept_old_cards=arguments.old_cards,
        started=lambda url: print(f"Callbacks at {url}", flush=True),
    )
    return 0


def run_listen(arguments: argparse.Namespace) -> int:
    """Listen until stopped."""
    from lark_provider.callbacks.listen import Settings, listen  # noqa: PLC0415 - the others go without it
    from lark_provider.utils.logger import setup_logger  # noqa: PLC0415 - as above

    setup_logger()
    listen(Settings(arguments.app_id, arguments.handler, arguments.proxy))
    return 0


def run_pump(arguments: argparse.Namespace) -> int:  # noqa: ARG001 - the signature of commands
    """Pump until stopped."""
    from lark_provider.callbacks import amqp, pump, waiting  # noqa: PLC0415 - `serve` goes without it

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    broker, inbox = amqp.broker(), waiting.inbox()
    waiting.database_id()  # a database that is not ready is told now
    print(f"Pumping from {broker}", flush=True)
    pump.Pump(broker, inbox).run(stop)
    return 0
