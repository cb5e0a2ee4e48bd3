"""Triggers. Each is imported from its module, or from here, when it is used."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.triggers.card_callback import LarkCardCallbackTrigger as LarkCardCallbackTrigger

__all__ = ["LarkCardCallbackTrigger"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lark_provider.triggers import card_callback  # noqa: PLC0415 - imported when used

    return getattr(card_callback, name)
