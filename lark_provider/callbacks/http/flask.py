"""Callbacks and events in a Flask application.

```python
app.register_blueprint(callback_blueprint(by_app(CallbackKeys(…)), on_click))
```

The handler gets clicks and events, events more than once, and has two seconds; nothing is stored before it
returns. Where that is too little, run the gateway and consume from RabbitMQ.
"""

from __future__ import annotations

import inspect

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from lark_provider.callbacks.http.endpoint import Endpoint
from lark_provider.callbacks.http.key_ring import KeyRing, KeysByApp
from lark_provider.callbacks.http.responding import Handler, respond
from lark_provider.protocol.errors import ConfigurationError


def callback_blueprint(
    keys: KeysByApp | KeyRing,
    handler: Handler,
    endpoint: Endpoint | None = None,
    *,
    url_prefix: str = "/lark/callbacks",
) -> Blueprint:
    """Make a blueprint that serves `POST {url_prefix}/{app_id}`.

    Args:
        keys: The apps' keys; see `by_app` and `from_environment`. A `KeyRing` reloads those that change.
        handler: Called with each click and event; a body from `toast` or `card_update` answers a click.
        endpoint: The rules for admitting requests; None for `Endpoint()`.
        url_prefix: The path of the route without the app's id.

    Raises:
        ConfigurationError: The handler is a coroutine function.
    """
    if inspect.iscoroutinefunction(handler):
        raise ConfigurationError(
            "The handler must be a plain function, got a coroutine function. Next: pass a plain one, or use "
            "FastAPI."
        )
    rules = endpoint or Endpoint()
    blueprint = Blueprint("lark_callbacks", __name__, url_prefix=url_prefix)

    @blueprint.post("/<app_id>")
    def callback(app_id: str) -> Response:
        body = _read_body(rules.max_bytes)
        if body is None:
            answer = rules.answer_too_large()
        else:
            answer = respond(rules, keys, handler, app_id, dict(request.headers), body)
        return Response(answer.body, answer.status, content_type="application/json")

    return blueprint


def _read_body(max_bytes: int) -> bytes | None:
    """Return the request's body; None if it is larger, or larger than the application allows."""
    if (request.content_length or 0) > max_bytes:
        return None
    body = b""
    try:
        while len(body) <= max_bytes and (part := request.stream.read(max_bytes + 1 - len(body))):
            body += part
        if not body:
            body = request.get_data(cache=False)  # Another part of the application may have read it.
    except RequestEntityTooLarge:  # above MAX_CONTENT_LENGTH of the application
        return None
    return body if len(body) <= max_bytes else None
