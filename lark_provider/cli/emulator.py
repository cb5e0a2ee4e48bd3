"""`lark-provider emulator`: the command of the distribution `lark-emulator`, where that is installed."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from typing import Any

MISSING = (
    "The local Lark is a distribution of its own, which is not installed. Next: pip install "
    "'airflow-provider-lark[emulator]'."
)


def add_to(commands: Any) -> None:
    """Add the command to what `add_subparsers` returned."""
    command = commands.add_parser("emulator", help="run a local Lark for development and tests")
    command.set_defaults(run=run)
    if is_installed():
        from lark_emulator.__main__ import add_arguments

        add_arguments(command)
    else:
        for option in ("--host", "--port"):
            command.add_argument(option, help=argparse.SUPPRESS)


def is_installed() -> bool:
    """Return whether the local Lark can be started here."""
    return find_spec("lark_emulator") is not None


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    if not is_installed():
        print(f"lark-provider: {MISSING}", file=sys.stderr)
        return 1
    from lark_emulator.__main__ import run as serve

    return serve(arguments)
