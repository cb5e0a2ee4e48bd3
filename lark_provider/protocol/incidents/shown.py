"""Where an incident belongs, and what its card shows."""

from __future__ import annotations

from dataclasses import dataclass

from lark_provider.protocol.hitl.keys import make_incident_key
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import Incident


@dataclass(frozen=True, slots=True)
class IncidentPlace:
    """Whose failures an incident has, and who is told.

    Attributes:
        dag_id: The id of the DAG.
        run_id: The id of the DAG run.
        receiver: The chat or person that gets the card.
        receiver_type: The kind of `receiver`; empty to derive it from its shape.
        language: The language of the card.
        instead_of: The intended receiver, if all messages are redirected to `receiver`.
    """

    dag_id: str
    run_id: str
    receiver: str
    receiver_type: str
    language: str
    instead_of: str | None = None

    def make_key(self, app_id: str, round_: int) -> str:
        """Return the key of the incident."""
        receiver = self.receiver if self.instead_of is None else f"{self.receiver}\n{self.instead_of}"
        return make_incident_key(self.dag_id, self.run_id, app_id, receiver, round_)


@dataclass(frozen=True, slots=True)
class ShownIncident:
    """An incident with what else its card needs.

    Attributes:
        key: The key of the incident, and of its card in the outbox.
        place: The DAG run that the incident is about, and the receiver of its card.
        incident: The failures.
        event: The last event that the card shows.
        mentions: The people whom the card mentions: ids, e-mail addresses, names.
        message_id: The id of the card's message, once it is sent.
    """

    key: str
    place: IncidentPlace
    incident: Incident
    event: RunEvent
    mentions: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] = ((), (), ())
    message_id: str | None = None
