"""The gateway as a process of its own: everything from the environment, served by uvicorn."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from lark_provider.callbacks.http import keys, stores
from lark_provider.callbacks.http.endpoint import Endpoint
from lark_provider.callbacks.http.gateway import Gateway
from lark_provider.callbacks.http.http_limits import check, make_strict_protocol, raise_file_limit
from lark_provider.callbacks.http.paths import PATH
from lark_provider.callbacks.http.refusals import Refusals
from lark_provider.callbacks.probes.listening import bind, format_host
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.support.termination import end_at_once_next_time, on_termination

logger = logging.getLogger(__name__)

_BACKLOG = 1024
_NEW_OBJECTS = 20_000
_BAD_REQUEST = 400


def serve(
    host: str,
    port: int,
    *,
    path: str = PATH,
    handler: str | None = None,
    accept_old_cards: bool = False,
    started: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve callbacks until SIGTERM or SIGINT; then answer what is in flight, and return.

    A second signal ends the process at once.

    Args:
        host: The address to listen on, IPv4 or IPv6, or a name.
        port: The port; 0 for a free one.
        path: Where Lark's requests come, with `{app_id}`; a proxy may pass them on under a prefix.
        handler: Where to import a handler of clicks from, `package.module.function`.
        accept_old_cards: Also take `card.action.trigger_v1`.
        started: Called with the URL once it listens.

    Raises:
        ConfigurationError: A setting is missing or invalid, the port is taken, or the installed uvicorn
            has changed in a way that this version does not know.
        StorageError: The database takes no clicks, and waiting does not change that: it is behind on
            migrations, or permission is denied. One that is unavailable is waited for.
    """
    try:
        import uvicorn  # the other commands go without both

        from lark_provider.callbacks.http.app import application
    except ImportError as error:
        raise ConfigurationError(
            f"The gateway needs starlette and uvicorn: {error}. Next: install "
            "'airflow-provider-lark[gateway]'."
        ) from error
    keys.check()  # So that a missing key is an error at the start, and not at the first request.
    sinks, background = stores.configured_sinks()
    gateway = Gateway(
        keys.KeyRing(partial(keys.load_configured, needs_registry=keys.has_registry())),
        sinks,
        handler=handler,
        endpoint=Endpoint(accept_old_cards),
        questions=stores.make_question_lookup(),
    )
    app = application(gateway, background=background, path=path)
    stores.check_database()
    with bind(host, port) as listener:
        server = _make_server(uvicorn, app)
        listener.listen(_BACKLOG)
        url = f"http://{format_host(host)}:{listener.getsockname()[1]}{path}"
        logging.getLogger("uvicorn.error").addFilter(_Counted(gateway.endpoint.refusals))
        logger.info("Gateway started", extra={"url": url, "sinks": ",".join(sink.name for sink in sinks)})
        started(url)
        # A full garbage collection searches all that was imported, and delays the clicks that arrive
        # meanwhile. By Python's default, collections come every few requests.
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS)
        # After its end uvicorn raises the signal again, for the handler that was there before: by default
        # that would kill the process, which has ended well.
        with on_termination(lambda: None):
            server.run(sockets=[listener])


def _make_server(uvicorn: Any, app: Any) -> Any:
    """Make the server for an application, with a protocol for untrusted clients.

    Args:
        uvicorn: The module.
        app: The ASGI application.

    Raises:
        ConfigurationError: As for `check`.
    """
    settings = uvicorn.Config(
        app,
        ws="none",
        access_log=False,
        log_config=None,
        lifespan="on",
        proxy_headers=False,  # The address of a client is not used.
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=5,
    )
    settings.load()  # chooses the parser, of those that are installed

    class Server(uvicorn.Server):  # type: ignore[misc]  # known when it is run
        def handle_exit(self, sig: int, frame: object) -> None:
            super().handle_exit(sig, frame)
            end_at_once_next_time()

    server = Server(settings)
    settings.http_protocol_class = make_strict_protocol(settings.http_protocol_class, raise_file_limit())
    check(settings.http_protocol_class, settings, server.server_state)
    return server


class _Counted(logging.Filter):
    """Counts the requests that are not HTTP, of which uvicorn logs each, with the other refused ones.

    Args:
        refusals: Counts refused requests.
    """

    def __init__(self, refusals: Refusals) -> None:
        super().__init__()
        self._refusals = refusals

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop a warning, which concerns a request; let an error of the server pass."""
        if record.levelno != logging.WARNING:
            return True
        self._refusals.note(_BAD_REQUEST, record.getMessage(), word="not_http")
        return False
