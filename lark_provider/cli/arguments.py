"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from lark_provider.errors import LarkError
from lark_provider.support import periods
from lark_provider.support.text import is_unicode

logger = logging.getLogger(__name__)

_MAX_LISTED = 1_000_000


class WrongUseError(LarkError):
    """The arguments are invalid in a way that the parser cannot detect; the exit code is 2."""


class IntermixedParser(argparse.ArgumentParser):
    """Accepts positional arguments after options, too; argparse ends a list of them at the first option."""

    _is_parsing = False

    def parse_known_args(  # type: ignore[override]  # of its overloads, what subparsers call
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments, in any order."""
        if self._is_parsing:  # Before Python 3.13, the method below calls this one for each of its passes.
            return super().parse_known_args(args, namespace)
        self._is_parsing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_parsing = False


def add_group(
    commands: Any,
    name: str,
    help_text: str,
    description: str | None = None,
    parser_class: type[argparse.ArgumentParser] = argparse.ArgumentParser,
) -> Any:
    """Add a command with actions to what `add_subparsers` returned, and return what takes the actions."""
    group = commands.add_parser(name, help=help_text, description=description)
    return group.add_subparsers(required=True, metavar="ACTION", parser_class=parser_class)


def add_app_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name an app and a tenant."""
    parser.add_argument(
        "--app-id", help="which app (default: LARK_APP_ID, LARK_DEFAULT_APP_ID or the only one)"
    )
    parser.add_argument("--tenant-key", help="in which tenant, if it is a store (ISV) app")


def add_metrics_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that serve metrics."""
    parser.add_argument(
        "--metrics-port",
        type=int,
        metavar="PORT",
        help="serve /metrics for Prometheus at this port of its own (default: no metrics)",
    )
    parser.add_argument(
        "--metrics-host",
        default="127.0.0.1",
        metavar="HOST",
        help="address of the metrics port (default: loopback only); anyone who reaches it can read them",
    )


def start_metrics(arguments: argparse.Namespace) -> None:
    """Count and serve metrics, if the options ask for it, and log where.

    Raises:
        ConfigurationError: prometheus_client is not installed, or the port is taken.
    """
    if arguments.metrics_port is None:
        return
    # A creation time for each counter would double the number of series, and Prometheus has no use for it.
    # A program of the user's decides for itself.
    os.environ.setdefault("PROMETHEUS_DISABLE_CREATED_SERIES", "true")
    from lark_provider import metrics

    port = metrics.start(arguments.metrics_port, host=arguments.metrics_host)
    host = arguments.metrics_host
    shown = f"[{host}]" if ":" in host else host
    logger.info("Metrics started", extra={"url": f"http://{shown}:{port}/metrics"})


def parse_unicode_text(text: str) -> str:
    """Parse a text that is used in a database query, as the `type` of an argument.

    Raises:
        argparse.ArgumentTypeError: It has bytes that are not UTF-8.
    """
    if not is_unicode(text):
        raise argparse.ArgumentTypeError(f"must be valid UTF-8, got {text!r}")
    return text


def parse_age(text: str) -> timedelta:
    """Parse a period, as the `type` of an option.

    Raises:
        argparse.ArgumentTypeError: The text is not a period.
    """
    try:
        return periods.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_ids(command: Any, everything: str) -> Any:
    """Add the choice between ids and all, and return the group, for further ways to choose.

    Args:
        command: What `add_parser` returned.
        everything: What `--all` selects, as its help text.
    """
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "ids",
        nargs="*",
        type=parse_unicode_text,
        default=[],
        metavar="ID",
        help="which ones, as `list` shows them",
    )
    which.add_argument("--all", action="store_true", help=everything)
    return which


def add_json(command: Any, run: Callable[[argparse.Namespace], int]) -> None:
    """Add `--json`, and the function that runs the command."""
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run)


def parse_row_count(text: str) -> int:
    """Parse how many rows to list; limited, since all of them are held in memory.

    Raises:
        argparse.ArgumentTypeError: It is not a number from 1 to 999999.
    """
    if not (text.isascii() and text.isdigit() and 0 < int(text) < _MAX_LISTED):
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {_MAX_LISTED - 1}, got {text!r}")
    return int(text)
