"""Clear tasks as the person who clicked: tries that were shown on the card and have not changed since.

Failed tasks downstream of such a try, among them those that Airflow did not start, are cleared with it.

What a click clears is decided once and recorded before Airflow is told. A process may die after that, and the
click is delivered again: then nothing else is cleared, and what Airflow's audit log shows as cleared by this
person since counts as done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

import orjson

from lark_provider.plugins import audit
from lark_provider.plugins.answering import Answerer, make_refusal_result
from lark_provider.plugins.audit import Marker
from lark_provider.plugins.in_process import AirflowReply, InProcess
from lark_provider.plugins.sentences import describe_retry
from lark_provider.protocol.hitl.delivery import ClickResult
from lark_provider.protocol.hitl.model import TaskInstance
from lark_provider.protocol.incidents.event import format_label
from lark_provider.support import threads
from lark_provider.support.concurrency import map_few
from lark_provider.support.members import select_members

MAX_TRIES = 100
_MAX_NAMED = 20
_READS_AT_ONCE = 3
"""Each takes one of the server's connections to its database, and several clicks come at once."""
_NOT_FOUND = 404
_DATABASE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ShownTry:
    """A try that a card shows as failed.

    Attributes:
        task: The try.
        label: Its name on the card.
    """

    task: TaskInstance
    label: str

    @property
    def marker(self) -> Marker:
        """How the endpoint names it: without its index, all indices of a mapped task are meant."""
        return self.task.task_id if self.task.map_index < 0 else (self.task.task_id, self.task.map_index)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a click clears, as it was decided when it was delivered first.

    Attributes:
        tries: The tries to clear, of one run.
        others: Names of the failures that are left, since they had changed, or whose tries are not known; or
            how many more there are.
        after: The latest row of Airflow's audit log at that time.
    """

    tries: tuple[ShownTry, ...]
    others: tuple[str, ...]
    after: int

    def dump(self) -> str:
        """Return it as JSON."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def load(cls, text: str) -> Plan:
        """Read what `dump` returned."""
        document = orjson.loads(text)
        tries = tuple(
            ShownTry(TaskInstance(**select_members(raw_try["task"], TaskInstance)), raw_try["label"])
            for raw_try in document["tries"]
        )
        return cls(tries, tuple(document["others"]), document["after"])


@dataclass(frozen=True, slots=True)
class Plans:
    """The recorded plan of one click. Both members block.

    Attributes:
        read: Returns it as it was recorded; None if none was.
        decide: Records one, and returns what is recorded: the first counts.
    """

    read: Callable[[], str | None]
    decide: Callable[[str], str]


class _RefusedError(Exception):
    """Airflow refused to show a task, or could not."""

    def __init__(self, reply: AirflowReply) -> None:
        self.reply = reply
        super().__init__(reply.status)


async def _read(airflow: InProcess, task: TaskInstance) -> AirflowReply:
    reply = await airflow.call("GET", task.path)
    if not reply.is_ok and reply.status != _NOT_FOUND:
        raise _RefusedError(reply)  # Nothing else is read then.
    return reply


async def clear(
    airflow: InProcess, shown: Sequence[ShownTry], who: Answerer, plans: Plans, unknown: Sequence[str] = ()
) -> ClickResult:
    """Clear failed tasks of one DAG run whose last try is still the one shown, and what failed downstream.

    Args:
        airflow: Airflow, as the person.
        shown: The tries, of one run; those beyond the first 100 are left and named.
        who: The person.
        plans: The recorded plan of this click.
        unknown: Names of failures whose tries are not known, or how many there are, which are left, too.
    """
    text = await threads.run(plans.read, _DATABASE_SECONDS)
    tries = shown[:MAX_TRIES] if text is None else Plan.load(text).tries
    try:
        unchanged = await _select_unchanged_tries(airflow, tries)
    except _RefusedError as refused:
        return make_refusal_result(refused.reply, who)
    changed = [shown_try for shown_try in tries if shown_try not in unchanged]
    if text is None:
        others = [shown_try.label for shown_try in (*shown[MAX_TRIES:], *changed)]
        plan, is_again = await _decide(unchanged, [*others, *unknown], plans)
    else:
        plan, is_again = Plan.load(text), True
    by_person = await _select_cleared_tries(plan, who) if is_again else []
    cleared_before = [shown_try for shown_try in changed if shown_try in by_person]
    return await _apply(airflow, plan, unchanged, cleared_before, who)


