"""Print checks."""

from __future__ import annotations

import dataclasses

from lark_provider.checks import Check, HealthStatus, compute_overall_status
from lark_provider.cli.output import format_line, print_json
from lark_provider.cli.terminal import can_print

_MARKS: dict[HealthStatus, str] = {"healthy": "✓", "warning": "!", "unhealthy": "✗", "not configured": "·"}
_ASCII: dict[HealthStatus, str] = {
    "healthy": "ok  ",
    "warning": "!   ",
    "unhealthy": "FAIL",
    "not configured": "-   ",
}
"""Marks for an output whose encoding lacks the marks."""


def report(checks: list[Check], *, as_json: bool) -> int:
    """Print checks, and return the exit code: 1 if one is unhealthy.

    Args:
        checks: The checks.
        as_json: Whether to print JSON: `{"status": …, "checks": [{"name", "status", "text", "ms", …}]}`.
    """
    status = compute_overall_status(checks)
    if as_json:
        print_json({"status": status, "checks": [dataclasses.asdict(check) for check in checks]})
    else:
        names = [format_line(check.name) for check in checks]
        longest = max(map(len, names))
        marks = _MARKS if can_print("".join(_MARKS.values())) else _ASCII
        for name, check in zip(names, checks, strict=True):
            # Names of groups and errors are texts of others, whose escape sequences could redraw the report.
            text = format_line(check.text)
            print(f"{marks[check.status]} {name:<{longest}}  {check.ms:>7.1f} ms  {text}")
            for detail in check.details:
                print(f"    {format_line(detail)}")
    return 0 if status == "healthy" else 1
