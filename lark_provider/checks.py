"""What a look at something found: one vocabulary for `health`, `doctor` and `db check`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lark_provider.core import threads
from lark_provider.errors import LarkError
from lark_provider.protocol.redact import redact

Status: TypeAlias = Literal["healthy", "warning", "unhealthy", "not configured"]


@dataclass(frozen=True, slots=True)
class Found:
    """What a look returns.

    Attributes:
        text: In a few words; if something is wrong, with the next step.
        status: How it stands.
        details: More lines.
    """

    text: str
    status: Status = "healthy"
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and how long that took."""

    name: str
    status: Status
    text: str
    ms: float
    details: tuple[str, ...] = ()


def check(name: str, look: Callable[[], Found], seconds: float | None = None) -> Check:
    """Look at something; an error of this package means that it is unhealthy.

    Args:
        name: What is looked at.
        look: Looks.
        seconds: After these it is unhealthy, whatever `look` still does; it then needs a thread.
    """
    started = time.perf_counter()
    try:
        found = look() if seconds is None else threads.start(look).result(seconds)
    except TimeoutError:
        found = Found(
            f"no answer within {seconds:g} s. Next: see whether it is frozen or overloaded.", "unhealthy"
        )
    except LarkError as error:
        found = Found(str(error), "unhealthy")
    ms = round((time.perf_counter() - started) * 1000, 1)
    return Check(name, found.status, redact(found.text), ms, found.details)


def overall(checks: list[Check]) -> Literal["healthy", "unhealthy"]:
    """Whether nothing of it is unhealthy."""
    return "unhealthy" if any(one.status == "unhealthy" for one in checks) else "healthy"
