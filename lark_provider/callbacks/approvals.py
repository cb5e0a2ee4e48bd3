"""Events of native approvals, for the waiters of this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from lark_provider.callbacks.broker import amqp
from lark_provider.callbacks.broker.broadcast import Broadcast
from lark_provider.protocol.callbacks import Event

_lock = threading.Lock()
_broadcasts: dict[tuple[int, str], Broadcast] = {}


def get_instance_code(event: Event) -> str | None:
    """Return the code of the instance that an event is about; None for other events.

    Args:
        event: Any event.
    """
    code = event.event.get("instance_code")
    return code.upper() if event.type.startswith("approval") and isinstance(code, str) else None


def listen(instance_code: str, wake: Callable[[], None], broker_url: str | None = None) -> Callable[[], None]:
    """Call back for each event about an instance, if a broker is configured; else never.

    Args:
        instance_code: The instance.
        wake: Called in a thread of the connection; it must not block.
        broker_url: Else `RABBITMQ_URL` or `RABBITMQ_*`.

    Returns:
        Ends listening.

    Raises:
        ConfigurationError: The broker's settings are invalid.
    """
    broker = amqp.find_broker(broker_url)
    if broker is None:
        return lambda: None
    with _lock:
        key = (os.getpid(), str(broker))  # a fork shares no threads
        broadcast = _broadcasts.setdefault(key, Broadcast(broker, get_instance_code))
    return broadcast.listen(instance_code.upper(), wake)
