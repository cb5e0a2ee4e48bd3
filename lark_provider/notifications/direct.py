"""Send a notification at once, where no database is configured.

A notification that fails is lost then. Which card shows a run's failures is recorded in an Airflow Variable.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence

from lark_provider.notifications import airflow_context
from lark_provider.notifications.delivery import deliver
from lark_provider.notifications.notice import Notice
from lark_provider.notifications.run_cards import RunCards
from lark_provider.protocol.incidents.changes import apply_event
from lark_provider.protocol.incidents.model import Incident


async def send(notice: Notice) -> Sequence[str]:
    """Send a notification, or update the card of its run.

    Args:
        notice: The notification.

    Returns:
        Ids of the messages that show it; empty if the notifier reports no such success.

    Raises:
        LarkError: Lark refused the message or was unreachable.
    """
    event, client, to, message = notice.event, notice.client, notice.to, notice.message
    run_cards, before, incident = await _read_incident(notice)
    if incident is None and notice.is_quiet:
        return ()
    instead = before.cards if before and incident else ()
    cards = await deliver(client, to, message, event, incident, key=notice.key, instead=instead)
    if run_cards and incident:
        show = functools.partial(deliver, client, to, message, event, key=notice.key)
        try:
            shown = incident.with_cards(*cards)
            await run_cards.record(event.run_id, shown, before, show, notice.left.compute_remaining() - 0.1)
        except Exception as error:  # noqa: BLE001 - the message is sent, whether or not it is recorded
            notice.notifier.log.warning(
                "Failed to record the card; later events may get separate cards",
                error=airflow_context.format_error(error, notice.left.seconds),
            )
    return cards


async def _read_incident(notice: Notice) -> tuple[RunCards | None, Incident | None, Incident | None]:
    """Return the run's recorded cards, its incident before the event, and its incident with the event."""
    if not notice.shares_card:
        return None, None, None
    event, left = notice.event, notice.left
    run_cards = before = None
    states: Mapping[str, str] = {}
    if notice.may_block:
        run_cards = RunCards(notice.conn_id, notice.notifier.receiver_id, event.dag_id)
        try:
            async with asyncio.timeout(left.compute_remaining() / 2):  # the rest is for sending
                before, states = await run_cards.read_previous(event, notice.context, left.seconds)
        except TimeoutError:
            notice.notifier.log.warning(
                "Airflow Variables timed out; sending a separate card for this event."
            )
            run_cards = None
    errors = await notice.read_errors(before, states)
    return run_cards, before, apply_event(before, event, states, errors)