async def _select_unchanged_tries(airflow: InProcess, tries: Sequence[ShownTry]) -> list[ShownTry]:
    """Return those that are still the last try of their task, and failed."""
    replies = await map_few(lambda shown_try: _read(airflow, shown_try.task), tries, _READS_AT_ONCE)
    return [
        shown_try
        for shown_try, reply in zip(tries, replies, strict=True)
        if reply.is_ok and reply.body["id"] == shown_try.task.ti_id and reply.body["state"] == "failed"
    ]


async def _decide(tries: Sequence[ShownTry], others: Sequence[str], plans: Plans) -> tuple[Plan, bool]:
    """Record a plan; return the one that counts, and whether that is of another delivery of this click."""
    proposed = Plan(
        tuple(tries), tuple(others), await threads.run(audit.read_last_row_id, _DATABASE_SECONDS)
    ).dump()
    recorded = await threads.run(lambda: plans.decide(proposed), _DATABASE_SECONDS)
    return Plan.load(recorded), recorded != proposed  # Another process may have recorded its own first.


async def _apply(
    airflow: InProcess,
    plan: Plan,
    unchanged: Sequence[ShownTry],
    cleared_before: Sequence[ShownTry],
    who: Answerer,
) -> ClickResult:
    """Clear what is unchanged of a plan, and return the outcome of the click.

    Args:
        airflow: Airflow, as the person.
        plan: The recorded plan.
        unchanged: Tries that are still the last ones, and failed.
        cleared_before: Tries that have changed and that the person has had cleared since the plan was made.
        who: The person.
    """
    to_clear = [shown_try for shown_try in unchanged if shown_try in plan.tries]
    downstream: set[str] = set()
    if to_clear:
        reply = await _post(airflow, to_clear)
        if not reply.is_ok:
            return make_refusal_result(reply, who)
        downstream = {_read_label(entry) for entry in (reply.body or {}).get("task_instances", ())}
    cleared = [shown_try for shown_try in plan.tries if shown_try in to_clear or shown_try in cleared_before]
    left = [shown_try.label for shown_try in plan.tries if shown_try not in cleared]
    others = [label for label in (*left, *plan.others) if label not in downstream]
    message = describe_retry(_format_names([shown_try.label for shown_try in cleared]), _format_names(others))
    return who.make_result("retried" if cleared else "superseded", message)


async def _select_cleared_tries(plan: Plan, who: Answerer) -> list[ShownTry]:
    """Return which tries of a plan the person has had cleared since it was made."""
    if not plan.tries:
        return []
    first = plan.tries[0].task
    markers = await threads.run(
        lambda: audit.read_cleared(plan.after, first.dag_id, first.run_id, who.name), _DATABASE_SECONDS
    )
    return [shown_try for shown_try in plan.tries if shown_try.marker in markers]


async def _post(airflow: InProcess, tries: Sequence[ShownTry]) -> AirflowReply:
    first = tries[0].task
    # With `only_failed`, a task that another person cleared meanwhile, and that runs, is left alone. What is
    # downstream of the tries has failed since they had, mostly as `upstream_failed`: without it the run would
    # fail again, however the tries end.
    body: dict[str, Any] = {
        "dry_run": False,
        "dag_run_id": first.run_id,
        "task_ids": [shown_try.marker for shown_try in tries],
        "include_downstream": True,
        "only_failed": True,
    }
    return await airflow.call("POST", f"/dags/{quote(first.dag_id, safe='')}/clearTaskInstances", body)


def _read_label(entry: Mapping[str, Any]) -> str:
    """Return the name of a cleared task instance, as a card shows it."""
    return format_label(str(entry["task_id"]), int(entry.get("map_index", -1)))


def _format_names(labels: Sequence[str]) -> str:
    """Return names for a sentence; a hundred of them would hide what it says."""
    more = len(labels) - _MAX_NAMED
    return ", ".join([*labels[:_MAX_NAMED], *([f"… (+{more})"] if more > 0 else [])])
