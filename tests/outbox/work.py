"""What the tests of the outbox do, here or in processes of a crowd."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Any

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.api.cards.airflow.mentions import Mentions
from lark_provider.client.base import find_app
from lark_provider.outbox.apps import OutboxApps
from lark_provider.outbox.delivering import Deliverer
from lark_provider.outbox.outgoing import Outgoing
from lark_provider.outbox.recording import Recorder
from lark_provider.protocol.incidents.event import EventKind, RunEvent
from lark_provider.protocol.incidents.shown import IncidentPlace
from lark_provider.storage.incidents import RecordedIncident
from lark_provider.storage.outbox import Outbox
from lark_provider.storage.outbox_rows import OutboxEntry

CHAT = "oc_emulator_data_team"


def place(run_id: str = "r", chat: str = CHAT) -> IncidentPlace:
    """Return the place to which the failures of a run go."""
    return IncidentPlace("d", run_id, chat, "chat_id", "en")


def make_event(task_id: str = "t", kind: EventKind = "failure", **changes: Any) -> RunEvent:
    """Return an event of a run."""
    known: dict[str, Any] = {"try_number": 1, "error": f"{task_id} broke", "error_type": "ValueError"}
    return RunEvent(kind, "d", "r", task_id, **(known | changes))


def recorder() -> Recorder:
    """Return the recorder of the environment's app."""
    return Recorder(LarkServiceClient())


def record(task_id: str = "t", kind: EventKind = "failure", **changes: Any) -> RecordedIncident:
    """Record an event of a run."""
    return recorder().record_event(place(), make_event(task_id, kind, **changes), Mentions())


def fail(number: int) -> int:
    """Record that a mapped task failed, and return the version of the incident."""
    recorded = record("mapped", map_index=number, ti_id=f"ti-{number}")
    assert recorded.shown is not None
    return recorded.shown.incident.version


def warm() -> None:
    """Load and connect what a task has by the time that it fails."""
    recorder().outbox.measure_backlog()


def record_text(key: str, chat: str = CHAT, words: str = "") -> str:
    """Record a text, and return the id of its row."""
    return recorder().record_message(Outgoing(chat, "", "text", words or key), key)


def record_payload(payload: str, client: LarkServiceClient | AsyncLarkServiceClient | None = None) -> str:
    """Record a payload as it is, such as one of another version or app, and return the id of its row."""
    id_ = hashlib.sha256(payload.encode()).hexdigest()
    recorder().outbox.add(find_app(client or LarkServiceClient()), OutboxEntry(id_, CHAT, payload))
    return id_


async def adeliver(only: str | None = None, seconds: float = 10.0) -> int:
    """Deliver what is due, and return how many rows were tried."""
    deliverer = Deliverer(Outbox.from_config(), OutboxApps(), seconds=seconds)
    count = 0
    while tried := await deliverer.deliver_due(only=only):
        count += tried
    return count


def deliver(only: str | None = None, seconds: float = 10.0) -> int:
    """Deliver as `adeliver` does."""
    return asyncio.run(adeliver(only, seconds))


def fail_and_deliver(number: int) -> int:
    """Record that a mapped task failed, and deliver until its version is shown."""
    recorded = record("mapped", map_index=number, ti_id=f"ti-{number}")
    assert recorded.row is not None
    row = recorded.row

    async def deliver() -> int:
        client = await AsyncLarkServiceClient().resolve()
        deliverer = Deliverer(Outbox.from_config(), OutboxApps(clients=[client], only_these=True))
        until = time.monotonic() + 120
        while True:
            await deliverer.deliver_due(only=row)
            state = await deliverer.read_state(row)
            if state is not None and state[0] != "due":
                return 1
            assert time.monotonic() < until, state
            await asyncio.sleep(0.05)

    return asyncio.run(deliver())
