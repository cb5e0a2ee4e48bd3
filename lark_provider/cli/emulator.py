"""`lark-provider emulator`: a local Lark in the foreground."""

from __future__ import annotations

import argparse
import sys
from typing import Any

_LAST_PORT = 65535


def add_to(commands: Any) -> None:
    """Add the command to what `add_subparsers` returned."""
    command = commands.add_parser("emulator", help="run a local Lark for development and tests")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    command.add_argument("--port", type=_port, default=8765, help="port to listen on; 0 takes a free one")
    command.set_defaults(run=run)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; write a number from 0 to {_LAST_PORT}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from lark_provider.emulator import Emulator, serve  # noqa: PLC0415 - needs an extra that others do not

    def ready(base_url: str) -> None:
        app = Emulator()
        print(f"Lark emulator at {base_url}   (what arrived: {base_url}/_emulator/state; stop: Ctrl-C)")
        print(
            f"LARK_BASE_URL={base_url} LARK_APP_ID={app.app_id} LARK_APP_SECRET={app.app_secret}", flush=True
        )

    try:
        serve(arguments.host, arguments.port, ready=ready)
    except OSError as error:
        why = error.strerror or error
        print(f"lark-provider: {why}. Next: choose another --port or --host.", file=sys.stderr)
        return 1
    return 0
