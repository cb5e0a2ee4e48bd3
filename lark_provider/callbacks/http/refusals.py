"""Count and log refused requests: a flood of them must not fill a disk."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

from lark_provider.support import measured
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MAX_ID_LENGTH = 80


class Refusals:
    """Log the first refused request of a kind, and then one line a minute with a count.

    A kind is a status, a reason and one of our own apps. The ids of unknown apps are made up by untrusted
    clients, so they do not make kinds.

    Args:
        clock: Returns seconds, of any origin.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._throttle = Throttle(clock=clock)

    def note(
        self,
        status: int,
        reason: str,
        app_id: str | None = None,
        *,
        is_ours: bool = True,
        word: str = "unreadable",
    ) -> None:
        """Count a refused request.

        Args:
            status: The HTTP status that it is answered with.
            reason: Why, in a sentence; numbers, and what it got, do not make kinds.
            app_id: The app, if the request names one.
            is_ours: Whether we have keys of that app.
            word: Why, as one of few words, for metrics.
        """
        measured.REJECTED.add(app_id if app_id and is_ours else measured.UNKNOWN, word)

        def log(suppressed: int) -> None:
            fields: dict[str, object] = {"status": status}
            if app_id is not None:
                fields["app_id"] = app_id[:_MAX_ID_LENGTH]
            logger.warning("Request refused", extra={**fields, "suppressed": suppressed, "reason": reason})

        kind = (status, app_id if is_ours else None, _NUMBER.sub("#", reason.partition(", got ")[0]))
        self._throttle.note(kind, log, overflow=status)

    async def run(self) -> None:
        """Log the counts at the end of each minute, and the remaining ones when cancelled."""
        await self._throttle.run()
