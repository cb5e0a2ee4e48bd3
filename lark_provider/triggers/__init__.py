"""Airflow triggers for Lark."""

from __future__ import annotations

from lark_provider.hooks.exports import make_lazy_getattr

__all__ = ["LarkBaseWatcher", "LarkCardCallbackTrigger", "LarkEventTrigger", "LarkNativeApprovalTrigger"]

__getattr__ = make_lazy_getattr(
    __name__,
    {
        "LarkBaseWatcher": "base_watcher",
        "LarkCardCallbackTrigger": "card_callback",
        "LarkEventTrigger": "events",
        "LarkNativeApprovalTrigger": "native_approval",
    },
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.triggers.base_watcher import LarkBaseWatcher as LarkBaseWatcher
    from lark_provider.triggers.card_callback import LarkCardCallbackTrigger as LarkCardCallbackTrigger
    from lark_provider.triggers.events import LarkEventTrigger as LarkEventTrigger
    from lark_provider.triggers.native_approval import LarkNativeApprovalTrigger as LarkNativeApprovalTrigger
