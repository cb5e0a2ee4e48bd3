"""Checks and their results, for `health`, `doctor`, `db check` and `airflow check`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lark_provider.errors import LarkError
from lark_provider.protocol.redact import redact
from lark_provider.support import threads

HealthStatus: TypeAlias = Literal["healthy", "warning", "unhealthy", "not configured"]


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What a check has found.

    Attributes:
        text: The result in a few words; if something is wrong, with the next step.
        status: The status, such as `healthy`.
        details: Further lines of text.
    """

    text: str
    status: HealthStatus = "healthy"
    details: tuple[str, ...] = ()


RunCheck: TypeAlias = Callable[[str, Callable[[], CheckOutcome]], bool]
"""Runs a check, records it under its name, and returns whether the checks that depend on it can run."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check, with its name and duration in milliseconds."""

    name: str
    status: HealthStatus
    text: str
    ms: float
    details: tuple[str, ...] = ()


def check(name: str, look: Callable[[], CheckOutcome], seconds: float | None = None) -> Check:
    """Run a check; an error of this package means unhealthy.

    Args:
        name: The check's name.
        look: The function that checks, and returns the outcome.
        seconds: The deadline, in seconds; with one, `look` runs in a thread. None for no deadline.
    """
    started = time.perf_counter()
    try:
        outcome = look() if seconds is None else threads.start(look).result(seconds)
    except TimeoutError:
        outcome = CheckOutcome(
            f"{name}: no answer within {seconds:g} s. Next: check whether it is frozen or overloaded.",
            "unhealthy",
        )
    except LarkError as error:
        outcome = CheckOutcome(str(error), "unhealthy")
    ms = round((time.perf_counter() - started) * 1000, 1)
    return Check(name, outcome.status, redact(outcome.text), ms, outcome.details)


def compute_overall_status(checks: list[Check]) -> Literal["healthy", "unhealthy"]:
    """Return `unhealthy` if at least one check is unhealthy, else `healthy`."""
    return "unhealthy" if any(result.status == "unhealthy" for result in checks) else "healthy"
