"""Which events a consumer has handled: the last ones in memory, all of them in a database if there is one."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from lark_provider.core import config
from lark_provider.protocol.callbacks import Event
from lark_provider.protocol.callbacks.storable import is_id

if TYPE_CHECKING:
    from lark_provider.core.storage.inbox import Inbox

_REMEMBERED = 10_000
_MESSAGE = "im.message.receive_v1"


def identity(event: Event) -> str:
    """What an event is known by when it comes again.

    Args:
        event: The event. Of a message to the bot, Lark says to go by the message's id.
    """
    message = event.event.get("message") if event.type == _MESSAGE else None
    message_id = message.get("message_id") if isinstance(message, dict) else None
    return message_id if is_id(message_id) else event.event_id


class Handled:
    """What one consumer has handled.

    Args:
        consumer: Its name; what another one has handled is not its concern.
        database_url: The database; else the configured one, else none.

    Raises:
        ConfigurationError: The settings of the database cannot be right.
    """

    def __init__(self, consumer: str, database_url: str | None = None) -> None:
        self._consumer = consumer
        self._last: OrderedDict[str, None] = OrderedDict()
        self._inbox: Inbox | None = None
        if config.has_database(database_url):
            from lark_provider.core.storage import inbox, urls  # noqa: PLC0415 - only who has a database pays

            self._inbox = inbox.Inbox(urls.database(database_url))

    def has(self, key: str) -> bool:
        """Whether an event was handled.

        Args:
            key: Its `identity`.

        Raises:
            StorageError: The database cannot be used.
        """
        return key in self._last or (self._inbox is not None and self._inbox.is_handled(self._consumer, key))

    def note(self, key: str) -> None:
        """Note that an event was handled.

        Args:
            key: Its `identity`.

        Raises:
            StorageError: The database cannot be used.
        """
        self._last[key] = None
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        if self._inbox is not None:
            self._inbox.note_handled(self._consumer, key)
