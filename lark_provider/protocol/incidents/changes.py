"""How the incident of a DAG run changes: by events, and by what Airflow says about the run. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import FAILURES, MAX_FAILURES, Failure, Incident, digest_label
from lark_provider.support.text import clip


def apply_event(
    before: Incident | None,
    event: RunEvent,
    states: Mapping[str, str],
    errors: Mapping[str, str] = MappingProxyType({}),
) -> Incident | None:
    """Return the incident after one more event.

    Args:
        before: The incident recorded so far.
        event: The event.
        states: Airflow's states of the run's task instances; empty if unknown.
        errors: Errors of failed task instances that sent no notification.

    Returns:
        The incident now; None if the event belongs to none.
    """
    before = before or Incident()
    known = {failure.label: failure for failure in before.failures}
    if event.kind in FAILURES:
        known = _with_states(known, states, before.more)
        fails_again = is_repeated_end(before, event)
        # What the tasks report themselves is counted by their own events.
        is_new = fails_again and bool(known) and not any(failure.try_number for failure in known.values())
        if event.kind != "dag_failure":
            old, now = known.get(event.label), _make_failure(event)
            last = before.more.get(digest_label(event.label)) if old is None else old.try_number
            # Airflow can call twice for one try, and a failure with try 0 was counted by its state.
            is_new = last is None or last not in {0, now.try_number}
            known[event.label] = now
        for label, error in errors.items():
            failure = known.get(label) or Failure(
                label, log_url=event.log_url if label == event.label else ""
            )
            is_stale = fails_again and not failure.try_number
            if not failure.recovered and (is_stale or not failure.error):
                known[label] = replace(failure, error=clip(error, 160))
        run_failed = before.run_failed or event.kind == "dag_failure"
        attempt = event.run_attempt if event.kind == "dag_failure" else ""
        now_failed = replace(
            before, run_failed=run_failed, over=False, run_attempt=attempt or before.run_attempt
        )
        incident = _limit_failures(now_failed, known, states)
        return replace(incident, count=max(before.count + is_new, incident.total))
    is_recorded = bool(before.cards or before.version)
    if event.kind == "dag_success" and is_recorded:
        recovered = tuple(replace(failure, recovered=True) for failure in known.values())
        rest = tuple(sorted(before.more))
        return replace(before, failures=recovered, more_recovered=rest, run_failed=False, over=True)
    is_known = event.label in known or digest_label(event.label) in before.more
    if event.kind == "success" and is_recorded and is_known:
        known = _with_states(known, states, before.more)
        if event.label in known:
            known[event.label] = replace(known[event.label], recovered=True)
        incident = _limit_failures(before, known, {**states, event.label: "success"})
        over = all(failure.recovered for failure in incident.failures) and not incident.unlisted
        return replace(incident, run_failed=False, over=over)
    return None


def is_repeated_end(before: Incident, event: RunEvent) -> bool:
    """Return whether a DAG run fails that was cleared after it had failed, as its DAG's callback reports.

    Args:
        before: The incident recorded so far.
        event: The event.
    """
    is_run_failure = event.kind == "dag_failure" and bool(event.run_attempt)
    return is_run_failure and before.run_attempt not in {"", event.run_attempt}


def apply_run_end(before: Incident, states: Mapping[str, str], *, succeeded: bool) -> Incident:
    """Return an incident after its run has ended again; unchanged if nothing has recovered.

    Args:
        before: The incident.
        states: Airflow's states of the run's task instances that have succeeded or failed.
        succeeded: Whether the run has: then a task in neither state was removed or skipped.
    """
    otherwise = "success" if succeeded else ""
    known = {
        failure.label: replace(failure, recovered=True)
        if states.get(failure.label, otherwise) == "success"
        else failure
        for failure in before.failures
    }
    incident = _limit_failures(before, known, states)
    if succeeded:
        failed = {digest_label(label) for label, state in states.items() if state == "failed"}
        rest = tuple(sorted(name for name in incident.more if name not in failed))
        incident = replace(incident, more_recovered=rest)
    has_recovered = _count_recovered(incident) > _count_recovered(before)
    if not (has_recovered or (succeeded and (before.run_failed or not before.total))):
        return before
    # A run can fail although its tasks have recovered, as by its time-out.
    run_failed = before.run_failed and not succeeded
    over = all(failure.recovered for failure in incident.failures) and not incident.unlisted
    return replace(incident, run_failed=run_failed, over=over and not run_failed)


def _count_recovered(incident: Incident) -> int:
    return sum(failure.recovered for failure in incident.failures) + len(incident.more_recovered)


def merge_incidents(ours: Incident, theirs: Incident, before: Incident) -> Incident:
    """Merge the changes that two processes made to the same incident at the same time.

    Args:
        ours: The incident as this process has changed it.
        theirs: The incident as another process has changed it, recorded meanwhile.
        before: The incident that `ours` was made from.
    """
    old = {failure.label: failure for failure in before.failures}
    known = {failure.label: failure for failure in ours.failures}
    for failure in theirs.failures:
        own = known.get(failure.label)
        # A failure with try 0 is only derived from Airflow's table; a task's own report has more details.
        is_newer = own is None or own == old.get(failure.label) or own.try_number == 0
        if failure != old.get(failure.label) and is_newer:
            known[failure.label] = failure
    recovered = {*ours.more_recovered, *theirs.more_recovered}
    both = replace(ours, more={**theirs.more, **ours.more}, more_recovered=tuple(sorted(recovered)))
    merged = _limit_failures(both, known, {})
    count = max(ours.count + max(0, theirs.count - before.count), merged.total)
    run_failed = ours.run_failed or (theirs.run_failed and not before.run_failed)
    new = (card for card in theirs.cards if card not in before.cards)
    return replace(merged, count=count, run_failed=run_failed).with_cards(*ours.cards, *new)


def format_error_line(event: RunEvent) -> str:
    """Return the error of a failure in one line, as `Failure.error` has it."""
    return ": ".join(filter(None, (event.error_type, clip(event.error, 160))))


def _make_failure(event: RunEvent) -> Failure:
    return Failure(
        event.label,
        event.try_number,
        format_error_line(event),
        event.log_url,
        ti_id=event.ti_id,
        task_id=event.task_id,
        map_index=event.map_index,
    )


def _with_states(
    known: Mapping[str, Failure], states: Mapping[str, str], more: Mapping[str, int]
) -> dict[str, Failure]:
    failures = dict(known)
    for label, state in states.items():
        if state == "failed" and (label in failures or digest_label(label) not in more):
            failures[label] = replace(failures.get(label) or Failure(label), recovered=False)
        elif state == "success" and label in failures:
            failures[label] = replace(failures[label], recovered=True)
    return failures


def _limit_failures(before: Incident, known: Mapping[str, Failure], states: Mapping[str, str]) -> Incident:
    """Return an incident with these failures; of those beyond `MAX_FAILURES` only the try is kept.

    Args:
        before: The incident, with what it did not list so far.
        known: The failures by label.
        states: Airflow's states of task instances.
    """
    # If there are more than can be recorded, those that have not recovered stay.
    is_full = len(known) > MAX_FAILURES
    ranked = (
        sorted(known.values(), key=lambda failure: failure.recovered) if is_full else list(known.values())
    )
    listed, rest = ranked[:MAX_FAILURES], ranked[MAX_FAILURES:]
    here = {digest_label(label) for label in known} if before.more or rest else set()
    more = {name: number for name, number in before.more.items() if name not in here}
    recovered = {name for name in before.more_recovered if name in more}
    if more and states:
        by_name = {digest_label(label): state for label, state in states.items()}
        recovered |= {name for name in more if by_name.get(name) == "success"}
        recovered -= {name for name in more if by_name.get(name) == "failed"}
    more |= {digest_label(failure.label): failure.try_number for failure in rest}
    recovered |= {digest_label(failure.label) for failure in rest if failure.recovered}
    return replace(before, failures=tuple(listed), more=more, more_recovered=tuple(sorted(recovered)))


def list_again(before: Incident, failed: Collection[Failure]) -> Incident:
    """Return an incident that lists more failures, in place of some that have recovered.

    Args:
        before: The incident.
        failed: What has failed in the run, as Airflow has it now.
    """
    more = [failure for failure in failed if digest_label(failure.label) in before.more]
    free = MAX_FAILURES - sum(not failure.recovered for failure in before.failures)
    if not more or free <= 0:
        return before
    known = {failure.label: failure for failure in before.failures} | {
        failure.label: failure for failure in more[:free]
    }
    return _limit_failures(before, known, {})
