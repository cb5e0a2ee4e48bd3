"""The steps of escalations: each is recorded as started before Lark is called, and so is taken once at most.

A step changes only while the row of its incident is locked. So a claim that is committed before it ends it,
and its outcome is put on the card in the same transaction in which it is recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.incidents.escalation import (
    Decision,
    Escalation,
    EscalationStep,
    PlannedStep,
    Rota,
    StepState,
    decide,
    from_json,
    plan,
    to_json,
)
from lark_provider.protocol.incidents.model import EscalationRecord
from lark_provider.protocol.incidents.shown import ShownIncident
from lark_provider.protocol.quiet_hours import QuietHours
from lark_provider.protocol.tokens import App
from lark_provider.storage import migrate, statements
from lark_provider.storage.bridge_tables import escalation_steps, incidents
from lark_provider.storage.crypto import TokenBox
from lark_provider.storage.incidents import Incidents, RenderIncident

_MAX_REASON = 500
_RETRIES = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class ClaimedStep:
    """A step that is to be taken.

    Attributes:
        key: The incident's key.
        number: The step's number in the escalation, from 1.
        step: The step, which says what is done and when.
        rota: The rota, which says whose turn it is.
        due_at: When it was to be taken.
        next_due_at: When the step after it is to be taken; None if there is none.
        shown: The incident, with what its card shows.
        now: The current time by the database's clock, with its time zone.
    """

    key: str
    number: int
    step: EscalationStep
    rota: Rota
    due_at: datetime
    next_due_at: datetime | None
    shown: ShownIncident
    now: datetime

    def compute_retries_end(self, first_try: datetime) -> datetime:
        """Return until when the step is tried again, if Lark has certainly not performed it.

        Args:
            first_try: The first attempt: after an outage of all bridges, long after it was due.
        """
        end = max(self.due_at, first_try) + _RETRIES
        return end if self.next_due_at is None else min(end, self.next_due_at)


class Escalations:
    """The escalations of one app's incidents. All methods raise StorageError if the database cannot be used.

    Args:
        url: The database.
        app: The app; who is on a rota is encrypted under a key derived from its secret.
        render: Builds the cards of incidents.
    """

    def __init__(self, url: URL, app: App, render: RenderIncident) -> None:
        self._url, self._app, self._render = url, app, render
        self._incidents = Incidents(url, app)

    def plan(self, key: str, escalation: Escalation, quiet: QuietHours | None) -> bool:
        """Record the steps of an incident, counted from when it was opened; once.

        Args:
            key: The incident.
            escalation: What its route does.
            quiet: The route's quiet hours.

        Returns:
            Whether they are new.
        """
        with migrate.open_transaction(self._url) as connection:
            query = sa.select(incidents.c.created_at, incidents.c.state).where(incidents.c.key == key)
            row = connection.execute(query.with_for_update()).one_or_none()
            if row is None or row.state != "open" or _select_rows(connection, key):
                return False
            now = statements.read_clock(connection).now
            steps = zip(plan(row.created_at, escalation.steps, quiet), escalation.steps, strict=True)
            values = [
                {
                    "incident_key": key, "number": planned.number, "app_id": self._app.app_id,
                    "urgent": step.urgent, "state": "due", "due_at": planned.due_at,
                    "content": self._seal(key, planned.number, to_json(step, escalation.rota)),
                    "created_at": now, "updated_at": now,
                }
                for planned, step in steps
            ]  # fmt: skip
            added = statements.insert(connection, escalation_steps).on_conflict_do_nothing()
            connection.execute(added, values)
            return True

    def claim(self, key: str, stale: timedelta) -> tuple[ClaimedStep | None, list[tuple[str, str]]]:
        """Record what has ended, is too late or unknown, and return the step to take now.

        Args:
            key: The incident.
            stale: After which the outcome of a step that was started is unknown.

        Returns:
            The step; None if there is none. And what was recorded: how each step rings, and its state now.

        Raises:
            DecryptionError: The incident was encrypted under another secret of the app.
        """
        recorded: list[tuple[str, str]] = []
        taken: ClaimedStep | None = None
        urged: list[EscalationRecord] = []

        def claim(connection: Connection, shown: ShownIncident) -> None:
            nonlocal taken
            rows, now = _select_rows(connection, key), statements.read_clock(connection).now
            decision = decide(shown.incident, [_read_planned_step(row) for row in rows], now)
            for row in rows:
                state = _decide_state(row, decision, now - stale)
                if state is not None:
                    reason = decision.end if state == "ended" else None
                    _set(connection, key, row.number, now, state=state, reason=reason)
                    recorded.append((row.urgent, state))
                    if state != "ended":
                        urged.append(self._read_urged(row, state, now))
            taken = self._find_claimed_step(rows, decision.take, shown, now)

        self._change(key, claim, urged)
        return taken, recorded

    def begin(self, taken: ClaimedStep, name: str) -> ShownIncident | None:
        """Record that a step is started, before Lark is called.

        Args:
            taken: The step.
            name: The name of the person on duty, for the card.

        Returns:
            The incident as it is now; None if the step is needless by now, or another process took it.
        """
        current: ShownIncident | None = None

        def begin(connection: Connection, shown: ShownIncident) -> None:
            nonlocal current
            rows, now = _select_rows(connection, taken.key), statements.read_clock(connection).now
            decision = decide(shown.incident, [_read_planned_step(row) for row in rows], now)
            if decision.take == taken.number and shown.message_id is not None:
                content = to_json(taken.step, taken.rota) | {"name": name}
                sealed = self._seal(taken.key, taken.number, content)
                _set(
                    connection, taken.key, taken.number, now, state="started", started_at=now, content=sealed
                )
                current = shown

        self._change(taken.key, begin, [])
        return current

    def finish(self, key: str, number: int, state: StepState, reason: str = "") -> bool:
        """Record the outcome of a step, and show it on the card.

        Args:
            key: The incident's key.
            number: The step's number, from 1.
            state: `done`, `failed` or `unknown`.
            reason: Why the step failed, or why its outcome is unknown; empty if it is done.

        Returns:
            Whether it was recorded: it was started, and nothing else is known of it.
        """
        is_recorded = False
        urged: list[EscalationRecord] = []

        def finish(connection: Connection, _: ShownIncident) -> None:
            nonlocal is_recorded
            row = next(
                (candidate for candidate in _select_rows(connection, key) if candidate.number == number), None
            )
            # A process that was frozen may know what another one has recorded as unknown.
            if row is not None and row.state in {"due", "started", "unknown"} and row.state != state:
                now = statements.read_clock(connection).now
                _set(connection, key, number, now, state=state, reason=reason[:_MAX_REASON] or None)
                urged.append(self._read_urged(row, state, now, reason))
                is_recorded = True

        self._change(key, finish, urged)
        return is_recorded

    def postpone(self, key: str, number: int, seconds: float, reason: str) -> None:
        """Record that a step was certainly not performed, and is tried again.

        Args:
            key: The incident's key.
            number: The step's number, from 1.
            seconds: Seconds from now until the next attempt.
            reason: Why the step was not performed.
        """
        with migrate.open_transaction(self._url) as connection:
            now = statements.read_clock(connection).now
            later = now + timedelta(seconds=seconds)
            values = {"state": "due", "next_at": later, "started_at": None, "reason": reason[:_MAX_REASON]}
            _set(connection, key, number, now, states=("due", "started"), **values)

    def send_card(self, key: str) -> None:
        """Have the card of an incident sent at once that waits for the end of quiet hours."""
        self._incidents.change(
            key, lambda shown: replace(shown, incident=replace(shown.incident, not_before="")), self._render
        )

    def _change(self, key: str, work: Any, urged: list[EscalationRecord]) -> None:
        """Do work while the incident is locked, then show on its card what it has appended to `urged`."""
        holder: list[Connection] = []

        def change(before: ShownIncident) -> ShownIncident:
            work(holder[0], before)
            incident = before.incident
            for attempt in urged:
                incident = incident.with_urged(attempt)
            return replace(before, incident=incident)

        self._incidents.change(key, change, self._render, within=holder.append)

    def _find_claimed_step(
        self, rows: Iterable[sa.Row[Any]], number: int | None, shown: ShownIncident, now: datetime
    ) -> ClaimedStep | None:
        row = next((candidate for candidate in rows if candidate.number == number), None)
        if row is None or (row.next_at is not None and row.next_at > now):
            return None
        step, rota = from_json(self._read_content(row))
        later = [other.due_at for other in rows if other.state == "due" and other.due_at > now]
        return ClaimedStep(
            key=row.incident_key,
            number=row.number,
            step=step,
            rota=rota,
            due_at=row.due_at,
            next_due_at=min(later, default=None),
            shown=shown,
            now=now,
        )

    def _read_urged(
        self, row: sa.Row[Any], outcome: str, now: datetime, detail: str = ""
    ) -> EscalationRecord:
        name = str(self._read_content(row).get("name", ""))
        at = row.started_at or now
        return EscalationRecord(row.number, row.urgent, name, at.isoformat(), outcome, detail[:200])

    def _read_content(self, row: sa.Row[Any]) -> dict[str, Any]:
        text = self._make_box(row.incident_key, row.number).open(row.content)
        # Its incident could be decrypted, so what cannot be read here was changed in the table itself.
        content: dict[str, Any] = {} if text is None else orjson.loads(text)
        return content or {"step": {"after": 0.0, "urgent": row.urgent}, "rota": _NO_ROTA}

    def _seal(self, key: str, number: int, content: dict[str, Any]) -> str:
        return self._make_box(key, number).seal(orjson.dumps(content).decode())

    def _make_box(self, key: str, number: int) -> TokenBox:
        return TokenBox(self._app.app_secret, f"escalation\0{key}\0{number}\0{self._app.app_id}")


_NO_ROTA: dict[str, Any] = {"people": [], "weekly_from": None, "table": None, "timezone": "UTC"}


def _select_rows(connection: Connection, key: str) -> list[sa.Row[Any]]:
    columns = escalation_steps.c
    query = sa.select(escalation_steps).where(columns.incident_key == key).order_by(columns.number)
    return list(connection.execute(query))


def _read_planned_step(row: sa.Row[Any]) -> PlannedStep:
    return PlannedStep(row.number, row.due_at, row.state)


def _decide_state(row: sa.Row[Any], decision: Decision, stale: datetime) -> StepState | None:
    """Return the state that a step has from now on; None if it keeps its own."""
    if row.state == "started":
        return "unknown" if row.started_at is None or row.started_at < stale else None
    if row.state != "due":
        return None
    if decision.end is not None:
        return "ended"
    return "skipped" if row.number in decision.skip else None


def _set(
    connection: Connection,
    key: str,
    number: int,
    now: datetime,
    *,
    states: tuple[str, ...] = ("due", "started", "unknown"),
    **values: Any,
) -> None:
    columns = escalation_steps.c
    connection.execute(
        escalation_steps.update()
        .where(columns.incident_key == key, columns.number == number, columns.state.in_(states))
        .values(updated_at=now, **values)
    )
