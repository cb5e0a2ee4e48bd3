"""Helpers of all tasks: idempotency keys, origin and database of a question, errors that end a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from airflow.sdk.exceptions import AirflowFailException

from lark_provider.errors import BulkWriteError, LarkError, OutcomeUnknownError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.callbacks.waiting import Waits
    from lark_provider.client import LarkServiceClient
    from lark_provider.protocol.questions import Origin

T = TypeVar("T")
_RUNNING = "running"


def make_task_key(context: Context, client: LarkServiceClient, *parts: object) -> str:
    """Return an idempotency key that is the same for retries and for cleared tasks.

    Args:
        context: The task's Airflow context.
        client: The Lark client, whose app id and base URL are part of the key.
        parts: Further parts of the key: what is written, and where.
    """
    ti = context["ti"]
    writer = [client.base_url, client.app_id]
    return "\n".join([*writer, *map(str, parts), ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index)])


def make_attempt_key(context: Context, client: LarkServiceClient, *parts: object) -> str:
    """Return an idempotency key that is the same for retries, and new for a cleared task.

    Args:
        context: The task's Airflow context.
        client: The Lark client, whose app id and base URL are part of the key.
        parts: Further parts of the key: what is written, and where.
    """
    return f"{make_task_key(context, client, *parts)}\n{compute_first_try(context)}"


def compute_first_try(context: Context) -> int:
    """Return the number of the first try since the task last started or was cleared.

    It is the same for all retries; clearing the task increases it.

    Args:
        context: The task's Airflow context.
    """
    ti = context["ti"]
    # `retries` is read from the DAG file as it is now, which may have been edited since the first try. A
    # changed number must not look like a task that was cleared, hence the bounds.
    return max(1, min(int(ti.try_number), int(ti.max_tries - (context["task"].retries or 0) + 1)))


def will_retry(context: Context) -> bool:
    """Return whether Airflow tries a task again that is being stopped now.

    It does so while tries are left, unless a person has cleared or marked the task: then Airflow does not
    have it as running any more. If Airflow does not answer, the tries decide.

    Args:
        context: The task's Airflow context.
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    ti = context["ti"]
    if int(ti.try_number) > int(ti.max_tries):
        return False
    index = -1 if ti.map_index is None else int(ti.map_index)
    try:
        by_run = RuntimeTaskInstance.get_task_states(
            ti.dag_id, map_index=None if index < 0 else index, task_ids=[ti.task_id], run_ids=[ti.run_id]
        )
    except Exception:  # noqa: BLE001 - whatever it is, the task is being stopped
        return True
    states = by_run.get(ti.run_id, {})
    return _RUNNING in {str(getattr(state, "value", state)) for state in states.values()}


def has_ledger() -> bool:
    """Return whether loads and keyed messages are recorded in a database.

    Raises:
        ConfigurationError: Airflow's settings of the database are invalid.
    """
    from lark_provider import config
    from lark_provider.hooks import airflow_config

    return config.has_database(airflow_config.read_database_url())


def make_origin(context: Context, kind: str, conn_id: str) -> Origin:
    """Return the origin of a question: the attempt of the task that asks it.

    Args:
        context: The task's Airflow context.
        kind: The kind of task: `approval` or `sensor`.
        conn_id: The id of the Lark connection.
    """
    from lark_provider.protocol.questions import Origin

    ti = context["ti"]
    run_start, run_clears = read_run_start(context)
    return Origin(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else int(ti.map_index),
        kind=kind,
        try_number=int(ti.try_number),
        max_tries=int(ti.max_tries),
        conn_id=conn_id,
        url=str(getattr(ti, "log_url", "") or ""),
        run_start="" if run_start is None else run_start.isoformat(timespec="microseconds"),
        run_clears=run_clears,
    )


def read_run_start(context: Context) -> tuple[datetime | None, int]:
    """Return when the task's run began, in UTC, and how often its tasks were cleared, which changes that.

    Args:
        context: The task's Airflow context.
    """
    run = context.get("dag_run")
    start, clears = getattr(run, "start_date", None), getattr(run, "clear_number", None) or 0
    return None if start is None else start.astimezone(UTC), int(clears)


def with_questions(call: Callable[[Waits], T]) -> T:
    """Query the questions in the database that Airflow configures for Lark, with a timeout.

    Args:
        call: The function that runs the query.

    Raises:
        ConfigurationError: No database is configured.
        StorageError: It is unavailable, or does not answer in time.
    """
    from lark_provider.callbacks import waiting
    from lark_provider.hooks import airflow_config

    return waiting.with_waits(call, airflow_config.read_database_url())


@contextmanager
def convert_lark_errors() -> Iterator[None]:
    """Fail the task at once on errors that no retry can fix; pass on the others, for Airflow to retry.

    Raises:
        AirflowFailException: Credentials, a request or permissions are wrong, or the like.
    """
    try:
        yield
    except LarkError as error:
        # A write of unknown outcome is retried as well: its idempotency key makes the repeat safe.
        if error.retryable or isinstance(error, OutcomeUnknownError):
            raise
        raise AirflowFailException(_with_cause(error)) from error


def _with_cause(error: LarkError) -> str:
    kind = type(error.__cause__ if isinstance(error, BulkWriteError) and error.__cause__ else error).__name__
    return f"{kind}: {error}"
