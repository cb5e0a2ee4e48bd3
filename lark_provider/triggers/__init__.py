"""Triggers. Each is imported from its module, or from here, when it is used."""

from __future__ import annotations

_HOMES = {
    "LarkCardCallbackTrigger": "lark_provider.triggers.card_callback",
    "LarkEventTrigger": "lark_provider.triggers.events",
}
__all__ = ["LarkCardCallbackTrigger", "LarkEventTrigger"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.triggers.card_callback import LarkCardCallbackTrigger as LarkCardCallbackTrigger
    from lark_provider.triggers.events import LarkEventTrigger as LarkEventTrigger


def __getattr__(name: str) -> object:
    import importlib  # noqa: PLC0415 - a DAG that needs no trigger pays for none

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
