"""`lark-provider migrate --scan dags/`: find what this package has an operator for."""

from __future__ import annotations

import argparse
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lark_provider.cli.arguments import WrongUseError
from lark_provider.cli.migration import CallSite, scan
from lark_provider.cli.output import print_json

_SKIPPED = {".git", ".venv", "venv", "node_modules", "__pycache__", "site-packages"}


def add_to(commands: Any) -> None:
    """Add the command to what `add_subparsers` returned."""
    command = commands.add_parser(
        "migrate",
        help="find in DAG files what an operator of this package does",
        description="Read Python files and say what calls of the official SDK, requests to Lark and custom "
        "bots, and classes of Airflow's Slack provider become here. The files are parsed, and neither run "
        "nor changed. Ends with 0, or with 1 if a file could not be read.",
    )
    command.add_argument(
        "--scan", action="append", required=True, metavar="PATH", help="a file or a folder; repeatable"
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Scan the files, and print what is found."""
    sites: list[tuple[str, CallSite]] = []
    unread, files = 0, 0
    for file in _iterate_files(arguments.scan):
        files += 1
        try:
            with tokenize.open(file) as opened:  # in the encoding that the file declares
                sites += [(str(file), site) for site in scan(opened.read())]
        except (OSError, SyntaxError, ValueError, RecursionError) as error:
            unread += 1
            print(
                f"lark-provider: {file} cannot be read as Python: {error}. Next: scan it with the Python "
                "that runs it.",
                file=sys.stderr,
            )
    if arguments.json:
        print_json(
            [
                {"file": name, "line": site.line, "found": site.call, "becomes": site.becomes}
                for name, site in sites
            ]
        )
    else:
        for name, site in sites:
            print(f"{name}:{site.line}: {site.call}\n    → {site.becomes}")
        print(f"{len(sites)} place(s) in {len({name for name, _ in sites})} of {files} file(s)")
    return 1 if unread else 0


def _iterate_files(paths: list[str]) -> Iterator[Path]:
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted(
                file
                for file in path.rglob("*.py")
                if not (file.is_dir() or _SKIPPED.intersection(file.relative_to(path).parts))
            )
        elif path.exists():
            yield path
        else:
            raise WrongUseError(f"--scan must name a file or a folder, got {path}. Next: check the path.")
