"""The clients: operations, bound to an app and performed."""

from __future__ import annotations

from lark_provider.client.clients import AsyncLarkServiceClient, LarkServiceClient

__all__ = ["AsyncLarkServiceClient", "LarkServiceClient"]
