"""Routes: who is asked, and notified of failures, for the tasks that match.

The first route that matches is used. A route with `continue: true` is used as well as the next one that
matches; each receiver gets one card, from the first route that names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from lark_provider.api.routes.commands import CommandRule
from lark_provider.protocol.hitl.model import HitlQuestion
from lark_provider.protocol.hitl.people import PeopleSettings
from lark_provider.protocol.incidents.escalation import Escalation
from lark_provider.protocol.language import Language
from lark_provider.protocol.quiet_hours import QuietHours

What: TypeAlias = Literal["questions", "failures"]
ReceiverType: TypeAlias = Literal["open_id", "union_id", "user_id", "email", "chat_id"]


@dataclass(frozen=True, slots=True)
class RouteReceiver:
    """Who gets a card, and how.

    Attributes:
        app_id: The app that sends it; None for the default one.
        receiver: The id or address of a chat or person.
        receiver_type: The kind of the id, as the query parameter `receive_id_type` names it.
        language: The language of the card.
        mentions: Open_ids or e-mail addresses of people to mention, or `all`.
        timezone: The IANA name of the time zone in which the card shows times.
        quiet_hours: The hours in which no card is sent; those of the route.
        escalation: What is done with a failure that no person claims; that of the route.
    """

    app_id: str | None
    receiver: str
    receiver_type: ReceiverType
    language: Language = "zh"
    mentions: tuple[str, ...] = ()
    timezone: str = "UTC"
    quiet_hours: QuietHours | None = None
    escalation: Escalation | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A route. Patterns are globs, case-sensitive; each list that is not empty must have one that matches.

    Attributes:
        name: The name of the route, for logs and `airflow check`.
        line: The line of `lark.yaml` where the route begins, from 1.
        receivers: The chats and people that get the cards; empty for a route that mutes.
        what: What the route is for: questions, failures, or both.
        dags: Patterns of DAG ids.
        tags: Patterns of tags; one tag of the DAG that matches is enough.
        owners: Patterns of the DAG's owners; one owner that matches is enough.
        tasks: Patterns of task ids.
        teams: Names of teams, of a multi-team Airflow.
        mute: Whether failures are notified to no person, and questions go to their assignees alone.
        is_final: Whether no later route is looked at.
        quiet: When cards mention no person; they are sent all the same.
        quiet_hours: When cards and urgent messages wait.
        digest: When the digest of each day is sent.
        escalation: What is done with a failure that no person claims.
        timezone: The IANA name of the time zone in which days begin.
    """

    name: str
    line: int
    receivers: tuple[RouteReceiver, ...]
    what: frozenset[What] = frozenset({"questions", "failures"})
    dags: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    mute: bool = False
    is_final: bool = True
    quiet: QuietHours | None = None
    quiet_hours: QuietHours | None = None
    digest: time | None = None
    escalation: Escalation | None = None
    timezone: str = "UTC"

    def matches(
        self, dag_id: str, task_id: str, tags: Iterable[str], owners: Iterable[str], team: str | None
    ) -> bool:
        """Return whether a task is this route's; see the attributes."""
        return (
            _fits(self.dags, [dag_id])
            and _fits(self.tasks, [task_id])
            and _fits(self.tags, tags)
            and _fits(self.owners, owners)
            and (not self.teams or team in self.teams)
        )


@dataclass(frozen=True, slots=True)
class Routes:
    """What `lark.yaml` says.

    Attributes:
        routes: The routes, in the order of the file.
        people: How people are mapped to users of Airflow, in addition to the links that they make themselves.
        hold: Seconds after a task was parked before its card is sent; None if the file does not say.
        new_card_when_lost: Whether a card that can no longer be updated is replaced by a new one.
        language: The language of cards to assignees, whom no route names.
        timezone: The IANA name of the time zone in which those cards show times.
        app_id: The app that sends those cards; None for the default app.
        commands: What messages may run or show; empty unless the file has `commands`.
    """

    routes: tuple[Route, ...] = ()
    people: PeopleSettings = field(default_factory=PeopleSettings)
    hold: float | None = None
    new_card_when_lost: bool = False
    language: Language = "zh"
    timezone: str = "UTC"
    app_id: str | None = None
    commands: tuple[CommandRule, ...] = ()

    def for_question(
        self, question: HitlQuestion, *, team: str | None = None, at: datetime | None = None
    ) -> list[RouteReceiver]:
        """Return who is asked instead of the assignees alone; empty if no route matches, or one mutes.

        Args:
            question: The question.
            team: The team of the DAG, in a multi-team Airflow.
            at: The moment, for quiet hours; None if they do not count.
        """
        task = question.task
        routes = self.select_matching(
            "questions", task.dag_id, task.task_id, question.tags, question.owners, team
        )
        return _list_receivers(routes, at)

    def for_failure(
        self,
        dag_id: str,
        tags: Iterable[str],
        owners: Iterable[str],
        task_id: str,
        *,
        team: str | None = None,
        at: datetime | None = None,
    ) -> list[RouteReceiver]:
        """Return who is notified of a task's failure; empty where no route matches.

        Args:
            dag_id: The id of the DAG.
            tags: The tags of the DAG.
            owners: The owners of the DAG.
            task_id: The id of the task; empty if the DAG run failed.
            team: The team of the DAG, in a multi-team Airflow.
            at: The moment, for quiet hours; None if they do not count.
        """
        return _list_receivers(self.select_matching("failures", dag_id, task_id, tags, owners, team), at)

    def select_matching(
        self,
        what: What,
        dag_id: str,
        task_id: str,
        tags: Iterable[str],
        owners: Iterable[str],
        team: str | None = None,
    ) -> list[Route]:
        """Return the routes that are used for a task: the first that matches, and more after `continue`."""
        tags, owners = tuple(tags), tuple(owners)
        matched = []
        for route in self.routes:
            if what in route.what and route.matches(dag_id, task_id, tags, owners, team):
                matched.append(route)
                if route.is_final or route.mute:
                    break
        return matched


def _fits(patterns: tuple[str, ...], names: Iterable[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _list_receivers(routes: Iterable[Route], at: datetime | None) -> list[RouteReceiver]:
    receivers: dict[tuple[str | None, str], RouteReceiver] = {}
    for receiver in _iterate_receivers(routes, at):
        receivers.setdefault((receiver.app_id, receiver.receiver), receiver)
    return list(receivers.values())


def _iterate_receivers(routes: Iterable[Route], at: datetime | None) -> Iterator[RouteReceiver]:
    for route in routes:
        is_quiet = at is not None and route.quiet is not None and route.quiet.covers(at)
        for receiver in route.receivers:
            yield replace(
                receiver,
                mentions=() if is_quiet else receiver.mentions,
                quiet_hours=route.quiet_hours,
                escalation=route.escalation,
            )
