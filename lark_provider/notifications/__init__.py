"""Airflow notifiers for Lark."""

from __future__ import annotations

from lark_provider.hooks.exports import make_lazy_getattr

__all__ = ["LarkNotifier", "LarkWebhookNotifier"]

__getattr__ = make_lazy_getattr(__name__, {"LarkNotifier": "lark", "LarkWebhookNotifier": "webhook"})

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.notifications.lark import LarkNotifier as LarkNotifier
    from lark_provider.notifications.webhook import LarkWebhookNotifier as LarkWebhookNotifier
