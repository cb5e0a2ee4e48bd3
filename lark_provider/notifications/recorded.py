"""Record a notification in the outbox, and deliver it from here as long as the deadline allows.

What is not delivered then is delivered later: by another task of the run, the bridge, the pump, or
`lark-provider outbox run`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from lark_provider.errors import LarkError
from lark_provider.notifications.deadline import CommitGate, call_in_thread
from lark_provider.notifications.delivery import make_outgoing
from lark_provider.notifications.notice import Notice
from lark_provider.outbox.apps import OutboxApps
from lark_provider.outbox.delivering import Deliverer
from lark_provider.outbox.recording import RecordedIncident, Recorder, checking_commits
from lark_provider.protocol.incidents.model import FAILURES
from lark_provider.protocol.incidents.shown import IncidentPlace

T = TypeVar("T")
_RECORD_SECONDS = 10.0
_POLL_INTERVAL_SECONDS = 0.1
_LAST_SECONDS = 0.5
"""Kept to record that an attempt took too long."""


class NotRecordedError(LarkError):
    """The database could not be used, or was too slow; nothing is recorded, as far as is known."""


async def send(notice: Notice) -> Sequence[str]:
    """Record a notification and deliver it.

    Args:
        notice: The notification.

    Returns:
        The id of the message that shows it; empty if there is nothing to show, or it is delivered later.

    Raises:
        NotRecordedError: The database could not be used, or was too slow.
        TimeoutError: The deadline passed during the commit, so that the message may be delivered later.
        LarkError: Lark refused the message for good.
    """
    recorder = Recorder(notice.client)
    recorded = await _record_event(notice, recorder) if notice.shares_card else None
    if recorded is not None:
        if recorded.row is None or recorded.shown is None:
            return ()  # The task is muted, or the card shows the event already.
        return await _deliver(notice, recorder, recorded.row, recorded.shown.key)
    if notice.is_quiet:
        return ()
    row = await _record(notice, lambda: _record_own_message(notice, recorder))
    return await _deliver(notice, recorder, row, row)


async def _record_event(notice: Notice, recorder: Recorder) -> RecordedIncident | None:
    """Add the event to the incident of its run; None if it has none."""
    event, to = notice.event, notice.to
    place = IncidentPlace(
        event.dag_id, event.run_id, to.id, to.id_type or "", notice.message.language, to.instead_of
    )
    before = await _in_database(notice, lambda: recorder.open(place))
    if before is None and event.kind not in FAILURES:
        return None
    incident = before.incident if before else None
    states = await notice.read_states()
    errors = await notice.read_errors(incident, states)
    mentions = notice.message.mentions
    recorded = await _record(
        notice, lambda: recorder.record_event(place, event, mentions, states=states, errors=errors)
    )
    if recorded.is_muted:
        notice.notifier.log.info("Task is muted; not notified", dag_id=event.dag_id, task_id=event.task_id)
        return recorded
    return None if recorded.shown is None else recorded


def _record_own_message(notice: Notice, recorder: Recorder) -> str:
    outgoing = make_outgoing(notice.message, notice.to, notice.event)
    return recorder.record_message(outgoing, notice.to.make_key(notice.key))


async def _in_database(notice: Notice, work: Callable[[], T]) -> T:
    seconds = _compute_share(notice)
    try:
        return await call_in_thread(work, seconds)
    except (LarkError, TimeoutError) as error:
        raise NotRecordedError(str(error) or _explain_timeout(seconds)) from error


async def _record(notice: Notice, work: Callable[[], T]) -> T:
    """Record in the database; if that takes too long, its transaction is rolled back.

    The notification is sent directly then. If a late thread committed nevertheless, the outbox would deliver
    it a second time.
    """
    gate = CommitGate()

    def record() -> T:
        with checking_commits(gate.begin_commit):
            return work()

    seconds = _compute_share(notice)
    recording = asyncio.ensure_future(call_in_thread(record, notice.left.compute_remaining()))
    try:
        await asyncio.wait([recording], timeout=seconds)
        if recording.done() or not gate.give_up():
            return await recording  # A commit that has begun is waited for, since it cannot be called back.
    except LarkError as error:
        raise NotRecordedError(str(error)) from error
    finally:
        gate.give_up()  # Also if this coroutine is cancelled.
        recording.cancel()
    raise NotRecordedError(_explain_timeout(seconds))


def _compute_share(notice: Notice) -> float:
    """Return how long the database may take, in seconds: the rest is for sending."""
    return min(_RECORD_SECONDS, notice.left.compute_remaining() / 2)


def _explain_timeout(seconds: float) -> str:
    return f"no answer within {seconds:.1f} s"


async def _deliver(notice: Notice, recorder: Recorder, row: str, name: str) -> Sequence[str]:
    """Deliver a row, or wait until another process has done so.

    Args:
        notice: The notification.
        recorder: What recorded it.
        row: The row.
        name: The card whose rows are delivered in their order; else the row.
    """
    left = notice.left
    apps = OutboxApps(clients=[notice.client], only_these=True)
    why = "the deadline passed first"
    while (seconds := left.compute_remaining() - _LAST_SECONDS) > 0:
        deliverer = Deliverer(recorder.outbox, apps, seconds=seconds)
        try:
            await deliverer.deliver_due(only=name)
            current = await deliverer.read_state(row)
        except (LarkError, TimeoutError) as error:
            why = str(error) or "the database does not answer"
            break
        if current is None:
            return ()  # Purged meanwhile.
        if current.state == "delivered":
            return (str(current.message_id),)
        if current.state == "superseded":
            return ("shown by a later version of the card",)
        if current.state == "given_up":
            raise LarkError(current.reason or "Lark refused the message.")
        if current.reason is not None:
            why = current.reason
            break
        await asyncio.sleep(min(_POLL_INTERVAL_SECONDS, max(0.0, left.compute_remaining() - _LAST_SECONDS)))
    event = notice.event
    fields = {"dag_id": event.dag_id, "reason": why}
    notice.notifier.log.warning("Notification recorded; it is delivered later", **fields)
    return ()
