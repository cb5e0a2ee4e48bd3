"""Report a task's failure while its process ends, for DAGs that name no callback: a listener of Airflow.

It is off unless `[lark] failure_listener` or `LARK_FAILURE_LISTENER` turns it on. Each task process loads
this module, so it imports nothing but Airflow's marker of hooks; `failure_report` is loaded by a failed task.

Airflow also calls the hook in the scheduler (for a worker that vanished) and in the API server (for a task
marked as failed). There it returns at once: a listener that waits, or uses the metadata database, stops a
scheduler. The bridge reports those failures. For the same reason there is no hook for DAG runs.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from lark_provider.plugins.logs import FieldLogger

REPORT_SECONDS = 3.0
"""The time for everything. A listener that hangs keeps the task running, and Airflow kills it after 20 s."""

_reported: set[str] = set()


def list_listeners() -> list[object]:
    """Return what a plugin registers as its `listeners`: this module, or nothing if it is not configured.

    It raises nothing, since Airflow would drop the whole plugin.
    """
    return [sys.modules[__name__]] if _is_on() else []


@hookimpl
def on_task_instance_failed(task_instance: Any, error: BaseException | str | None) -> None:
    """Report a failure within `REPORT_SECONDS`, in the task's own process, and raise nothing.

    A task that will be retried is not reported, nor one that has a `LarkNotifier` as `on_failure_callback`.

    Args:
        task_instance: A `RuntimeTaskInstance` in a task process; a row of the database elsewhere.
        error: What the task raised.
    """
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    if runner is None or not isinstance(task_instance, runner.RuntimeTaskInstance):
        return
    ti_id = str(task_instance.id)
    if _get_state(task_instance) != "failed" or ti_id in _reported or _has_notifier(task_instance):
        return
    _reported.add(ti_id)
    # A thread, since nothing else ends a secrets backend, a database or a name server that hangs; a daemon,
    # so that the process does not wait for it.
    context = contextvars.copy_context()  # what is bound to log lines here is bound to those there, too
    thread = threading.Thread(
        target=context.run, args=(_report, task_instance, error), name="lark-failure-listener", daemon=True
    )
    thread.start()
    thread.join(REPORT_SECONDS)
    if thread.is_alive():
        logger = _get_field_logger()
        logger.error(
            "Failure report timed out; the task is not held up",
            extra={
                "dag_id": task_instance.dag_id,
                "task_id": task_instance.task_id,
                "seconds": REPORT_SECONDS,
            },
        )


def _report(task_instance: Any, error: BaseException | str | None) -> None:
    try:
        from lark_provider.plugins.failure_report import report

        report(task_instance, error, REPORT_SECONDS * 0.8)
    except BaseException as failure:  # noqa: BLE001 - a listener must not fail its task, and this is a thread's end
        logger = _get_field_logger()
        logger.error(  # noqa: TRY400 - the traceback could hold secrets
            "Failure report failed",
            extra={
                "dag_id": task_instance.dag_id,
                "task_id": task_instance.task_id,
                "error": type(failure).__name__,
            },
        )


def _get_state(task_instance: Any) -> str:
    state = task_instance.state
    return str(getattr(state, "value", state))


def _has_notifier(task_instance: Any) -> bool:
    """Return whether the task reports its failures itself, by a notifier that is loaded already then."""
    notifiers = sys.modules.get("lark_provider.notifications.lark")
    if notifiers is None:
        return False
    on_failure = getattr(task_instance.task, "on_failure_callback", None) or ()
    callbacks = on_failure if isinstance(on_failure, list | tuple) else [on_failure]
    return any(isinstance(callback, notifiers.LarkNotifier) for callback in callbacks)


def _is_on() -> bool:
    try:
        value = _read_setting()
    except Exception as error:  # noqa: BLE001 - a plugin that cannot be loaded would be worse
        logger = _get_field_logger()
        logger.error(  # noqa: TRY400 - the traceback says nothing more
            "Failure listener is off: its configuration cannot be read", extra={"error": type(error).__name__}
        )
        return False
    if value.lower() not in {"", "1", "true", "t", "yes", "on", "0", "false", "f", "no", "off"}:
        logger = _get_field_logger()
        logger.error(
            "Failure listener is off: [lark] failure_listener must be true or false. Next: set it to true to "
            "report failures.",
            extra={"value": value[:20]},
        )
    return value.lower() in {"1", "true", "t", "yes", "on"}


def _read_setting() -> str:
    variable = os.environ.get("LARK_FAILURE_LISTENER", "").strip()
    if variable:
        return variable
    from airflow.sdk import conf

    return (conf.get("lark", "failure_listener", fallback="") or "").strip()


def _get_field_logger() -> FieldLogger:
    from lark_provider.plugins.logs import get_logger  # A task that does not fail must not pay for it.

    return get_logger(__name__)
