"""Callbacks and events in a Django project.

```python
urlpatterns = [path("lark/callbacks/<str:app_id>", callback_view(by_app(CallbackKeys(…)), on_click))]
```

The handler gets clicks and events, events more than once, and has two seconds; nothing is stored before it
returns. Where that is too little, run the gateway and consume from RabbitMQ.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from lark_provider.callbacks.http.answers import Answer
from lark_provider.callbacks.http.endpoint import Endpoint, announces_more
from lark_provider.callbacks.http.key_ring import KeyRing, KeysByApp
from lark_provider.callbacks.http.responding import Handler, arespond, respond


def callback_view(
    keys: KeysByApp | KeyRing, handler: Handler, endpoint: Endpoint | None = None
) -> Callable[..., Any]:
    """Make a view: an async one if the handler is a coroutine function.

    Args:
        keys: The apps' keys; see `by_app` and `from_environment`. A `KeyRing` reloads those that change.
        handler: Called with each click and event; a body from `toast` or `card_update` answers a click.
        endpoint: The rules.
    """
    rules = endpoint or Endpoint()

    def view(request: HttpRequest, app_id: str) -> HttpResponse:
        body = _read_body(request, rules.max_bytes)
        if body is None:
            return _make_response(rules.answer_too_large())
        return _make_response(respond(rules, keys, handler, app_id, request.headers, body))

    async def async_view(request: HttpRequest, app_id: str) -> HttpResponse:
        body = _read_body(request, rules.max_bytes)
        if body is None:
            return _make_response(rules.answer_too_large())
        return _make_response(await arespond(rules, keys, handler, app_id, request.headers, body))

    chosen = async_view if inspect.iscoroutinefunction(handler) else view
    return csrf_exempt(require_POST(chosen))  # type: ignore[no-any-return]  # Django ships no types


def _read_body(request: HttpRequest, max_bytes: int) -> bytes | None:
    """Return the request's body; None if it is larger, or larger than the project allows.

    Django's own limit may be switched off, and does not apply to a body whose length is not announced: an
    ASGI server then passes one of any size, which `request.body` would read into memory.
    """
    announced = request.META.get("CONTENT_LENGTH") or ""
    if not announced:
        body = bytes(request.read(max_bytes + 1))
        return body if len(body) <= max_bytes else None
    if announces_more(announced, max_bytes):
        return None
    try:
        return bytes(request.body)
    except RequestDataTooBig:  # above Django's own limit
        return None


def _make_response(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, content_type="application/json")
