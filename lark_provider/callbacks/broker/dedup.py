"""Deduplicate events: a consumer's last ones in memory, all of them in a database if there is one."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING

from lark_provider import config
from lark_provider.protocol.callbacks import Event
from lark_provider.protocol.callbacks.storable import MAX_ID_LENGTH, is_id

if TYPE_CHECKING:
    from lark_provider.storage.inbox import Inbox

_REMEMBERED = 10_000
_MESSAGE = "im.message.receive_v1"


def compute_dedup_key(event: Event) -> str:
    """Return the deduplication key of an event: its app and its id, which is unique in the app.

    Args:
        event: The event. For a message to the bot, Lark documents the message id as the key.
    """
    message = event.event.get("message") if event.type == _MESSAGE else None
    message_id = message.get("message_id") if isinstance(message, dict) else None
    key = f"{event.app_id or ''}:{message_id if is_id(message_id) else event.event_id}"
    return key if len(key) <= MAX_ID_LENGTH else hashlib.sha256(key.encode()).hexdigest()


class HandledEvents:
    """The events that one consumer has handled.

    Args:
        consumer: Its name; each consumer has a record of its own.
        database_url: The database; else the configured one, else none.

    Attributes:
        may_block: Whether a query may take long, since there is a database.

    Raises:
        ConfigurationError: The settings of the database are invalid.
    """

    def __init__(self, consumer: str, database_url: str | None = None) -> None:
        self._consumer = consumer
        self._last: OrderedDict[str, None] = OrderedDict()
        self._inbox: Inbox | None = None
        if config.has_database(database_url):
            from lark_provider.storage import inbox, urls

            self._inbox = inbox.Inbox(urls.database(database_url))
        self.may_block = self._inbox is not None

    def check(self) -> None:
        """Check that the table can be read; without a database there is nothing to check.

        Raises:
            StorageError: The database cannot be used, or is behind on migrations.
        """
        if self._inbox is not None:
            self._inbox.is_handled(self._consumer, "none")

    def is_handled(self, key: str) -> bool:
        """Return whether an event was handled.

        Args:
            key: The event's deduplication key, see `compute_dedup_key`.

        Raises:
            StorageError: The database cannot be used.
        """
        return key in self._last or (self._inbox is not None and self._inbox.is_handled(self._consumer, key))

    def note_handled(self, key: str) -> None:
        """Note that an event was handled.

        Args:
            key: The event's deduplication key, see `compute_dedup_key`.

        Raises:
            StorageError: The database cannot be used.
        """
        self._last[key] = None
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        if self._inbox is not None:
            self._inbox.note_handled(self._consumer, key)
