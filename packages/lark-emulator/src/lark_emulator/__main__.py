"""`lark-emulator`: a local Lark in the foreground; `lark-emulator record`: a real one, recorded as stubs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lark_emulator import __version__
from lark_emulator.options import add_arguments, add_place, apply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lark_emulator.lark import Lark
    from lark_emulator.reach.door import Door

__all__ = ["add_arguments", "main", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM.

    Args:
        arguments: Parsed by the parser that `add_arguments` was given. Options that were not given come from
            `LARK_EMULATOR_…`.

    Returns:
        The exit code: 0, or 1 if the address or a file cannot be used.
    """
    from lark_emulator import starting  # so that `--version` and errors of use are quick
    from lark_emulator.serving import list_names, serve

    try:
        options = apply(arguments)
        door = _make_door(options)
        prepare = starting.make_preparation(options.seed, options.stubs)
        names = {*list_names(options.host, None), *options.allow_host}

        def report_ready(base_url: str) -> None:
            print(starting.format_greeting(base_url, door), flush=True)

        serve(
            options.host,
            options.port,
            ready=report_ready,
            allowed_hosts=sorted(names),
            settings=starting.parse_settings(options.set, fallback_answers=options.fallback_answers),
            door=door,
            data=options.data,
            prepare=prepare,
            ended=_report_unused,
        )
    except (OSError, ValueError) as error:
        return _report_failure(error)
    return 0


def _make_door(options: argparse.Namespace) -> Door | None:
    if not (options.tls or options.proxy or options.proxy_passthrough):
        return None
    from lark_emulator.reach.door import Door

    return Door(options.tls, options.proxy, options.proxy_passthrough, options.authority)


def _report_unused(lark: Lark) -> None:
    from lark_emulator.control.stubbing import list_unused

    for stub in list_unused(lark):
        match = stub["match"]
        print(f"unused stub: {match.get('method', '*')} {match['path']}", file=sys.stderr)


def record(arguments: argparse.Namespace) -> int:
    """Proxy to a real tenant until SIGINT or SIGTERM, and write what it answered as stubs.

    Args:
        arguments: With `host`, `port`, `to` and `upstream`.

    Returns:
        The exit code: 0, or 1 if the address, the upstream or the file cannot be used.
    """
    from lark_emulator.recording.recorder import record_until_stopped

    try:
        options = apply(arguments)
        if options.to is None:
            return _report_failure(
                ValueError("no file to write to. Next: give --to FILE or set LARK_EMULATOR_TO")
            )

        def report_ready(base_url: str) -> None:
            print(
                f"Recording {options.upstream} at {base_url} into {options.to}   (stop: Ctrl-C)", flush=True
            )

        number = record_until_stopped(options.host, options.port, options.upstream, options.to, report_ready)
    except (OSError, ValueError) as error:
        return _report_failure(error)
    print(f"{number} stubs in {options.to}. Next: look through it, then lark-emulator --stubs {options.to}")
    return 0


def _report_failure(error: Exception) -> int:
    text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {text}"
    hint = "" if "Next:" in text else ". Next: choose another --port or --host" if "listen" in text else ""
    print(f"lark-emulator: {text}{hint}{'' if text.endswith('.') else '.'}", file=sys.stderr)
    return 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit code; wrong use ends the process with 2.
    """
    parser = argparse.ArgumentParser(
        prog="lark-emulator",
        description="Run a local Lark / Feishu for development and tests. Every option is also a variable: "
        "--allow-host is LARK_EMULATOR_ALLOW_HOST.",
    )
    parser.add_argument("--version", action="version", version=f"lark-emulator {__version__}")
    add_arguments(parser)
    parser.set_defaults(run=run)
    commands: Any = parser.add_subparsers(title="commands", metavar="")
    recording = commands.add_parser(
        "record", help="proxy to a real tenant, and write its answers as stubs without credentials and people"
    )
    add_place(recording)
    for name, kind, metavar, about in (
        ("--to", Path, "FILE", "where to write the stubs"),
        ("--upstream", str, "URL", "the real one (default: https://open.feishu.cn)"),
    ):
        recording.add_argument(name, type=kind, default=argparse.SUPPRESS, metavar=metavar, help=about)
    recording.set_defaults(run=record)
    arguments = parser.parse_args(argv)
    code: int = arguments.run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
