"""The gateway as a process of its own: everything from the environment, served by uvicorn."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable

from lark_provider.callbacks import destinations, keys
from lark_provider.callbacks.app import PATH, application
from lark_provider.callbacks.endpoint import Endpoint
from lark_provider.callbacks.gateway import Gateway
from lark_provider.callbacks.strangers import strict
from lark_provider.protocol.errors import ConfigurationError

_BACKLOG = 1024
_NEW_OBJECTS = 20_000


def serve(
    host: str,
    port: int,
    *,
    handler: str | None = None,
    accept_old_cards: bool = False,
    started: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve callbacks until the process is told to end (SIGTERM, SIGINT).

    Args:
        host: The address to listen on.
        port: The port; 0 for a free one.
        handler: Where to import a handler of clicks from, `package.module.function`.
        accept_old_cards: Also take `card.action.trigger_v1`.
        started: Called with the URL once it listens.

    Raises:
        ConfigurationError: A setting is missing or cannot be right, or the port is taken.
    """
    try:
        import uvicorn  # noqa: PLC0415 - the other commands go without it
        from uvicorn.protocols.http.auto import AutoHTTPProtocol  # noqa: PLC0415 - as above
    except ImportError as error:
        raise ConfigurationError(
            "The gateway needs starlette and uvicorn. Next: install 'airflow-provider-lark[gateway]'."
        ) from error
    keys.configured()  # so that a missing key is told now, and not to Lark
    sinks, background = destinations.configured()
    gateway = Gateway(
        keys.KeyRing(keys.configured), sinks, handler=handler, endpoint=Endpoint(accept_old_cards)
    )
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"{host}:{port} cannot be listened on: {error.strerror}. Next: choose another "
                "--port or --host."
            ) from None
        settings = uvicorn.Config(
            application(gateway, background=background),
            http=strict(AutoHTTPProtocol),
            ws="none",
            access_log=False,
            log_config=None,
            lifespan="on",
            proxy_headers=False,  # nobody looks at where a request comes from
            server_header=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=5,
        )
        server = uvicorn.Server(settings)
        listener.listen(_BACKLOG)
        started(f"http://{host}:{listener.getsockname()[1]}{PATH}")
        # Whoever clicks would wait while what was imported is searched for garbage, again and again; and by
        # Python's default, the searches come every few requests.
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS)
        server.run(sockets=[listener])
