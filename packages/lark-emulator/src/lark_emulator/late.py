"""Requests that are performed after their connection was closed: a client gave up, and Lark did not."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_emulator.clock import Clock
    from lark_emulator.exchange import Request

KEPT = 10_000


@dataclass(slots=True)
class LateRequest:
    """One of them.

    Args:
        method: The HTTP method of the request.
        path: The path of the request.
        came: When the request came, in seconds since the epoch.
        due: When the request is to be performed, in seconds since the epoch.
        performed: Whether the request was performed.
        code: Lark's code of the answer that no client got; 0 = it was done, None = not yet performed.
    """

    method: str
    path: str
    came: float
    due: float
    performed: bool = False
    code: int | None = None


class LateRequests:
    """The newest of them (bounded), oldest first.

    Args:
        clock: The clock by which the requests are due.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: deque[LateRequest] = deque(maxlen=KEPT)

    def add(self, request: Request, seconds: float, perform: Callable[[], int | None]) -> None:
        """Perform a request later.

        Args:
            request: The request to perform later.
            seconds: How many seconds from now the request is performed.
            perform: The function that performs it, and returns Lark's code.
        """
        now = self._clock.get_time()
        late = LateRequest(request.method, request.path, now, now + seconds)
        self._all.append(late)

        def perform_late(_: float) -> None:
            late.code = perform()
            late.performed = True

        self._clock.set_alarm(late.due, perform_late)

    @property
    def waiting(self) -> int:
        """How many are still to be performed."""
        return sum(not late.performed for late in self._all)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return them for the control plane."""
        return [asdict(late) for late in self._all]
