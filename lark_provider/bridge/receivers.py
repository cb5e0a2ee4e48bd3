"""Who gets the card of a question: where routes send it, else the people who may answer it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from lark_provider.api.routes.model import RouteReceiver
from lark_provider.protocol.hitl.model import HitlQuestion
from lark_provider.protocol.language import Language
from lark_provider.protocol.quiet_hours import QuietHours
from lark_provider.storage.hitl_cards import NewCard
from lark_provider.storage.people import People

PERSON: Final = "open_id"
CHAT: Final = "chat_id"


class Receivers(Protocol):
    """What routes decide."""

    def for_question(self, question: HitlQuestion) -> Sequence[RouteReceiver]:
        """Return where a question's card goes; none if no route is for it."""

    def open_ids(self, names: Iterable[str]) -> Mapping[str, Sequence[str]]:
        """Return the open_ids that `people` of `lark.yaml` gives to users of Airflow, by name."""

    def replaces_lost(self) -> bool:
        """Return whether one new card is sent for one that cannot be updated, as it is now."""


class Recipients:
    """Decides which cards questions get. Without a route and without a linked assignee a question has none.

    Args:
        routes: The routes.
        people: The record of which person in Lark is which user of Airflow.
        app_id: The id of the app that sends where a route names none.
        language: The language of cards that go to assignees because no route matches: `zh` or `en`.
    """

    def __init__(self, routes: Receivers, people: People, app_id: str, language: Language = "zh") -> None:
        self._routes, self._people = routes, people
        self._app_id, self._language = app_id, language

    def make_cards(self, questions: Iterable[HitlQuestion]) -> dict[str, list[NewCard]]:
        """Return the cards of questions by task-instance id, with one query for all people. Blocks.

        Args:
            questions: Any number.

        Raises:
            StorageError: The database cannot be used.
        """
        wanted = list(questions)
        users = {assignee.id for question in wanted for assignee in question.assignees}
        links_by_user = self._people.by_user(self._app_id, users) if users else {}
        linked = {user: [link.person.open_id for link in links] for user, links in links_by_user.items()}
        for user, names in _collect_names(wanted).items():
            for open_ids in self._routes.open_ids(names).values():
                linked.setdefault(user, []).extend(open_ids)
        return {question.task.ti_id: self._make_cards(question, linked) for question in wanted}

    def _make_cards(self, question: HitlQuestion, linked: Mapping[str, Sequence[str]]) -> list[NewCard]:
        now = datetime.now(UTC)
        people = list(
            dict.fromkeys(
                open_id for assignee in question.assignees for open_id in linked.get(assignee.id, ())
            )
        )
        routed = self._routes.for_question(question)
        receivers = routed or [RouteReceiver(None, open_id, PERSON, self._language) for open_id in people]
        cards: dict[str, NewCard] = {}
        for receiver in receivers:
            app_id = receiver.app_id or self._app_id
            # An open_id is valid for one app alone.
            assignees = people if receiver.receiver_type == CHAT and app_id == self._app_id else []
            mentions = tuple(dict.fromkeys((*receiver.mentions, *assignees)))
            card = NewCard(
                question.task.ti_id, app_id, receiver.receiver, receiver.receiver_type, receiver.language,
                mentions, not_before=compute_wait_end(receiver.quiet_hours, question.deadline, now),
            )  # fmt: skip
            cards.setdefault(card.key, card)
        return list(cards.values())


def compute_wait_end(quiet: QuietHours | None, deadline: datetime | None, now: datetime) -> datetime | None:
    """Return the end of quiet hours for which a question's card waits; None if it does not wait; pure.

    A question that has to be answered before they end is asked at once.

    Args:
        quiet: The route's quiet hours; None if it has none.
        deadline: When the question expires, with its time zone; None if it never does.
        now: The current time, with its time zone.
    """
    if quiet is None or not quiet.covers(now):
        return None
    end = quiet.end_after(now)
    return None if deadline is not None and deadline <= end else end


def _collect_names(questions: Iterable[HitlQuestion]) -> dict[str, set[str]]:
    """Return the names that each assignee may have as a user of Airflow, by the assignee's id.

    With the Simple auth manager the id is the name; with FAB it is a number, which is not a name.
    """
    names: dict[str, set[str]] = {}
    for question in questions:
        for assignee in question.assignees:
            names.setdefault(assignee.id, set()).update(
                {assignee.name} if assignee.id.isdigit() else {assignee.name, assignee.id}
            )
    return names
