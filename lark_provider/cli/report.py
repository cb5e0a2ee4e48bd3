"""Print checks."""

from __future__ import annotations

import dataclasses

from lark_provider.checks import Check, HealthStatus, compute_overall_status
from lark_provider.cli.output import print_json
from lark_provider.cli.terminal import can_print, until_pipe_closes

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
        with until_pipe_closes():
            print_json({"status": status, "checks": [dataclasses.asdict(check) for check in checks]})
    else:
        longest = max(len(check.name) for check in checks)
        marks = _MARKS if can_print("".join(_MARKS.values())) else _ASCII
        with until_pipe_closes():  # The exit code is still right.
            for check in checks:
                print(f"{marks[check.status]} {check.name:<{longest}}  {check.ms:>7.1f} ms  {check.text}")
                for detail in check.details:
                    print(f"    {detail}")
    return 0 if status == "healthy" else 1
