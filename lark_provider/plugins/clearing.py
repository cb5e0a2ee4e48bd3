"""Clear tasks as the person who clicked: only tries that were shown on the card and have failed since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from lark_provider.plugins.answering import Clicker, refused
from lark_provider.plugins.in_process import InProcess
from lark_provider.plugins.sentences import retried
from lark_provider.protocol.hitl.delivery import ClickResult
from lark_provider.protocol.hitl.model import TaskInstance

MOST = 100
_MOST_NAMED = 20
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Shown:
    """A try that a card shows as failed.

    Attributes:
        task: The try.
        label: Its name on the card.
    """

    task: TaskInstance
    label: str


async def clear(
    airflow: InProcess, shown: Sequence[Shown], who: Clicker, unknown: Sequence[str] = ()
) -> ClickResult:
    """Clear failed tasks of one DAG run whose last try is still the one shown.

    Args:
        airflow: Airflow, as the person.
        shown: The tries, of one run; those beyond the first 100 are left and named.
        who: The person.
        unknown: Names of failures whose tries are not known, which are left and named, too.
    """
    unchanged: list[Shown] = []
    others = list(shown[MOST:])
    for one in shown[:MOST]:
        found = await airflow.call("GET", one.task.path)
        if not found.is_ok and found.status != _NOT_FOUND:
            return refused(found, who)
        is_same = found.is_ok and found.body["id"] == one.task.ti_id and found.body["state"] == "failed"
        (unchanged if is_same else others).append(one)
    if unchanged:
        first = unchanged[0].task
        # A task that another person cleared meanwhile, and that runs, is left alone.
        body = {
            "dry_run": False,
            "dag_run_id": first.run_id,
            "task_ids": [_marker(one.task) for one in unchanged],
            "only_failed": True,
        }
        done = await airflow.call("POST", f"/dags/{quote(first.dag_id, safe='')}/clearTaskInstances", body)
        if not done.is_ok:
            return refused(done, who)
    told = retried(
        _names([one.label for one in unchanged]), _names([*(one.label for one in others), *unknown])
    )
    return who.result("retried" if unchanged else "superseded", told)


def _marker(task: TaskInstance) -> str | list[str | int]:
    """Return how the endpoint names a task: without its index, all indices of a mapped task are meant."""
    return task.task_id if task.map_index < 0 else [task.task_id, task.map_index]


def _names(labels: Sequence[str]) -> str:
    """Return names for a sentence; a hundred of them would hide what it says."""
    more = len(labels) - _MOST_NAMED
    return ", ".join([*labels[:_MOST_NAMED], *([f"… (+{more})"] if more > 0 else [])])
