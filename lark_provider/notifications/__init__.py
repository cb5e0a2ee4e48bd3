"""Tell people in Lark what a DAG did; loaded when it is used."""

from __future__ import annotations

_HOMES = {
    "LarkNotifier": "lark_provider.notifications.lark",
    "LarkWebhookNotifier": "lark_provider.notifications.webhook",
}
__all__ = ["LarkNotifier", "LarkWebhookNotifier"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.notifications.lark import LarkNotifier as LarkNotifier
    from lark_provider.notifications.webhook import LarkWebhookNotifier as LarkWebhookNotifier


def __getattr__(name: str) -> object:
    import importlib  # noqa: PLC0415 - a DAG that needs no notifier pays for none

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
