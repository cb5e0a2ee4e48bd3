"""Airflow hooks for Lark."""

from __future__ import annotations

from lark_provider.hooks.exports import make_lazy_getattr

__all__ = ["LarkHook", "LarkWebhookHook"]

__getattr__ = make_lazy_getattr(__name__, {"LarkHook": "lark", "LarkWebhookHook": "webhook"})

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.hooks.lark import LarkHook as LarkHook
    from lark_provider.hooks.webhook import LarkWebhookHook as LarkWebhookHook
