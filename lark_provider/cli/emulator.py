"""`lark-provider emulator`: the command of the distribution `lark-emulator`, where that is installed."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from typing import Any

MISSING = (
    "The local Lark is a distribution of its own, which is not installed. Next: pip install "
    "'airflow-provider-lark[emulator]'; before the first release, in a checkout: pip install "
    "./packages/lark-emulator '.[emulator]'."
)


def add_to(commands: Any) -> None:
    """Add the command to what `add_subparsers` returned."""
    about = "run a local Lark for development and tests"
    if is_installed():
        from lark_emulator.__main__ import add_arguments

        command = commands.add_parser("emulator", help=about)
        add_arguments(command)
    else:
        # No argument begins with a null character, so none is an option that argparse could reject.
        command = commands.add_parser("emulator", help=about, prefix_chars="\0", add_help=False)
        command.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    command.set_defaults(run=run)


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
