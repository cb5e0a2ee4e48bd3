"""What a proven click does: our rows say what it is about and who clicked; Airflow decides."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lark_provider.plugins import settings, users
from lark_provider.plugins.answering import Clicker, answer
from lark_provider.plugins.clearing import Shown, clear
from lark_provider.plugins.in_process import InProcess
from lark_provider.plugins.sentences import sentence
from lark_provider.protocol.hitl.delivery import ClickResult, DeliveredClick, Outcome
from lark_provider.protocol.hitl.keys import action_of, card_of
from lark_provider.protocol.waits import CORRELATION
from lark_provider.storage.clicked_cards import QuestionCard, question_card
from lark_provider.storage.errors import DecryptionError
from lark_provider.storage.people import Linked, People
from lark_provider.support import threads

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

    from lark_provider.plugins.plugin import Application

logger = logging.getLogger(__name__)
_SECONDS = 10.0
"""For the look-ups of a click in our database, and of its user in Airflow's."""


async def act(app: Application, click: DeliveredClick) -> ClickResult:
    """Do what a click means, and return what became of it.

    Args:
        app: Airflow's own application.
        click: The click, which was proven.

    Raises:
        LarkError: Our database or settings cannot be used.
    """
    card = await threads.run(lambda: _card(click), _SECONDS)
    if card is None:
        return _refused("unknown_card", click)
    tenant = click.tenant_key
    if not tenant or click.operator.tenant_key != tenant:
        return _refused("foreign_tenant", click)
    found = await threads.run(lambda: _person(click, tenant), _SECONDS)
    if isinstance(found, ClickResult):
        return found
    linked, user = found
    who = Clicker(click.operator.open_id, linked.account.user_id, linked.account.user_name)
    async with InProcess(app, user) as airflow:
        if action_of(click.action.value) == "ask_again":
            task = card.question.task
            return await clear(airflow, [Shown(task, task.task_id)], who)
        return await answer(airflow, card, click, who)


def key_of(click: DeliveredClick) -> str | None:
    """Return the key of the card that a click was on; None if it is not one of Airflow's."""
    value = click.action.value
    marked = value.get(CORRELATION) if isinstance(value, dict) else None
    return card_of(marked) if isinstance(marked, str) else None


def _card(click: DeliveredClick) -> QuestionCard | None:
    """Return the card of a click; None if it is not recorded for that app and message. It blocks."""
    key = key_of(click)
    card = None if key is None else question_card(settings.DATABASE.url(), key)
    if card is None or card.app_id != click.app_id:
        return None
    # A card is recorded before it is sent; its message may not be known yet.
    if card.message_id is not None and card.message_id != click.message_id:
        return None
    return card


def _person(click: DeliveredClick, tenant: str) -> tuple[Linked, BaseUser] | ClickResult:
    """Return who clicked, with their user of Airflow, or why they cannot act. It blocks."""
    people = People(settings.DATABASE.url())
    try:
        linked = people.find(click.app_id, tenant, click.operator.open_id)
    except DecryptionError as error:
        logger.error(  # noqa: TRY400 - the text says all, and a trace names more than it should
            "Link of a person refused", extra={"open_id": click.operator.open_id, "error": str(error)}
        )
        return _refused("inactive", click, people, tenant)
    if linked is None:
        return _refused("unlinked", click, people, tenant)
    try:
        return linked, users.restore(linked)
    except users.InactiveUserError as error:
        logger.warning(
            "User of a linked person is not active",
            extra={"open_id": click.operator.open_id, "user": linked.account.user_name, "error": str(error)},
        )
        return _refused("inactive", click, people, tenant)


def _refused(
    outcome: Outcome, click: DeliveredClick, people: People | None = None, tenant: str = ""
) -> ClickResult:
    """Return a refusal before the person is known; with a link for them if `people` is given."""
    open_id = click.operator.open_id
    link = None if people is None else settings.link_url(people.new_code(click.app_id, tenant, open_id))
    return ClickResult(outcome, sentence(outcome), open_id=open_id, link_url=link)
