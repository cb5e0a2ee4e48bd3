"""Act on the failures of a run as the person who clicked: run them again, take them over, mute a task."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from lark_provider.api.cards.airflow.failure_actions import read_mute
from lark_provider.client import LarkServiceClient
from lark_provider.client.base import find_app
from lark_provider.plugins.answering import Answerer, make_refusal_result
from lark_provider.plugins.clearing import Plans, ShownTry, clear
from lark_provider.plugins.sentences import describe_outcome
from lark_provider.protocol.hitl.delivery import ClickResult, DeliveredClick
from lark_provider.protocol.hitl.keys import get_action
from lark_provider.protocol.hitl.model import TaskInstance
from lark_provider.protocol.incidents.model import Failure
from lark_provider.protocol.incidents.shown import IncidentPlace, ShownIncident
from lark_provider.storage.incidents import Incidents

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from lark_provider.plugins.in_process import InProcess

_MAX_NOTE_LENGTH = 1000
_OUR_LINE = re.compile(r"Claimed in Lark by |Task .+ muted in Lark by ")
_DEADLINE = 6.0


def read_incident(url: URL, key: str, click: DeliveredClick) -> ShownIncident | None:
    """Return the recorded incident of a click; None if there is none for that app and message. It blocks.

    Args:
        url: The database.
        key: The card's key.
        click: The click.

    Raises:
        ConfigurationError: The app's secret, under which the row is encrypted, is not known here.
        DecryptionError: It was encrypted under another secret of the app.
        StorageError: The database or the registry cannot be used.
    """
    client = LarkServiceClient(app_id=click.app_id, deadline=_DEADLINE)
    client.resolve()
    shown = Incidents(url, find_app(client)).find(key)
    if shown is None:
        return None
    messages = {shown.message_id, *shown.incident.cards} - {None}
    return shown if not messages or click.message_id in messages else None


async def act_on(
    airflow: InProcess, shown: ShownIncident, click: DeliveredClick, who: Answerer, plans: Plans
) -> ClickResult:
    """Do what a click on the card of an incident means.

    Args:
        airflow: Airflow, as the person.
        shown: The incident, as it is recorded.
        click: The click.
        who: The person.
        plans: What the click clears, as recorded.
    """
    action, at = get_action(click.action.value), click.clicked_at.astimezone(UTC)
    if action == "retry":
        failed = [failure for failure in shown.incident.failures if not failure.recovered]
        known = [
            ShownTry(_make_task(shown.place, failure), failure.label) for failure in failed if failure.ti_id
        ]
        unknown = [failure.label for failure in failed if not failure.ti_id]
        if shown.incident.unlisted:
            unknown.append(f"+{shown.incident.unlisted}")
        return await clear(airflow, known, who, plans, unknown)
    if action == "claim":
        return await _add_note(
            airflow, shown.place, f"Claimed in Lark by {who.name}, {at:%Y-%m-%d %H:%M} UTC", who
        )
    if action == "mute" and (muted := read_mute(click.action.option, shown.incident)) is not None:
        task_id, hours = muted
        until = at + timedelta(hours=hours)
        text = f"Task {task_id} muted in Lark by {who.name} until {until:%Y-%m-%d %H:%M} UTC"
        return await _add_note(airflow, shown.place, text, who)
    return who.make_result(
        "invalid", describe_outcome("invalid", reason=("卡片上没有这个操作", "the card does not offer this"))
    )


async def _add_note(airflow: InProcess, place: IncidentPlace, text: str, who: Answerer) -> ClickResult:
    """Add a line to the note of the run: it needs the right to change the run, and leaves an audit row."""
    path = f"/dags/{quote(place.dag_id, safe='')}/dagRuns/{quote(place.run_id, safe='')}"
    reply = await airflow.call("GET", path)
    if not reply.is_ok:
        return make_refusal_result(reply, who)
    note = reply.body.get("note")
    changed = append_to_note(note if isinstance(note, str) else "", text)
    done = await airflow.call("PATCH", path, {"note": changed}, update_mask="note")
    return who.make_result("noted") if done.is_ok else make_refusal_result(done, who)


def append_to_note(note: str, text: str) -> str:
    """Add a line to a note, unless it has the line.

    What people wrote stays: where the note is full, the oldest lines of ours go, and if need be this one.

    Args:
        note: The note.
        text: The line.
    """
    lines = note.splitlines()
    if text in lines:  # Delivered again, after a process died.
        return note
    lines.append(text)
    while len("\n".join(lines)) > _MAX_NOTE_LENGTH:
        ours = [place for place, line in enumerate(lines) if _OUR_LINE.match(line)]
        if not ours:
            return note
        del lines[ours[0]]
    return "\n".join(lines)


def _make_task(place: IncidentPlace, failure: Failure) -> TaskInstance:
    return TaskInstance(failure.ti_id, place.dag_id, place.run_id, failure.task_id, failure.map_index)
