"""What the digest of a route says, from what Airflow says about the runs of a day. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from lark_provider.api.cards.airflow.digest import Digest, SlowRun
from lark_provider.api.routes.model import Route, Routes
from lark_provider.bridge.failure_reading import make_run_url
from lark_provider.bridge.reading import Dag
from lark_provider.protocol.quiet_hours import compute_moment

MAX_DELAY = timedelta(hours=2)
"""How long after its time a digest is still sent; later it would be yesterday's news."""
_SLOWEST = 3


class Period(NamedTuple):
    """What a digest is about.

    Attributes:
        day: The local day on which it is sent.
        begin: When the digest of the day before was due, in UTC.
        end: When it is due, in UTC.
    """

    day: date
    begin: datetime
    end: datetime


class FinishedRun(NamedTuple):
    """A DAG run that has ended.

    Attributes:
        dag_id: The DAG's id.
        run_id: The run's id.
        failed: Whether it has failed.
        end: When it ended, with its time zone; the earliest possible time if that is not known.
        seconds: How long it took, in seconds; None if that is not known.
    """

    dag_id: str
    run_id: str
    failed: bool
    end: datetime
    seconds: float | None


def compute_latest_period(at: time, timezone: str, now: datetime) -> Period:
    """Return the period of the latest digest whose time has come.

    Args:
        at: The local time of day.
        timezone: An IANA name.
        now: With its time zone.
    """
    day = now.astimezone(ZoneInfo(timezone)).date() + timedelta(days=1)
    while compute_moment(day, at, timezone) > now:
        day -= timedelta(days=1)
    return Period(
        day, compute_moment(day - timedelta(days=1), at, timezone), compute_moment(day, at, timezone)
    )


def read_run(entry: Mapping[str, Any]) -> FinishedRun:
    """Read an entry of `/dagRuns` that has ended."""
    begin, end = _parse_moment(entry.get("start_date")), _parse_moment(entry.get("end_date"))
    seconds = None if begin is None or end is None else (end - begin).total_seconds()
    is_failed = str(entry["state"]) == "failed"
    return FinishedRun(
        entry["dag_id"], entry["dag_run_id"], is_failed, end or datetime.min.replace(tzinfo=UTC), seconds
    )


def _parse_moment(text: Any) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(str(text))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def is_dag_in_digest(routes: Routes, route: Route, dag_id: str, of_dag: Dag, team: str | None) -> bool:
    """Return whether a DAG is in the digest of a route: as its failures are, whichever of its tasks fail.

    Args:
        routes: All routes, in their order.
        route: One of them.
        dag_id: The DAG.
        of_dag: Its tags and owners.
        team: Of the DAG, in a multi-team Airflow.
    """
    for candidate in routes.routes:
        whole_dag = replace(candidate, tasks=()) if candidate is route else candidate
        if "failures" in candidate.what and whole_dag.matches(dag_id, "", of_dag.tags, of_dag.owners, team):
            if candidate is route:
                return True
            if candidate.is_final or candidate.mute:
                return False
    return False


def make_digest(
    name: str, period: Period, runs: Iterable[FinishedRun], open_dags: Iterable[str], url: str, timezone: str
) -> Digest:
    """Return what a digest says.

    Args:
        name: The route's name.
        period: The period that the digest covers.
        runs: The runs of its DAGs that have ended; those of other times are left out, and each counts once.
        open_dags: The route's DAGs with failures that have not recovered, also of earlier days.
        url: Airflow's base URL, for links.
        timezone: The IANA name of the time zone in which times are shown.
    """
    within = {(run.dag_id, run.run_id): run for run in runs if period.begin <= run.end < period.end}
    ordered = sorted(within.values(), key=lambda run: (run.end, run.dag_id, run.run_id))
    failed = Counter(sorted(run.dag_id for run in ordered if run.failed))
    last = {run.dag_id: run for run in ordered}
    broken = {dag_id for dag_id, run in last.items() if run.failed}
    broken |= {dag_id for dag_id in open_dags if dag_id not in last}
    return Digest(
        name,
        period.begin,
        period.end,
        timezone,
        len(ordered),
        tuple(failed.most_common()),  # Equal counts stay in alphabetical order.
        _list_slowest(ordered, url),
        tuple(sorted(broken)),
    )


def _list_slowest(runs: Sequence[FinishedRun], url: str) -> tuple[SlowRun, ...]:
    timed = [run for run in runs if run.seconds is not None]
    ranked = sorted(timed, key=lambda run: (-(run.seconds or 0.0), run.dag_id, run.run_id))[:_SLOWEST]
    return tuple(
        SlowRun(run.dag_id, run.run_id, run.seconds or 0.0, make_run_url(run.dag_id, run.run_id, url))
        for run in ranked
    )
