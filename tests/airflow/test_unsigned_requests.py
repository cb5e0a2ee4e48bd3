"""Requests to the plugin that no bridge has signed: anyone who reaches the port can send them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from lark_provider.plugins.click import Clicks
from lark_provider.plugins.command import Commands
from lark_provider.plugins.signed import Turns
from lark_provider.protocol.hitl.proof import BridgeSecrets
from lark_provider.support.throttle import Throttle
from tests.clock import Clock


async def serve_airflow(*_: object) -> None:
    raise AssertionError("an unsigned request must not reach Airflow")


async def send_unsigned(endpoint: Any, client: str = "203.0.113.7") -> int:
    """Send a request without a signature, and return the status of its answer."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await endpoint.serve(
        {"type": "http", "method": "POST", "headers": [], "client": (client, 4711)}, receive, send
    )
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Clicks, "Click with invalid signature rejected"),
        (Commands, "Command with invalid signature rejected"),
    ],
)
def test_unsigned_requests_are_logged_once_a_minute_with_a_count(
    make: Callable[..., Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    endpoint = make(serve_airflow, BridgeSecrets("s" * 32), Turns())
    endpoint._refusals._throttle = Throttle(clock=clock)
    with caplog.at_level(logging.WARNING):
        assert [asyncio.run(send_unsigned(endpoint)) for _ in range(3)] == [401, 401, 401]
        asyncio.run(send_unsigned(endpoint, "203.0.113.8"))  # the first one does not hide it
        clock.now += 60
        asyncio.run(send_unsigned(endpoint))
    lines = [record for record in caplog.records if record.getMessage().startswith(message)]
    assert [(line.levelname, vars(line)["client"], vars(line)["suppressed"]) for line in lines] == [
        ("WARNING", "203.0.113.7", 0),
        ("WARNING", "203.0.113.8", 0),
        ("WARNING", "203.0.113.7", 1),  # stands for two
    ]
