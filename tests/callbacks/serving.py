"""A real web server in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


@contextmanager
def serve(app: Any, **settings: Any) -> Iterator[str]:
    """Serve an ASGI application on a free port of the loopback.

    Args:
        app: The application.
        settings: More of uvicorn's.

    Yields:
        Its URL.
    """
    listening = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            listening.set()

    fixed: dict[str, Any] = {"port": 0, "log_config": None, "lifespan": "on", "timeout_graceful_shutdown": 5}
    server = Server(uvicorn.Config(app, **fixed, **settings))
    thread = threading.Thread(target=server.run, name="server", daemon=True)
    thread.start()
    try:
        assert listening.wait(20), "the server did not start"
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
