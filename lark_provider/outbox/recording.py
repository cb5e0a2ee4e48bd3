"""Record messages and events of DAG runs, so that they reach Lark whatever happens to this process.

Everything here blocks, for some milliseconds: in a loop it is called in a thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from lark_provider import config
from lark_provider.api.cards.airflow.mentions import Mentions
from lark_provider.client.clients import app_of, database_of
from lark_provider.outbox import outgoing
from lark_provider.outbox.outgoing import Outgoing
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import after
from lark_provider.storage import urls
from lark_provider.storage.incidents import Incidents, Place, Recorded, Shown
from lark_provider.storage.outbox import Entry, Outbox

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from lark_provider.client import AsyncLarkServiceClient, LarkServiceClient
    from lark_provider.protocol.tokens import App

_NOTHING: Mapping[str, str] = MappingProxyType({})


def has_database(client: AsyncLarkServiceClient | LarkServiceClient) -> bool:
    """Return whether a client has a database, and so an outbox."""
    return config.has_database(database_of(client))


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records what one app sends.

    Attributes:
        url: The database.
        app: The app.
    """

    url: URL
    app: App

    @classmethod
    def of(cls, client: AsyncLarkServiceClient | LarkServiceClient) -> Recorder:
        """Return the recorder of a client's app and database.

        Args:
            client: The client; an asynchronous one must be resolved.

        Raises:
            ConfigurationError: No database is configured, or no credentials were found.
        """
        return cls(urls.database(database_of(client)), app_of(client))

    def has_open(self, place: Place) -> bool:
        """Return whether an incident of a run is open.

        Raises:
            StorageError: The database cannot be used.
        """
        return Incidents(self.url, self.app).has_open(place)

    def event(
        self,
        place: Place,
        event: RunEvent,
        mentions: Mentions,
        *,
        states: Mapping[str, str] = _NOTHING,
        errors: Mapping[str, str] = _NOTHING,
    ) -> Recorded:
        """Add an event to the incident of its run, whose card is sent or updated.

        Args:
            place: The run, and the receiver.
            event: What happened.
            mentions: Whom the card mentions.
            states: Airflow's states of the run's task instances; empty if unknown.
            errors: Errors of failed task instances that sent no notification.

        Returns:
            What was recorded; without an incident if the event belongs to none.

        Raises:
            StorageError: The database cannot be used.
            DecryptionError: The incident was encrypted under another secret of the app.
        """

        def change(before: Shown) -> Shown | None:
            found = after(before.incident, event, states, errors)
            if found is None:
                return None
            people = (mentions.ids, mentions.emails, mentions.names)
            return replace(before, incident=found, event=event, mentions=people)

        return Incidents(self.url, self.app).record(place, event, change, outgoing.card)

    def message(self, message: Outgoing, key: str) -> str:
        """Record a message of its own.

        Args:
            message: The message.
            key: Any text that identifies it; a second message with the same key and receiver is not sent.

        Returns:
            The id of its row.

        Raises:
            StorageError: The database cannot be used.
        """
        names = "\0".join([self.app.base_url, self.app.app_id, message.receiver, key])
        id_ = hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest()
        Outbox(self.url).add(self.app, Entry(id_, message.receiver, message.to_json()))
        return id_
