"""`lark-provider outbox run|list|show|retry|purge`: what is on its way to Lark."""

from __future__ import annotations

import argparse
import logging
import threading
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lark_provider.cli.arguments import (
    WrongUseError,
    add_group,
    add_ids,
    add_json,
    add_metrics_options,
    parse_age,
    parse_row_count,
    parse_unicode_text,
    start_metrics,
)
from lark_provider.cli.logs import log_as_service
from lark_provider.cli.output import format_line, print_json, render_table
from lark_provider.cli.terminal import confirm
from lark_provider.errors import LarkError
from lark_provider.support import periods
from lark_provider.support.termination import on_termination
from lark_provider.support.text import cut

if TYPE_CHECKING:
    from lark_provider.storage.outbox_admin import OutboxRow

logger = logging.getLogger(__name__)
_MAX_REASON_LENGTH = 80
_SHORT_ID = 12


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    group = add_group(
        commands,
        "outbox",
        "deliver notifications that were recorded, and look at them",
        "Notifications are recorded in the database (LARK_DATABASE_URL or POSTGRES_HOST, …) and delivered by "
        "the process that recorded them, the bridge, the pump, or `run`. Contents are encrypted under the "
        "app's secret and are not shown.",
    )
    run = group.add_parser("run", help="deliver what is due until stopped; any number may run")
    add_metrics_options(run)
    run.set_defaults(run=run_run)
    listing = group.add_parser("list", help="list what is not delivered, the oldest first")
    listing.add_argument(
        "--limit",
        type=parse_row_count,
        default=100,
        metavar="N",
        help="how many at most (default: %(default)s)",
    )
    listing.add_argument("--all", action="store_true", help="also what is delivered or superseded")
    add_json(listing, run_list)
    show = group.add_parser("show", help="show one")
    show.add_argument("id", type=parse_unicode_text, metavar="ID", help="as `list` shows it")
    add_json(show, run_show)
    retry = group.add_parser("retry", help="try at once what was given up, or waits after a failure")
    add_ids(retry, "all that are not delivered")
    add_json(retry, run_retry)
    purge = group.add_parser("purge", help="delete what is not delivered, once confirmed")
    add_ids(purge, "all that are not delivered").add_argument(
        "--older-than", type=parse_age, metavar="AGE", help="those recorded longer ago: 90m, 12h, 30d"
    )
    purge.add_argument("--yes", action="store_true", help="do not ask")
    add_json(purge, run_purge)


def run_run(arguments: argparse.Namespace) -> int:
    """Deliver until stopped."""
    from lark_provider import metrics
    from lark_provider.outbox.runner import OutboxRunner
    from lark_provider.storage.outbox import Outbox

    log_as_service()
    stop = threading.Event()
    with on_termination(stop.set):
        runner, outbox = OutboxRunner(), Outbox.from_config()
        due, _ = outbox.measure_backlog()  # Fails at once if the database is not ready.
        start_metrics(arguments)
        if arguments.metrics_port is not None:
            metrics.collect(outbox.iterate_readings)
        print(f"Delivering the outbox; {due} due", flush=True)
        runner.run(stop)
    logger.info("Outbox drained")
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    """Print rows of the outbox."""
    from lark_provider.storage.outbox_admin import STATES, UNDELIVERED, OutboxAdmin

    admin = OutboxAdmin.from_config()
    rows, total = admin.list_rows(arguments.limit, STATES if arguments.all else UNDELIVERED)
    if arguments.json:
        print_json({"total": total, "messages": [asdict(row) for row in rows]})
        return 0
    if not rows:
        print("The outbox is empty.")
        return 0
    print(
        render_table(("ID", "App", "State", "Age", "Attempts", "Reason"), [_make_cells(row) for row in rows])
    )
    if len(rows) < total:
        print(f"{len(rows)} of {total}; --limit shows more.")
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Print one row."""
    row = _find(arguments.id)
    if arguments.json:
        print_json(asdict(row))
        return 0
    for name, value in asdict(row).items():
        label = name.replace("_", " ").capitalize() + ":"
        print(f"{label:<14} {format_line('none' if value is None else str(value))}")
    return 0


def run_retry(arguments: argparse.Namespace) -> int:
    """Have rows tried at once."""
    from lark_provider.storage.outbox_admin import OutboxAdmin

    count = OutboxAdmin.from_config().retry(_list_ids(arguments))
    _print_count(arguments, "retried", count)
    return 0


def run_purge(arguments: argparse.Namespace) -> int:
    """Delete rows, once confirmed."""
    from lark_provider.storage.outbox_admin import OutboxAdmin

    ids = None if arguments.older_than is not None else _list_ids(arguments)
    if not arguments.yes and not _is_confirmed(arguments):
        print("Nothing is purged.")
        return 1
    count = OutboxAdmin.from_config().purge(ids, arguments.older_than)
    _print_count(arguments, "purged", count)
    return 0


def _print_count(arguments: argparse.Namespace, what: str, count: int) -> None:
    if arguments.json:
        print_json({what: count})
    else:
        print(f"{what.capitalize()}: {count}.")


def _list_ids(arguments: argparse.Namespace) -> list[str] | None:
    """Return the full ids that the arguments name; None for all."""
    if arguments.all:
        return None
    if not arguments.ids:
        raise WrongUseError("Messages must be named, got none. Next: pass their ids, or --all.")
    return [_find(message_id).id for message_id in arguments.ids]


def _find(id_: str) -> OutboxRow:
    from lark_provider.storage.outbox_admin import OutboxAdmin

    row = OutboxAdmin.from_config().show(id_)
    if row is None:
        raise LarkError(f"There is no message {id_!r} in the outbox. Next: see `lark-provider outbox list`.")
    return row


def _is_confirmed(arguments: argparse.Namespace) -> bool:
    which = f"{len(arguments.ids)} message(s)"
    if arguments.all:
        which = "all messages that are not delivered"
    elif arguments.older_than is not None:
        which = f"all undelivered messages older than {periods.format_period(arguments.older_than)}"
    return confirm(f"Purge {which}? They will never be sent.")


def _make_cells(row: OutboxRow) -> list[str]:
    reason = cut(format_line(row.reason or ""), _MAX_REASON_LENGTH)
    shown = periods.format_period(timedelta(seconds=int(row.age_seconds)))
    return [row.id[:_SHORT_ID], row.app_id, row.state, shown, str(row.attempts), reason]
