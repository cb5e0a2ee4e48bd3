"""`lark-emulator`: a local Lark in the foreground."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lark_emulator import __version__

_LAST_PORT = 65535
DEFAULT_PORT = 8765


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to a parser, so that other command lines can offer it as well.

    Args:
        parser: The parser; `run` reads what it parses.
    """
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    parser.add_argument(
        "--port",
        type=_port,
        default=DEFAULT_PORT,
        help=f"port to listen on; 0 takes a free one (default: {DEFAULT_PORT})",
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number from 0 to {_LAST_PORT}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM.

    Args:
        arguments: With `host` and `port`, see `add_arguments`.

    Returns:
        The exit code: 0, or 1 if the address cannot be used.
    """
    from lark_emulator.serving import serve  # so that `--version` and errors of use are quick
    from lark_emulator.world.world import DEFAULT_APP_ID, DEFAULT_APP_SECRET

    def ready(base_url: str) -> None:
        print(f"Lark emulator at {base_url}   (open it in a browser: chats, cards, tables; stop: Ctrl-C)")
        print(
            f"LARK_BASE_URL={base_url} LARK_APP_ID={DEFAULT_APP_ID} LARK_APP_SECRET={DEFAULT_APP_SECRET}",
            flush=True,
        )

    try:
        serve(arguments.host, arguments.port, ready=ready)
    except OSError as error:
        why = error.strerror or error
        print(f"lark-emulator: {why}. Next: choose another --port or --host.", file=sys.stderr)
        return 1
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit code; wrong use ends the process with 2.
    """
    parser = argparse.ArgumentParser(
        prog="lark-emulator", description="Run a local Lark / Feishu for development and tests."
    )
    parser.add_argument("--version", action="version", version=f"lark-emulator {__version__}")
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
