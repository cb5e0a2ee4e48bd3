"""Count and log what handlers raise: one that fails with every click must not fill a disk."""

from __future__ import annotations

import logging

from lark_provider.protocol.callbacks import Delivery, get_kind, make_log_fields
from lark_provider.support import measured
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)


class HandlerFailures:
    """Log the first failure of a kind, and then one a minute with a count.

    A kind is a type of error, with clicks or with events.
    """

    def __init__(self) -> None:
        self._throttle = Throttle()

    def note(self, delivery: Delivery, error: Exception) -> None:
        """Count a failure.

        Args:
            delivery: What was handled.
            error: What the handler raised; a `TimeoutError` if it was too slow.
        """
        reason = "timeout" if isinstance(error, TimeoutError) else "exception"
        measured.HANDLER_FAILURES.add(get_kind(delivery), reason)
        fields = {**make_log_fields(delivery), "reason": reason}
        self._throttle.log(
            logger.error,
            "Handler failed",
            exc_info=error,
            extra=fields,
            kind=(type(error), get_kind(delivery)),
        )

    async def run(self) -> None:
        """Log the counts at the end of each minute, and the remaining ones when cancelled."""
        await self._throttle.run()
