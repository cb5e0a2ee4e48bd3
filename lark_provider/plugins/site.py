"""What is served below `/lark`; imported at the first request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lark_provider.plugins import settings
from lark_provider.plugins.asgi import get_path, send_json
from lark_provider.support import threads

if TYPE_CHECKING:
    from lark_provider.plugins.asgi import AsgiApplication, AsgiReceive, AsgiScope, AsgiSend
    from lark_provider.protocol.hitl.proof import BridgeSecrets

_DATABASE_SECONDS = 20.0


class _Site:
    """The pages of one application of Airflow's.

    Args:
        app: The application.
        secrets: The secrets of the bridge.
    """

    def __init__(self, app: AsgiApplication, secrets: BridgeSecrets) -> None:
        from lark_provider.plugins.click import Clicks
        from lark_provider.plugins.command import Commands
        from lark_provider.plugins.signed import Turns

        turns = Turns()
        self.app = app
        self.clicks, self.commands = Clicks(app, secrets, turns), Commands(app, secrets, turns)
        self._link: AsgiApplication | None = None
        self._lock = asyncio.Lock()

    async def get_link_page(self) -> AsgiApplication:
        """Return the page where people link themselves; its database may be looked up first."""
        async with self._lock:
            if self._link is None:
                from lark_provider.plugins.link import LinkPage, make_application
                from lark_provider.storage.people import People

                url = await threads.run(settings.DATABASE.read_url, _DATABASE_SECONDS)
                self._link = make_application(LinkPage(People(url)))
            return self._link


_sites: list[_Site] = []
"""At most one site: a process has one application, but in tests."""


def _get_site(app: AsgiApplication) -> _Site | None:
    """Return the pages for an application; None if the plugin is not configured."""
    if not (_sites and _sites[0].app is app):
        secrets = settings.find_active_secrets()
        if secrets is None:
            return None
        _sites[:] = [_Site(app, secrets)]
    return _sites[0]


async def serve(scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
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
    site, path = _get_site(scope["app"]), get_path(scope).rstrip("/")
    if site is not None and path == "/click":
        await site.clicks.serve(scope, receive, send)
    elif site is not None and path == "/command":
        await site.commands.serve(scope, receive, send)
    elif site is not None and path == "/link":
        await (await site.get_link_page())(scope, receive, send)
    else:
        await send_json(send, 404, '{"detail": "Not Found"}')
