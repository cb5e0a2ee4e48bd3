"""Spans of OpenTelemetry around calls, if the process has loaded it and records spans; else nothing.

OpenTelemetry is never imported here: a process that traces has done so itself.
"""

from __future__ import annotations

import sys
from typing import Any

from lark_provider.protocol.calls import Call

_API = "opentelemetry.trace"
_OFF = frozenset({"ProxyTracerProvider", "NoOpTracerProvider"})
"""The providers of a process that has loaded the API alone, as Airflow and some libraries do."""


def is_on() -> bool:
    """Return whether a provider of spans is configured."""
    api: Any = sys.modules.get(_API)
    if api is None:
        return False
    current = getattr(api, "get_tracer_provider", None)  # None while another thread imports it
    return current is not None and type(current()).__name__ not in _OFF


def begin(call: Call[Any]) -> Any | None:
    """Begin the span of a call, as a child of the current one.

    It names the operation, and in the end app, code and log id. No id of a message or a person, no body, no
    token and no text of an error is in it.

    Args:
        call: The call.

    Returns:
        The span; None if it would not be recorded.
    """
    if not is_on():
        return None
    api: Any = sys.modules[_API]
    span = (
        api.get_tracer_provider()
        .get_tracer("lark_provider")
        .start_span(
            f"{call.method} {call.operation}",
            kind=api.SpanKind.CLIENT,
            attributes={
                "http.request.method": call.method,
                "url.template": call.operation,
            },
        )
    )
    return span if span.is_recording() else None


def end(span: Any, attributes: dict[str, Any], error: BaseException | None) -> None:
    """End a span.

    Args:
        span: What `begin` returned.
        attributes: The outcome of the call; those that are None are left out.
        error: What it raised.
    """
    span.set_attributes({name: value for name, value in attributes.items() if value is not None})
    if error is not None:
        api: Any = sys.modules[_API]
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(api.Status(api.StatusCode.ERROR))
    span.end()
