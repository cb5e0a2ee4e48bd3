"""Airflow sensors for Lark."""

from __future__ import annotations

from lark_provider.hooks.exports import make_lazy_getattr

__all__ = ["LarkCardCallbackSensor"]

__getattr__ = make_lazy_getattr(__name__, {"LarkCardCallbackSensor": "card_callback"})

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.sensors.card_callback import LarkCardCallbackSensor as LarkCardCallbackSensor
