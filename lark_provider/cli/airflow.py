"""`lark-provider airflow bridge`: Airflow's questions on Lark cards, answered by a click."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from lark_provider.cli import airflow_people
from lark_provider.cli.airflow_check import add_check
from lark_provider.cli.arguments import add_group, add_metrics_options, start_metrics
from lark_provider.cli.logs import log_as_service

logger = logging.getLogger(__name__)


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    group = add_group(commands, "airflow", "bring Airflow's questions and failures to Lark")
    _add_bridge(group)
    add_check(group)
    airflow_people.add_to(group)


def _add_bridge(group: Any) -> None:
    from lark_provider.bridge.settings import HOLD_SECONDS

    bridge = group.add_parser(
        "bridge",
        help="ask Airflow's questions on Lark cards, and bring the answers back",
        description="Poll Airflow's REST API for questions, send each as a card to those who may answer, and "
        "deliver clicks to the plugin in Airflow's API servers. Airflow is LARK_AIRFLOW_URL, read as "
        "LARK_AIRFLOW_USERNAME with LARK_AIRFLOW_PASSWORD (a viewer of all DAGs) or with LARK_AIRFLOW_TOKEN; "
        "or a connection AIRFLOW_CONN_…. LARK_ROUTES_PATH names "
        "lark.yaml. LARK_BRIDGE_SECRET is that of the API servers. Needs the database "
        "(LARK_DATABASE_URL or POSTGRES_HOST, …); several bridges need PostgreSQL. Ends at SIGTERM or "
        "Ctrl-C, once what is in flight is done.",
    )
    bridge.add_argument("--conn-id", metavar="ID", help="take URL and account from AIRFLOW_CONN_<ID>")
    bridge.add_argument(
        "--app-id", help="the app that sends where a route names none (default: LARK_APP_ID, …)"
    )
    bridge.add_argument("--team", help="the team whose questions these are, of an Airflow with teams")
    bridge.add_argument(
        "--language", choices=("zh", "en"), help="of cards to people (default: that of lark.yaml, or zh)"
    )
    bridge.add_argument("--timezone", help="of times on cards (default: that of lark.yaml, or UTC)")
    bridge.add_argument(
        "--hold-seconds",
        type=float,
        help="from the parking of a task until its card is sent, at least: as long as the API servers hold "
        f"answers counts if it is longer (default: hold of lark.yaml, or {HOLD_SECONDS:g}); earlier answers "
        "can fail the task",
    )
    bridge.add_argument(
        "--poll-seconds", type=float, default=5.0, help="between two polls (default: %(default)g)"
    )
    bridge.add_argument(
        "--failure-seconds",
        type=float,
        default=15.0,
        help="between two polls for failed tasks (default: %(default)g)",
    )
    add_metrics_options(bridge)
    bridge.add_argument(
        "--probe-port", type=int, metavar="PORT", help="answer /healthz and /readyz there; 0 takes a free one"
    )
    bridge.add_argument(
        "--probe-host", default="127.0.0.1", metavar="HOST", help="at this address (default: loopback only)"
    )
    bridge.set_defaults(run=run_bridge)


def _hold(of_option: float | None, of_file: float | None) -> float:
    from lark_provider.bridge.settings import HOLD_SECONDS

    return next(seconds for seconds in (of_option, of_file, HOLD_SECONDS) if seconds is not None)


def run_bridge(arguments: argparse.Namespace) -> int:
    """Run a bridge until stopped."""
    from lark_provider import metrics
    from lark_provider.bridge import settings
    from lark_provider.bridge.commands import ChatCommandWork
    from lark_provider.bridge.failure_cards import FailureReports, check_poll_seconds
    from lark_provider.bridge.routes import RoutesFile
    from lark_provider.bridge.service import Bridge, serve
    from lark_provider.callbacks.probes.probes import Probes
    from lark_provider.client.clients import LarkServiceClient
    from lark_provider.storage import urls
    from lark_provider.storage.outbox import Outbox

    log_as_service()
    file = RoutesFile.from_environment(arguments.team)
    routes = file.read_current()
    bridge_settings = settings.load(
        arguments.conn_id,
        team=arguments.team,
        language=arguments.language or routes.language,
        timezone=arguments.timezone or routes.timezone,
        hold_seconds=_hold(arguments.hold_seconds, routes.hold),
        poll_seconds=arguments.poll_seconds,
    )
    check_poll_seconds(arguments.failure_seconds)
    database = urls.database()
    client = LarkServiceClient(arguments.app_id or routes.app_id)
    start_metrics(arguments)
    if arguments.metrics_port is not None:
        metrics.collect(Outbox(database).iterate_readings)
    probes = None
    if arguments.probe_port is not None:
        probes = Probes(arguments.probe_host, arguments.probe_port)
        logger.info("Probes started", extra={"url": probes.url})
    print(f"Bridging {bridge_settings.airflow.url}", flush=True)
    serve(
        Bridge(
            bridge_settings,
            database,
            lambda: client.app_id,
            file,
            extensions=[
                lambda bridge: FailureReports(bridge, file, arguments.failure_seconds),
                lambda bridge: ChatCommandWork(bridge, file),
            ],
            probes=probes,
        )
    )
    return 0
