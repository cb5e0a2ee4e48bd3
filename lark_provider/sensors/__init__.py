"""Sensors. Each is imported from its module, or from here, when it is used."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.sensors.card_callback import LarkCardCallbackSensor as LarkCardCallbackSensor

__all__ = ["LarkCardCallbackSensor"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lark_provider.sensors import card_callback  # noqa: PLC0415 - imported when used

    return getattr(card_callback, name)
