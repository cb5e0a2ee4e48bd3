"""Callbacks and events in a FastAPI application.

```python
app.include_router(callback_router(by_app(CallbackKeys(…)), on_click))
```

The handler gets clicks and events, events more than once, and has two seconds; nothing is stored before it
returns. Where that is too little, run the gateway and consume from RabbitMQ.
"""

from __future__ import annotations

import asyncio
import inspect
from functools import partial

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from lark_provider.callbacks.http.app import TooLargeError, read_body
from lark_provider.callbacks.http.endpoint import Endpoint
from lark_provider.callbacks.http.gateway import DEADLINE
from lark_provider.callbacks.http.key_ring import KeyRing, KeysByApp
from lark_provider.callbacks.http.responding import Handler, arespond
from lark_provider.protocol.callbacks import Delivery


def callback_router(
    keys: KeysByApp | KeyRing,
    handler: Handler,
    endpoint: Endpoint | None = None,
    *,
    prefix: str = "/lark/callbacks",
) -> APIRouter:
    """Make a router that serves `POST {prefix}/{app_id}`.

    Args:
        keys: The apps' keys; see `by_app` and `from_environment`. A `KeyRing` reloads those that change.
        handler: Called with each click and event, in a thread unless it is a coroutine function; a coroutine
            that it returns is awaited. A body from `toast` or `card_update` answers a click.
        endpoint: The rules for admitting requests; None for `Endpoint()`.
        prefix: The path of the route without the app's id.
    """
    rules = endpoint or Endpoint()
    router = APIRouter(prefix=prefix)
    call = handler if inspect.iscoroutinefunction(handler) else partial(_call_in_thread, handler)

    @router.post("/{app_id}", include_in_schema=False)
    async def callback(app_id: str, request: Request) -> Response:
        try:
            async with asyncio.timeout(DEADLINE):
                body = await read_body(request, rules.max_bytes)
        except TooLargeError:
            answer = rules.answer_too_large()
        except (TimeoutError, ClientDisconnect):
            answer = rules.answer_too_slow()
        else:
            answer = await arespond(rules, keys, call, app_id, request.headers, body)
        return Response(answer.body, answer.status, media_type="application/json")

    return router


async def _call_in_thread(handler: Handler, delivery: Delivery) -> bytes | None:
    """Call a handler that may block; await what it returns if it turns out to be asynchronous."""
    answer = await run_in_threadpool(handler, delivery)
    return await answer if inspect.isawaitable(answer) else answer
