"""Airflow's ways to Lark, loaded when they are used."""

from __future__ import annotations

_HOMES = {
    "LarkHook": "lark_provider.hooks.lark",
    "LarkWebhookHook": "lark_provider.hooks.webhook",
}
__all__ = ["LarkHook", "LarkWebhookHook"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.hooks.lark import LarkHook as LarkHook
    from lark_provider.hooks.webhook import LarkWebhookHook as LarkWebhookHook


def __getattr__(name: str) -> object:
    import importlib  # noqa: PLC0415 - a DAG that needs no hook pays for none

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
