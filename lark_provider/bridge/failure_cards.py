"""The bridge's work on failures: it reports them, and shows the outcome of clicks on their cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from lark_provider.api.cards.airflow.failure_actions import read_mute
from lark_provider.bridge import digests as digesting
from lark_provider.bridge import escalating
from lark_provider.bridge.digests import DigestSender
from lark_provider.bridge.escalating import Escalator
from lark_provider.bridge.failures import POLL_SECONDS, FailurePoller
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.routes import RoutesFile
from lark_provider.bridge.steps import BridgeStep
from lark_provider.outbox import outgoing
from lark_provider.outbox.apps import OutboxApps
from lark_provider.outbox.delivering import Deliverer
from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.hitl.delivery import ClickResult
from lark_provider.protocol.hitl.keys import get_action
from lark_provider.protocol.incidents.model import CardAction, Claim, Incident, Mute
from lark_provider.protocol.incidents.shown import ShownIncident
from lark_provider.protocol.tokens import App
from lark_provider.storage.applied_clicks import AppliedClicks, ClickOutcome
from lark_provider.storage.digests import Digests
from lark_provider.storage.failures import FailureCursor, Mutes
from lark_provider.storage.incidents import Incidents
from lark_provider.storage.outbox import Outbox
from lark_provider.support import threads

if TYPE_CHECKING:
    from lark_provider.bridge.service import Bridge

_OUTBOX_SECONDS = 1.0
_MAX_POLL = 300.0


def check_poll_seconds(seconds: float) -> None:
    """Check the time between two polls for failures.

    Args:
        seconds: The time between two polls, in seconds, as passed with `--failure-seconds`.

    Raises:
        ConfigurationError: It is not a number above 0 and at most 300.
    """
    if not 0 < seconds <= _MAX_POLL:
        raise ConfigurationError(
            f"--failure-seconds must be above 0 and at most {_MAX_POLL:g}, got {seconds!r}. Next: "
            "leave it out, or pass such a number."
        )


class FailureReports:
    """The work on failures of one bridge.

    Args:
        bridge: The bridge.
        routes: Who is notified of which failures.
        seconds: Between two polls for failures.

    Raises:
        ConfigurationError: `seconds` is not a number above 0 and at most 300.
    """

    def __init__(self, bridge: Bridge, routes: RoutesFile, seconds: float = POLL_SECONDS) -> None:
        check_poll_seconds(seconds)
        settings, database, url = bridge.settings, bridge.database, bridge.settings.public_url
        apps = IncidentApps(database, bridge.apps, bridge.app_id)
        self._apps, self._database, self._seconds = apps, database, seconds
        self._mutes, self._clicks = Mutes(database), AppliedClicks(database)
        name = f"{settings.airflow.url}\n{settings.team or ''}"
        cursor = FailureCursor(database, name)
        self._poller = FailurePoller(bridge.api, cursor, self._mutes, apps, routes, url)
        self._escalator = Escalator(database, apps, bridge.apps)
        self._digests = DigestSender(bridge.api, Digests(database, name), apps, routes, url)
        senders = OutboxApps(database.render_as_string(hide_password=False))
        self._deliverer = Deliverer(Outbox(database), senders, replaces=routes.replaces_lost)

    def list_steps(self) -> Sequence[BridgeStep]:
        """Return what is repeated: the poll of failures, escalations, digests, and the outbox's delivery."""
        return (
            BridgeStep("failures", self._seconds, self._poller.poll, is_alone=True),
            BridgeStep("escalations", escalating.PAUSE_SECONDS, self._escalator.work),
            BridgeStep("digests", digesting.PAUSE_SECONDS, self._digests.work, is_alone=True),
            BridgeStep("outbox", _OUTBOX_SECONDS, self._deliver),
        )

    async def _deliver(self) -> bool:
        return await self._deliverer.begin_due() > 0

    async def show(self, applied: ClickOutcome, result: ClickResult) -> bool:
        """Show on a failure's card the outcome of a click on it.

        Args:
            applied: The click.
            result: The plugin's answer.

        Returns:
            Whether it is shown there; else the person is told.

        Raises:
            StorageError: The database cannot be used.
        """
        app = await self._apps.find(applied.app_id)
        if app is None or result.outcome not in {"retried", "noted", "superseded"}:
            return False
        return await threads.run(partial(self._change_incident, app, applied, result))

    def _change_incident(self, app: App, applied: ClickOutcome, result: ClickResult) -> bool:
        """Change the incident of a clicked card, and return whether it has changed. Blocks."""
        incidents = Incidents(self._database, app)
        shown = incidents.find(applied.card)
        click = self._clicks.find_click(applied.app_id, applied.event_id)
        if shown is None or click is None:
            return False
        mute = _read_mute_of_click(click, shown.incident)
        if mute is not None and result.outcome == "noted":
            task_id, until = mute
            name = result.person or applied.open_id
            self._mutes.mute(shown.place.dag_id, task_id, until, applied.open_id, name)
        is_changed = False

        def change(before: ShownIncident) -> ShownIncident:
            nonlocal is_changed
            incident = after_click(before.incident, click, result, before.place.language)
            is_changed = incident != before.incident
            return replace(before, incident=incident)

        incidents.change(applied.card, change, outgoing.render_card_payload)
        return is_changed


def after_click(before: Incident, click: CardClick, result: ClickResult, language: str) -> Incident:
    """Return an incident after a click on its card; pure. The same click again changes nothing.

    Args:
        before: The incident.
        click: The click.
        result: The plugin's answer to the click.
        language: The card's language, `zh` or `en`.
    """
    action = get_action(click.action.value)
    who, at = result.person or click.operator.open_id, click.created_at.astimezone(UTC).isoformat()
    if action == "retry":
        text = result.message.get(language) or result.message.get("en") or result.outcome
        return before.with_deed(CardAction(f"{who}: {text}", at, click.event_id))
    if result.outcome != "noted":
        return before
    if action == "claim" and before.claim is None:
        return replace(before, claim=Claim(click.operator.open_id, who, at))
    if action == "mute" and (mute := _read_mute_of_click(click, before)) is not None:
        task_id, until = mute
        return before.with_mute(Mute(task_id, who, until.isoformat()))
    return before


def _read_mute_of_click(click: CardClick, incident: Incident) -> tuple[str, datetime] | None:
    """Return which task a click mutes, and until when: from the click on, however late it is processed."""
    if get_action(click.action.value) != "mute":
        return None
    mute = read_mute(click.action.option, incident)
    if mute is None:
        return None
    task_id, hours = mute
    return task_id, click.created_at.astimezone(UTC) + timedelta(hours=hours)
