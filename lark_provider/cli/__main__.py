"""`lark-provider …`, also `python -m lark_provider.cli …`.

Exit codes: 0 done, 1 failed, 2 wrong use.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from lark_provider import __version__
from lark_provider.cli.usage import WrongUseError
from lark_provider.errors import LarkError

COMMANDS = ("app", "key", "db", "health", "doctor", "message", "callbacks", "emulator", "demo")
"""Modules beside this one; each adds the command of its name."""


def parser(argv: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The command line: of the one command that is named, or of all.

    Args:
        argv: The arguments; only the module of their command is loaded, since some take a second.
    """
    root = argparse.ArgumentParser(prog="lark-provider", description="Lark / Feishu from the command line.")
    root.add_argument("--version", action="version", version=f"airflow-provider-lark {__version__}")
    commands = root.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in COMMANDS:
        if not argv or argv[0] == name or argv[0] not in COMMANDS:
            import_module(f"lark_provider.cli.{name}").add_to(commands)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: The arguments; those of the process if None.

    Returns:
        The exit code.
    """
    argv = sys.argv[1:] if argv is None else argv
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may know neither Chinese nor lines
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # as arguments; who cannot use it says so
    try:
        code, fault = _run(argv)
        _flush()
    except BrokenPipeError:  # whoever read our output has seen enough
        code, fault = 1, None
        _print_no_more()
    except OSError as error:
        code, fault = 1, f"{error}. Next: see that there is room for what is written, and its folder."
        _print_no_more()
    except (KeyboardInterrupt, EOFError):  # Ctrl-C, or Ctrl-D at a question
        return 130
    if fault is not None:
        print(f"lark-provider: {fault}", file=sys.stderr)
    return code


def _run(argv: Sequence[str]) -> tuple[int, str | None]:
    """Run a command; its exit code, and what to say of its failure."""
    try:
        if os.environ.get("LOG_LEVEL"):
            from lark_provider.utils.logger import setup_logger  # noqa: PLC0415 - who sets no level pays nothing

            setup_logger()
        arguments = parser(argv).parse_args(argv)
        return arguments.run(arguments), None
    except LarkError as error:
        return 2 if isinstance(error, WrongUseError) else 1, str(error)


def _flush() -> None:
    if sys.stdout is not None:  # it may be closed
        sys.stdout.flush()


def _print_no_more() -> None:
    """Let Python not try at its end to print what could not be printed."""
    try:
        _flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
