"""Where callbacks and events come in: gateway, long connection, RabbitMQ, adapters for web frameworks."""

from __future__ import annotations

from lark_provider.support.exports import make_getattr

_HOMES = {
    "CallbackKeys": "lark_provider.protocol.callbacks",
    "CardClick": "lark_provider.protocol.callbacks",
    "Delivery": "lark_provider.protocol.callbacks",
    "Endpoint": "lark_provider.callbacks.http.endpoint",
    "Event": "lark_provider.protocol.callbacks",
    "Gateway": "lark_provider.callbacks.http.gateway",
    "card_update": "lark_provider.callbacks.http.answers",
    "consume": "lark_provider.callbacks.broker.consumer",
    "toast": "lark_provider.callbacks.http.answers",
}
__all__ = [  # noqa: PLE0604 - one list
    *sorted(_HOMES),
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.callbacks.broker.consumer import consume as consume
    from lark_provider.callbacks.http.answers import card_update as card_update
    from lark_provider.callbacks.http.answers import toast as toast
    from lark_provider.callbacks.http.endpoint import Endpoint as Endpoint
    from lark_provider.callbacks.http.gateway import Gateway as Gateway
    from lark_provider.protocol.callbacks import CallbackKeys as CallbackKeys
    from lark_provider.protocol.callbacks import CardClick as CardClick
    from lark_provider.protocol.callbacks import Delivery as Delivery
    from lark_provider.protocol.callbacks import Event as Event

__getattr__ = make_getattr(__name__, _HOMES)
