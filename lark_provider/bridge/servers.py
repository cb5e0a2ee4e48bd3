"""Log which API servers do not fit this bridge, as while this package is being upgraded."""

from __future__ import annotations

import logging

from lark_provider import __version__
from lark_provider.storage.api_servers import ApiServer, ApiServers
from lark_provider.support import threads

logger = logging.getLogger(__name__)

SERVERS_SECONDS = 60.0


class ApiServerWatch:
    """Looks at the rows of the API servers, and logs each change once.

    Answers are right meanwhile: they are read back while a process is without the guard, and clicks and
    results are read by other versions. What a newer version alone can do waits for the end of the upgrade.

    Args:
        store: The rows.
    """

    def __init__(self, store: ApiServers) -> None:
        self._store = store
        self._known: frozenset[tuple[str, str, str | None]] = frozenset()

    async def check(self) -> None:
        """Read the rows once, and log what has changed.

        Raises:
            StorageError: The database cannot be used.
        """
        servers = await threads.run(self._store.list_servers)
        misfits = {_summarize(server): server for server in servers if not _fits(server)}
        for key in sorted(misfits.keys() - self._known, key=str):
            misfit = misfits[key]
            fields = {
                "host": misfit.host,
                "version": misfit.version,
                "airflow_version": misfit.airflow_version,
            }
            if not misfit.guarded:
                logger.warning(
                    "API server has no answer guard; verifying each answer after submitting it",
                    extra=fields | {"problem": misfit.problem},
                )
            else:
                logger.warning(
                    "API server has another version of this package",
                    extra=fields | {"bridge_version": __version__},
                )
        if self._known and not misfits and servers:
            logger.info(
                "All API servers are compatible with this bridge again", extra={"processes": len(servers)}
            )
        self._known = frozenset(misfits)


def _fits(server: ApiServer) -> bool:
    return server.guarded and server.version == __version__


def _summarize(server: ApiServer) -> tuple[str, str, str | None]:
    return server.host, server.version, None if server.guarded else server.problem or "no reason given"
