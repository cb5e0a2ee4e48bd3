"""`lark-provider callbacks serve|listen|pump|dead`: receive clicks on cards and events."""

from __future__ import annotations

import argparse
import logging
import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

from lark_provider.cli import dead_letters
from lark_provider.cli.arguments import WrongUseError, add_group, add_metrics_options, start_metrics
from lark_provider.cli.logs import log_as_service
from lark_provider.errors import ConfigurationError
from lark_provider.support import threads
from lark_provider.support.termination import on_termination

if TYPE_CHECKING:
    from lark_provider.callbacks.probes.probes import Probes

logger = logging.getLogger(__name__)

_DRAIN_SECONDS = 15.0
"""The time for what is being delivered from the outbox when the pump is stopped."""
_SETTINGS = (
    "Keys come from the registry (`app add --encrypt-key --verification-token`) and from LARK_APP_ID with "
    "LARK_EVENT_ENCRYPT_KEY and LARK_EVENT_VERIFICATION_TOKEN; clicks go to RabbitMQ (RABBITMQ_URL or "
    "RABBITMQ_HOST, …) and to the database (LARK_DATABASE_URL or POSTGRES_HOST, …), whichever is configured."
)


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    group = add_group(commands, "callbacks", "take clicks on cards and events")
    _add_serve(group)
    _add_listen(group)
    _add_pump(group)
    dead_letters.add_to(group)


def _add_serve(group: Any) -> None:
    serve = group.add_parser(
        "serve", help="serve the callback URLs of all apps", description=f"Serve callbacks. {_SETTINGS}"
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    serve.add_argument("--port", type=int, default=8780, help="port to listen on; 0 takes a free one")
    serve.add_argument(
        "--path",
        default="/lark/callbacks/{app_id}",
        help="path of the callback URLs, with {app_id}; for a proxy that passes a prefix on "
        "(default: %(default)s)",
    )
    serve.add_argument("--handler", metavar="MODULE.FUNCTION", help="called with each click, may answer it")
    serve.add_argument("--old-cards", action="store_true", help="also take card.action.trigger_v1")
    add_metrics_options(serve)
    serve.set_defaults(run=run_serve)


def _add_listen(group: Any) -> None:
    listen = group.add_parser(
        "listen",
        help="take them over a long connection, which needs no public address",
        description="Open a long connection to Lark for each app, all in one process, and keep what comes: "
        "clicks in the database (LARK_DATABASE_URL or POSTGRES_HOST, …), clicks and events in RabbitMQ if "
        "that is configured. Changes of the registry are followed. While this runs, choose the long "
        "connection in the developer console, under Events & callbacks. It may run several times: Lark gives "
        "each click to one of them. Ends at SIGTERM or Ctrl-C, once what is in flight is done.",
    )
    listen.add_argument(
        "--app-id",
        action="append",
        default=[],
        help="only this app; may be repeated. Else all active apps of the registry, and that of LARK_APP_ID "
        "and LARK_APP_SECRET",
    )
    listen.add_argument("--handler", metavar="MODULE.FUNCTION", help="called with each click, may answer it")
    listen.add_argument("--proxy", metavar="URL", help="an HTTP proxy; else HTTPS_PROXY and NO_PROXY count")
    listen.add_argument(
        "--verify",
        type=_verify,
        default=True,
        metavar="PATH",
        help="trusted certificates, a file or a folder; or false, for tests, to check none",
    )
    _add_probes(listen)
    add_metrics_options(listen)
    listen.set_defaults(run=run_listen)


def _add_pump(group: Any) -> None:
    pump = group.add_parser(
        "pump",
        help="bring clicks from RabbitMQ into the database",
        description="Bring clicks from RabbitMQ into the database until stopped, and deliver the outbox. "
        "Sensors and triggerers take clicks too while they wait; a pump keeps the queue short meanwhile.",
    )
    add_metrics_options(pump)
    _add_probes(pump)
    pump.set_defaults(run=run_pump)


def _verify(text: str) -> bool | str:
    """Return the setting for the check of certificates: a boolean, or a path."""
    return {"true": True, "false": False}.get(text.strip().lower(), text)


def _add_probes(command: Any) -> None:
    command.add_argument(
        "--probe-port", type=int, metavar="PORT", help="answer /healthz and /readyz there; 0 takes a free one"
    )
    command.add_argument(
        "--probe-host", default="127.0.0.1", metavar="HOST", help="at this address (default: loopback only)"
    )


def _start_probes(arguments: argparse.Namespace) -> Probes | None:
    """Bind the address of the probes, if they are enabled."""
    if arguments.probe_port is None:
        return None
    from lark_provider.callbacks.probes.probes import Probes

    probes = Probes(arguments.probe_host, arguments.probe_port)
    logger.info("Probes started", extra={"url": probes.url})
    return probes


def run_serve(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    from lark_provider.callbacks.http import paths, service  # `pump` does not need it.

    try:
        paths.check(arguments.path)
    except ConfigurationError as error:
        raise WrongUseError(str(error)) from None
    log_as_service("uvicorn")
    start_metrics(arguments)
    service.serve(
        arguments.host,
        arguments.port,
        path=arguments.path,
        handler=arguments.handler,
        accept_old_cards=arguments.old_cards,
        started=lambda url: print(f"Callbacks at {url}", flush=True),
    )
    return 0


def run_listen(arguments: argparse.Namespace) -> int:
    """Listen until stopped."""
    from lark_provider.callbacks.websocket.listen import ListenSettings, listen

    log_as_service()
    start_metrics(arguments)
    probes = None if arguments.probe_port is None else (arguments.probe_host, arguments.probe_port)
    listen(ListenSettings(arguments.app_id, arguments.handler, arguments.proxy, arguments.verify, probes))
    return 0


def run_pump(arguments: argparse.Namespace) -> int:
    """Pump until stopped; then store what is in flight."""
    from lark_provider import metrics
    from lark_provider.callbacks import waiting  # `serve` does not need it.
    from lark_provider.callbacks.broker import amqp, pump  # `serve` does not need it.
    from lark_provider.outbox.runner import OutboxRunner
    from lark_provider.storage import outbox

    log_as_service()
    stop = threading.Event()
    with on_termination(stop.set):
        broker, inbox = amqp.read_broker(), waiting.make_inbox()
        waiting.read_database_id()  # Fails at once if the database is not ready.
        start_metrics(arguments)
        if arguments.metrics_port is not None:
            from lark_provider.callbacks.broker.depths import Depths  # Of one process alone; see there.

            metrics.collect(Depths(broker, waiting.make_waits(), outbox.Outbox.from_config()))
        probes = _start_probes(arguments)
        runner = OutboxRunner()
        delivering = threads.start(lambda: runner.run(stop))
        print(f"Pumping from {broker}", flush=True)
        try:
            pump.Pump(broker, inbox, probes).run(stop)
        finally:
            stop.set()
            # An exception here would hide the one that has ended the pump.
            if not wait([delivering], _DRAIN_SECONDS).done:
                logger.warning(
                    "Outbox not drained in time; other processes take over its messages in flight",
                    extra={"timeout_s": _DRAIN_SECONDS},
                )
        if delivering.done():
            delivering.result()
    logger.info("Pump drained")
    return 0
