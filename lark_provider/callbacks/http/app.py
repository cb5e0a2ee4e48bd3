"""The gateway as an ASGI application, for uvicorn or any other server.

`POST /lark/callbacks/{app_id}` takes callbacks and events, `GET /healthz` says that the process lives, and
`GET /readyz` whether a click could be stored, as was proved in the last 15 seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lark_provider.callbacks.http import paths
from lark_provider.callbacks.http.endpoint import announces_more
from lark_provider.callbacks.http.gateway import Gateway
from lark_provider.callbacks.http.paths import PATH

logger = logging.getLogger(__name__)


class TooLargeError(Exception):
    """A body has more bytes than it may."""


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read a body, and stop once it is too large.

    Args:
        request: The request.
        max_bytes: How large it may be.

    Raises:
        TooLargeError: It is larger.
    """
    announced = request.headers.get("content-length", "")
    if announces_more(announced, max_bytes):
        raise TooLargeError
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise TooLargeError
    return bytes(body)


async def _run_background(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except Exception:
        logger.exception("Background task of the gateway failed")


def application(
    gateway: Gateway, *, background: Sequence[Callable[[], Awaitable[None]]] = (), path: str = PATH
) -> Starlette:
    """Make the gateway an ASGI application.

    Args:
        gateway: The gateway.
        background: Tasks that run as long as the application does, such as a connection to a broker, in
            addition to the reloading of the apps' keys and the gateway's own tasks.
        path: Where Lark's requests come: begins with `/`, and has `{app_id}` as one of its parts.

    Raises:
        ConfigurationError: The path is invalid.
    """
    paths.check(path)

    async def handle_callback(request: Request) -> Response:
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(began + gateway.deadline):
                body = await read_body(request, gateway.endpoint.max_bytes)
        except TooLargeError:
            answer = gateway.endpoint.answer_too_large()
        except (TimeoutError, ClientDisconnect):
            answer = gateway.endpoint.answer_too_slow()
        else:
            answer = await gateway.answer(request.path_params["app_id"], request.headers, body, began)
        return Response(answer.body, answer.status, media_type="application/json")

    async def serve_health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def serve_readiness(_request: Request) -> Response:
        sinks = gateway.ready()
        up = any(sinks.values())
        return JSONResponse({"status": "ready" if up else "not ready", "sinks": sinks}, 200 if up else 503)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        works = (gateway.keys.run, *background, gateway.run)
        running = [asyncio.ensure_future(_run_background(work)) for work in works]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            logger.info("Gateway stopped")  # Here, since a server of the user's own may not return.

    app = Starlette(
        routes=[
            Route(path, handle_callback, methods=["POST"]),
            Route("/healthz", serve_health),
            Route("/readyz", serve_readiness),
        ],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = (
        False  # Lark follows none, and no client may be redirected to where a request says.
    )
    return app
