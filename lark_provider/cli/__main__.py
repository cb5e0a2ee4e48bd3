"""`lark-provider …`, also `python -m lark_provider.cli …`.

Exit codes: 0 done, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from lark_provider import __version__
from lark_provider.cli.arguments import WrongUseError
from lark_provider.cli.logs import format_fault, show_fields
from lark_provider.cli.terminal import discard_output, outlast_readers
from lark_provider.cli.wording import in_options
from lark_provider.errors import LarkError
from lark_provider.files.formats import FileError

COMMANDS = (
    "app", "key", "db", "ledger", "health", "doctor", "message", "bitable", "sheet", "drive", "callbacks",
    "airflow", "outbox", "emulator", "demo", "verify-live", "migrate",
)  # fmt: skip
"""Modules beside this one; each adds the command of its name."""


def make_parser(argv: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser of the command line: of the one command that is named, or of all.

    Args:
        argv: The arguments; only the module of their command is loaded, since some take a second.
    """
    root = argparse.ArgumentParser(prog="lark-provider", description="Lark / Feishu from the command line.")
    root.set_defaults(words={})
    root.add_argument("--version", action="version", version=f"airflow-provider-lark {__version__}")
    commands = root.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in COMMANDS:
        if not argv or argv[0] == name or argv[0] not in COMMANDS:
            import_module(f"lark_provider.cli.{name.replace('-', '_')}").add_to(commands)
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
        sys.stdout.reconfigure(errors="replace")  # A terminal may lack Chinese and box characters.
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # As in arguments; invalid text is rejected later.
    with outlast_readers():
        code, fault = 0, None
        try:
            try:
                code, fault = _run(argv)
            finally:  # Also when argparse has printed help and exits.
                _flush()
        except OSError as error:
            code, fault = 1, f"{error}. Next: check that the disk has free space, and that the folder exists."
            discard_output()
        except (KeyboardInterrupt, EOFError):  # Ctrl-C, or Ctrl-D at a question.
            return 130
        if fault is not None:
            print(format_fault(fault), file=sys.stderr)
        return code


def _run(argv: Sequence[str]) -> tuple[int, str | None]:
    """Run a command, and return its exit code and the text of its error."""
    arguments = argparse.Namespace(words={})
    try:
        if os.environ.get("LOG_LEVEL"):
            from lark_provider.utils.logger import setup_logger  # Loaded only if a level is set.

            setup_logger()
        else:
            show_fields()
        arguments = make_parser(argv).parse_args(argv)
        return arguments.run(arguments), None
    except LarkError as error:
        return 2 if isinstance(error, WrongUseError | FileError) else 1, in_options(
            str(error), arguments.words
        )


def _flush() -> None:
    if sys.stdout is not None:  # It may be closed.
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
