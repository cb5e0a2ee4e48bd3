"""Details of an event that only Airflow has. Nothing here raises: unknown details are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from lark_provider.api.cards.airflow.failure_texts import translate
from lark_provider.notifications import run_event, task_log
from lark_provider.notifications.deadline import call_in_thread
from lark_provider.protocol.incidents.event import EventKind, RunEvent
from lark_provider.protocol.language import Language

_MAX_LOGS = 20  # as many failed tasks as a card lists


def read(context: Mapping[str, Any], event: EventKind | None) -> RunEvent:
    """Return the event of a context, with links, and with secrets masked.

    Args:
        context: The Airflow context of the callback.
        event: The kind of event; None to derive it from the context.
    """
    from airflow.sdk import conf

    base_url = conf.get("api", "base_url", fallback="") or ""
    return run_event.read(context, event=event, base_url=base_url, clean=clean)


async def add_error(event: RunEvent, language: Language, seconds: float) -> RunEvent:
    """Return a failed DAG run's event with the error of its last task, if that task's log can be read here.

    Args:
        event: The event.
        language: Of the words for a process that was killed.
        seconds: How long it may take, since the message must not be late for it.
    """
    if not event.task_id or event.error:
        return event
    instance = (event.dag_id, event.run_id, event.task_id, event.map_index, event.try_number)
    try:
        ending = await call_in_thread(lambda: task_log.read_ending(*instance), seconds)
    except TimeoutError:
        ending = None
    if ending is None:
        return event
    trace = clean(ending.traceback[:20_000])
    return replace(
        event, error_type=ending.error_type, error=_describe_ending(ending, language), traceback=trace
    )


async def read_errors(
    event: RunEvent,
    context: Mapping[str, Any],
    silent: Sequence[str],
    language: Language,
    shares: Callable[[Any], bool],
    seconds: float,
) -> dict[str, str]:
    """Return the errors of failed task instances that sent no notification.

    Args:
        event: The DAG's event, with its error.
        context: The Airflow context of the callback.
        silent: The failed task instances that sent no notification, as in Airflow's table of task states.
        language: The language of the words for a process that was killed: `zh` or `en`.
        shares: Whether a callback of a task would have updated the same card.
        seconds: How long it may take, in seconds.

    Returns:
        Errors in one line by task instance, as far as they are known.
    """
    dag, by_label = context.get("dag"), {}
    if event.task_id and event.error:
        by_label[event.label] = _join_error(event.error_type, event.error)

    def read() -> None:
        for label in silent[:_MAX_LOGS]:
            if label not in by_label and (
                end := task_log.read_ending(*_make_instance_key(event, dag, label))
            ):
                by_label[label] = _join_error(end.error_type, _describe_ending(end, language))

    with suppress(TimeoutError):
        await call_in_thread(read, seconds)
    for label in silent:
        if label not in by_label and _notifies(dag, label, shares):
            by_label[label] = translate(language, "no_callback")
    return dict(by_label)


def _join_error(error_type: str, error: str) -> str:
    return ": ".join(filter(None, (error_type, error)))


def _describe_ending(ending: task_log.Ending, language: Language) -> str:
    if ending.signal:
        return translate(
            language, "killed" if ending.signal == "SIGKILL" else "signalled", signal=ending.signal
        )
    return clean(ending.error[:5_000])


def _notifies(dag: Any, label: str, counts: Callable[[Any], bool]) -> bool:
    try:
        callbacks = dag.get_task(_parse_label(dag, label)[0]).on_failure_callback
        return any(map(counts, callbacks if isinstance(callbacks, list) else [callbacks]))
    except Exception:  # noqa: BLE001 - an unknown callback counts as none
        return False


def _make_instance_key(event: RunEvent, dag: Any, label: str) -> tuple[str, str, str, int]:
    return event.dag_id, event.run_id, *_parse_label(dag, label)


def _parse_label(dag: Any, label: str) -> tuple[str, int]:
    """Return the task id and map index of a label in Airflow's table of task states."""
    task_id, _, index = label.rpartition("_")
    if label in getattr(dag, "task_dict", {}) or not index.isdigit():
        return label, -1
    return task_id, int(index)


def clean(text: str) -> str:
    """Mask secrets in a text: what looks like one, and what Airflow has registered.

    Airflow registers passwords of connections, and what tasks mask; its logs are masked alike.
    """
    from lark_provider.protocol.redact import redact

    # By pattern first: a registered password such as "secret" would mask a part of the name `app_secret`, and
    # the value after it would no longer match the pattern.
    text = redact(text)
    with suppress(Exception):  # an Airflow that has moved it; what matches a pattern is masked all the same
        from airflow.sdk.log import redact as masked  # type: ignore[attr-defined]

        text = str(masked(text))
    return redact(text)


def format_error(error: BaseException, seconds: float) -> str:
    """Return an error for the log, in one line, with secrets masked.

    Args:
        error: The error.
        seconds: How long the caller waited, for a timeout.
    """
    if isinstance(error, TimeoutError):
        return f"no answer within {seconds:.1f} s, so it may or may not have arrived"
    text = " ".join(clean(run_event.convert_to_text(error)[:2_000]).split())[:600]
    return ": ".join(filter(None, (type(error).__name__, text)))


def read_states(context: Mapping[str, Any]) -> dict[str, str]:
    """Return Airflow's states of the run's task instances by label; empty if it does not answer."""
    ti: Any = context.get("ti")
    try:
        task_states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])[ti.run_id]
        return {name: str(getattr(state, "value", state)) for name, state in task_states.items()}
    except Exception:  # noqa: BLE001 - the recorded incident is used alone
        return {}


def format_place(context: Any) -> str:
    """Return the task or DAG of a context, for the log."""
    try:
        ti, run = context.get("ti"), context.get("dag_run")
        if ti is not None and context.get("reason") is None:
            return f"{ti.dag_id}.{ti.task_id}"
        if ti is not None:
            return f"DAG {ti.dag_id}"
        named = run.get("dag_id") if isinstance(run, Mapping) else getattr(run, "dag_id", None)
        return str(named or getattr(context.get("dag"), "dag_id", "a DAG"))
    except Exception:  # noqa: BLE001 - it is only for the log
        return "a DAG"
