"""`lark-provider …`, also `python -m lark_provider.cli …`.

Exit codes: 0 done, 1 failed, 2 wrong use.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lark_provider import __version__
from lark_provider.cli import demo, emulator, message
from lark_provider.errors import LarkError


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = argparse.ArgumentParser(prog="lark-provider", description="Lark / Feishu from the command line.")
    root.add_argument("--version", action="version", version=f"airflow-provider-lark {__version__}")
    commands = root.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (message, emulator, demo):
        module.add_to(commands)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: The arguments; those of the process if None.

    Returns:
        The exit code.
    """
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except LarkError as error:
        print(f"lark-provider: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
