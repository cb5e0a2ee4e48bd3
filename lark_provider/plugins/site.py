"""What is served below `/lark`; imported at the first request."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lark_provider.plugins import settings
from lark_provider.plugins.asgi import path_of, send_json

if TYPE_CHECKING:
    from lark_provider.plugins.click import Clicks
    from lark_provider.plugins.plugin import Application, Receive, Scope, Send

logger = logging.getLogger(__name__)


class _Site:
    """The endpoint of each application of Airflow's in this process, made when it is first needed."""

    def __init__(self) -> None:
        self._clicks: tuple[Application, Clicks] | None = None

    def clicks(self, app: Application) -> Clicks | None:
        """Return the endpoint of clicks; None if the plugin is not configured."""
        if self._clicks is not None and self._clicks[0] is app:
            return self._clicks[1]
        secrets = settings.active()
        if secrets is None:
            return None
        from lark_provider.plugins.click import Clicks

        self._clicks = (app, Clicks(app, secrets))
        return self._clicks[1]


_SITE = _Site()


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a request below `/lark`.

    Args:
        scope: The request.
        receive: Receives its body.
        send: Sends the answer.
    """
    if scope["type"] != "http":
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        return
    clicks = _SITE.clicks(scope["app"])
    if clicks is not None and path_of(scope).rstrip("/") == "/click":
        await clicks.serve(scope, receive, send)
        return
    await send_json(send, 404, '{"detail": "Not Found"}')
