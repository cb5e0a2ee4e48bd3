"""Record messages and events of DAG runs, so that they reach Lark whatever happens to this process.

Everything here blocks, for some milliseconds: in a loop it is called in a thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from lark_provider.api.cards.airflow.mentions import Mentions
from lark_provider.client.base import find_app, get_database_url
from lark_provider.outbox import outgoing
from lark_provider.outbox.outgoing import Outgoing
from lark_provider.protocol.incidents.changes import apply_event
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.shown import IncidentPlace, ShownIncident
from lark_provider.storage.incidents import Incidents, RecordedIncident
from lark_provider.storage.outbox import Outbox
from lark_provider.storage.outbox_rows import OutboxEntry, checking_commits

if TYPE_CHECKING:
    from lark_provider.client import AsyncLarkServiceClient, LarkServiceClient

__all__ = ["RecordedIncident", "Recorder", "checking_commits"]
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Recorder:
    """Records what one app sends.

    Args:
        client: Of the app, with a database; an asynchronous one must be resolved.

    Raises:
        ConfigurationError: No database is configured, or no credentials were found.
    """

    def __init__(self, client: AsyncLarkServiceClient | LarkServiceClient) -> None:
        self._app, database_url = find_app(client), get_database_url(client)
        self.outbox = Outbox.from_config(database_url)
        self._incidents = Incidents.from_config(self._app, database_url)

    def open(self, place: IncidentPlace) -> ShownIncident | None:
        """Return the open incident of a run and receiver; None if there is none.

        Args:
            place: The run and the receiver.

        Raises:
            StorageError: The database cannot be used.
            DecryptionError: The incident was encrypted under another secret of the app.
        """
        return self._incidents.open(place)

    def record_event(
        self,
        place: IncidentPlace,
        event: RunEvent,
        mentions: Mentions,
        *,
        states: Mapping[str, str] = _NOTHING,
        errors: Mapping[str, str] = _NOTHING,
    ) -> RecordedIncident:
        """Add an event to the incident of its run, whose card is sent or updated.

        Args:
            place: The run and the receiver that the incident belongs to.
            event: The event to add.
            mentions: The people that the card mentions.
            states: Airflow's states of the run's task instances; empty if unknown.
            errors: Errors of failed task instances that sent no notification.

        Returns:
            What was recorded; without an incident if the event belongs to none.

        Raises:
            StorageError: The database cannot be used.
            DecryptionError: The incident was encrypted under another secret of the app.
        """

        def change(before: ShownIncident) -> ShownIncident | None:
            incident = apply_event(before.incident, event, states, errors)
            if incident is None:
                return None
            people = (mentions.ids, mentions.emails, mentions.names)
            return replace(before, incident=incident, event=event, mentions=people)

        return self._incidents.record(place, event, change, outgoing.render_card_payload)

    def record_message(self, message: Outgoing, key: str) -> str:
        """Record a message of its own.

        Args:
            message: The message.
            key: Any text that identifies it; a second message with the same key and receiver is not sent.

        Returns:
            The id of its row.

        Raises:
            StorageError: The database cannot be used.
        """
        names = f"{self._app.base_url}\0{self._app.app_id}\0{message.receiver}\0{key}"
        id_ = hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest()
        self.outbox.add(self._app, OutboxEntry(id_, message.receiver, message.to_json()))
        return id_
