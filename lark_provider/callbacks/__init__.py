"""Where callbacks and events come in: gateway, long connection, RabbitMQ, adapters for web frameworks."""

from __future__ import annotations

_HOMES = {
    "CallbackKeys": "lark_provider.protocol.callbacks",
    "CardClick": "lark_provider.protocol.callbacks",
    "Delivery": "lark_provider.protocol.callbacks",
    "Endpoint": "lark_provider.callbacks.endpoint",
    "Event": "lark_provider.protocol.callbacks",
    "Gateway": "lark_provider.callbacks.gateway",
    "card_update": "lark_provider.callbacks.answers",
    "consume": "lark_provider.callbacks.consumer",
    "toast": "lark_provider.callbacks.answers",
}
__all__ = [  # noqa: PLE0604 - one list
    *sorted(_HOMES),
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.callbacks.answers import card_update as card_update
    from lark_provider.callbacks.answers import toast as toast
    from lark_provider.callbacks.consumer import consume as consume
    from lark_provider.callbacks.endpoint import Endpoint as Endpoint
    from lark_provider.callbacks.gateway import Gateway as Gateway
    from lark_provider.protocol.callbacks import CallbackKeys as CallbackKeys
    from lark_provider.protocol.callbacks import CardClick as CardClick
    from lark_provider.protocol.callbacks import Delivery as Delivery
    from lark_provider.protocol.callbacks import Event as Event


def __getattr__(name: str) -> object:
    import importlib  # noqa: PLC0415 - a sensor that only pumps pays for no gateway

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
