"""The clients, which bind operations to an app and perform them. Each is loaded on first use."""

from __future__ import annotations

from lark_provider.support.exports import make_getattr as _lazy

_HOME_OF = {
    "AsyncLarkServiceClient": ".clients",
    "AsyncLarkWebhookClient": ".webhook",
    "LarkServiceClient": ".clients",
    "LarkWebhookClient": ".webhook",
}
__all__ = ["AsyncLarkServiceClient", "AsyncLarkWebhookClient", "LarkServiceClient", "LarkWebhookClient"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.client.clients import AsyncLarkServiceClient as AsyncLarkServiceClient
    from lark_provider.client.clients import LarkServiceClient as LarkServiceClient
    from lark_provider.client.webhook import AsyncLarkWebhookClient as AsyncLarkWebhookClient
    from lark_provider.client.webhook import LarkWebhookClient as LarkWebhookClient

__getattr__ = _lazy(__name__, _HOME_OF)
