"""Read by the type checker, never run: what the webhook clients promise."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, assert_type

from lark_provider import AsyncLarkWebhookClient, LarkWebhookClient
from lark_provider.protocol.calls import LarkResponse

c = LarkWebhookClient("token", secret="s", keyword=["a", "b"])
a = AsyncLarkWebhookClient("token", base_url="lark")

assert_type(c.send_text("hi", mentions=["all"]), LarkResponse[dict[str, Any]])
assert_type(c.send_card({"elements": []}), LarkResponse[dict[str, Any]])
awaited: Awaitable[LarkResponse[dict[str, Any]]] = a.send_post("hi", title="T")

c.send_text(1)  # type: ignore[arg-type]
c.send_text("hi", idempotency_key="k")  # type: ignore[call-arg]  # custom bots know none
LarkWebhookClient()  # type: ignore[call-arg]
