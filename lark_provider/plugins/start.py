"""Start the plugin in an API server: the guard, the hold, and the row that records them."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

from lark_provider import __version__
from lark_provider.plugins import guard, settings
from lark_provider.plugins.hold import Hold
from lark_provider.plugins.logs import get_logger
from lark_provider.utils.field_lines import show_fields

if TYPE_CHECKING:
    from lark_provider.plugins.asgi import AsgiApplication

logger = get_logger(__name__)
_recording_in: set[int] = set()
"""The processes whose row a thread renews: this one at most, and its parent after a fork."""


def start(app: AsgiApplication) -> AsgiApplication:
    """Start what the plugin does in an API server.

    Args:
        app: The application to wrap.

    Returns:
        The middleware that holds answers; `app` itself if the plugin is not configured, or wrongly.
    """
    try:
        if settings.find_active_secrets() is None:
            return app
        show_fields()
        problem = guard.install()
        _start_recording(problem)
        return Hold(app, settings.HOLD.read_seconds())
    except Exception:  # Airflow must start, whatever is wrong with us.
        logger.exception("Lark plugin failed to start; answers are neither guarded nor held")
        return app


def _start_recording(problem: str | None) -> None:
    if os.getpid() in _recording_in:
        return
    _recording_in.add(os.getpid())
    threading.Thread(target=_record_repeatedly, args=(problem,), name="lark-api-server", daemon=True).start()


def _record_repeatedly(problem: str | None) -> None:
    """Record this process now and once a minute; an unavailable database only makes that late."""
    from lark_provider.storage.api_servers import RENEWAL_SECONDS, ApiServer, ApiServers, process_id

    airflow_version = _get_airflow_version()
    server = ApiServer(
        id=process_id(time.time()),
        host=socket.gethostname(),
        version=__version__,
        airflow_version=airflow_version,
        guarded=problem is None,
        problem=problem,
        hold_seconds=settings.HOLD.read_seconds(),
    )
    logger.info(
        "Lark plugin started in this API server",
        extra={
            "guarded": server.guarded,
            "airflow_version": airflow_version,
            "hold_s": server.hold_seconds,
        },
    )
    while True:
        try:
            ApiServers(settings.DATABASE.read_url()).record(server)
        except Exception as error:  # noqa: BLE001 - it is tried again, and the server goes on
            logger.warning(
                "API server not recorded in Lark's database; trying again in a minute",
                extra={"error": str(error)},
            )
        time.sleep(RENEWAL_SECONDS)


def _get_airflow_version() -> str:
    from airflow import __version__ as found

    return str(found)
