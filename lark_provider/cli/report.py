"""How commands print what checks found."""

from __future__ import annotations

import dataclasses
import logging

from lark_provider.checks import Check, Status, overall
from lark_provider.cli.output import print_json

_MARKS: dict[Status, str] = {"healthy": "✓", "warning": "!", "unhealthy": "✗", "not configured": "·"}

_SILENT = logging.NullHandler()


def quieten() -> None:
    """Have nothing logged beside the report, unless somebody has set up logging: it says all of it."""
    for name in ("lark_provider", "pika"):
        logging.getLogger(name).addHandler(_SILENT)


def report(checks: list[Check], *, as_json: bool) -> int:
    """Print checks.

    Args:
        checks: What was found.
        as_json: Whether for programs: `{"status": …, "checks": [{"name", "status", "text", "ms", …}]}`.

    Returns:
        The exit code: 1 if something is unhealthy.
    """
    status = overall(checks)
    if as_json:
        print_json({"status": status, "checks": [dataclasses.asdict(one) for one in checks]})
    else:
        longest = max(len(one.name) for one in checks)
        for one in checks:
            print(f"{_MARKS[one.status]} {one.name:<{longest}}  {one.ms:>7.1f} ms  {one.text}")
            for detail in one.details:
                print(f"    {detail}")
    return 0 if status == "healthy" else 1
