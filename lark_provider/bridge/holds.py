"""How long a card waits after its task began to wait: as long as the API servers hold answers, or longer."""

from __future__ import annotations

import logging
import time

from lark_provider.storage.api_servers import ApiServers

logger = logging.getLogger(__name__)
_CACHE_SECONDS = 15.0


class Holds:
    """The hold of cards. Used by one thread at a time.

    Each API server records how long it holds answers. A card that is sent earlier would be clicked too early,
    so that the largest of these counts, unless the bridge's own setting is larger.

    Args:
        servers: The API servers.
        own_seconds: The bridge's own setting, in seconds.
    """

    def __init__(self, servers: ApiServers, own_seconds: float) -> None:
        self._servers, self._own_seconds = servers, own_seconds
        self._until = float("-inf")
        self._seconds = own_seconds

    def read_seconds(self) -> float:
        """Return the hold, as it was 15 s ago at most. Blocks.

        Raises:
            StorageError: The database cannot be used.
        """
        if time.monotonic() >= self._until:
            recorded = self._servers.read_longest_hold()
            # While none is seen, such as during their restart, the last one counts.
            hold = self._seconds if recorded is None else max(self._own_seconds, recorded)
            if recorded is not None and hold != self._seconds:
                logger.info(
                    "Cards are held as long as answers are",
                    extra={"seconds": hold, "api_servers": recorded, "own": self._own_seconds},
                )
            self._seconds, self._until = hold, time.monotonic() + _CACHE_SECONDS
        return self._seconds
