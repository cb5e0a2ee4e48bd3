"""Perform proven clicks: our rows say what a click is about and who clicked; Airflow decides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lark_provider.plugins import identity, settings
from lark_provider.plugins.answering import Answerer, answer
from lark_provider.plugins.clearing import Plans, ShownTry, clear
from lark_provider.plugins.failures import act_on, read_incident
from lark_provider.plugins.in_process import InProcess
from lark_provider.plugins.sentences import describe_outcome
from lark_provider.protocol.hitl.delivery import ClickResult, DeliveredClick
from lark_provider.protocol.hitl.keys import get_action, get_card_key
from lark_provider.protocol.incidents.shown import ShownIncident
from lark_provider.protocol.waits import CORRELATION
from lark_provider.storage.clicked_cards import QuestionCard, find_question_card, is_incident
from lark_provider.storage.people import People
from lark_provider.support import threads

if TYPE_CHECKING:
    from lark_provider.plugins.asgi import AsgiApplication
    from lark_provider.storage.click_results import ClickResults

_LOOKUP_SECONDS = 20.0
"""The time for the look-ups of a click in our database, and of its person in Lark and in Airflow's
database."""


class Actions:
    """Performs the actions of clicks.

    Args:
        app: Airflow's own application.
    """

    def __init__(self, app: AsgiApplication) -> None:
        self._app = app

    async def act(self, click: DeliveredClick, results: ClickResults) -> ClickResult:
        """Perform the action of a click, and return its outcome.

        Args:
            click: The click, which was proven.
            results: Records what a click is going to change, before it is changed.

        Raises:
            LarkError: Our database or settings cannot be used.
        """
        open_id = click.operator.open_id
        card = await threads.run(lambda: _find_card(click), _LOOKUP_SECONDS)
        if card is None:
            return ClickResult("unknown_card", describe_outcome("unknown_card"), open_id=open_id)
        resolved = await threads.run(lambda: _resolve_person(click), _LOOKUP_SECONDS)
        if isinstance(resolved, identity.PersonRefusal):
            return ClickResult(
                resolved.outcome, resolved.message, open_id=open_id, link_url=resolved.link_url
            )
        who = Answerer(open_id, str(resolved.user.get_id()), str(resolved.user.get_name()))
        plans = Plans(
            lambda: results.plan(click.app_id, click.event_id),
            lambda plan: results.decide(click, find_key(click) or "", plan),
        )
        async with InProcess(self._app, resolved.user) as airflow:
            if not isinstance(card, QuestionCard):
                return await act_on(airflow, card, click, who, plans)
            if card.is_earlier:
                return who.make_result("superseded")
            if get_action(click.action.value) == "ask_again":
                task = card.question.task
                return await clear(airflow, [ShownTry(task, task.task_id)], who, plans)
            return await answer(airflow, card, click, who)

    async def renew_link(self, click: DeliveredClick, result: ClickResult) -> ClickResult:
        """Return a recorded result with a new link, if the person has to link themselves and has not yet.

        The link is not recorded, since it holds a code, and may have been lost with a process.

        Args:
            click: The click, delivered again.
            result: What was recorded.
        """
        if result.outcome != "unlinked":
            return result
        resolved = await threads.run(lambda: _resolve_person(click), _LOOKUP_SECONDS)
        return (
            replace(result, link_url=resolved.link_url)
            if isinstance(resolved, identity.PersonRefusal)
            else result
        )


def find_key(click: DeliveredClick) -> str | None:
    """Return the key of the card that a click was on; None if it is not one of Airflow's."""
    value = click.action.value
    marked = value.get(CORRELATION) if isinstance(value, dict) else None
    return get_card_key(marked) if isinstance(marked, str) else None


def _find_card(click: DeliveredClick) -> QuestionCard | ShownIncident | None:
    """Return the card of a click; None if it is not recorded for that app and message. It blocks."""
    key = find_key(click)
    if key is None:
        return None
    card = find_question_card(settings.DATABASE.read_url(), key)
    if card is None:
        return (
            read_incident(settings.DATABASE.read_url(), key, click)
            if is_incident(settings.DATABASE.read_url(), key)
            else None
        )
    if card.app_id != click.app_id:
        return None
    # A card is recorded before it is sent; its message may not be known yet.
    if card.message_id is not None and card.message_id != click.message_id:
        return None
    return card


def _resolve_person(click: DeliveredClick) -> identity.ActingUser | identity.PersonRefusal:
    """Return the user of Airflow that a person acts as, or why they may not. It blocks."""
    people = People(settings.DATABASE.read_url())
    clicker = identity.Clicker(
        app_id=click.app_id,
        tenant_key=click.tenant_key or "",
        open_id=click.operator.open_id,
        operator_tenant_key=click.operator.tenant_key or "",
    )
    return identity.Identities(people, settings=settings.PEOPLE.read).resolve(clicker)
