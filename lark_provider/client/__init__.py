"""The clients: operations, bound to an app and performed."""

from __future__ import annotations

from lark_provider.client.clients import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.client.webhook import AsyncLarkWebhookClient, LarkWebhookClient

__all__ = ["AsyncLarkServiceClient", "AsyncLarkWebhookClient", "LarkServiceClient", "LarkWebhookClient"]
