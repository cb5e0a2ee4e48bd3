"""What tasks share: the key of an attempt, and which errors end the task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lark_provider.hooks import airflow_version  # noqa: F401 - first, for its clear sentence

from airflow.sdk.exceptions import AirflowFailException  # isort: skip

from lark_provider.errors import BulkWriteError, LarkError, OutcomeUnknownError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.client import LarkServiceClient


def attempt_key(context: Context, client: LarkServiceClient, *parts: object) -> str:
    """Name what a task is about to write, so that a retry is known as the same and a cleared task is not.

    Args:
        context: The task's.
        client: Says which app at which Lark writes.
        parts: What is written, and where.

    Returns:
        A text for `idempotency_key`.
    """
    ti = context["ti"]
    writer = [client.base_url, client.app_id]
    task = [ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index), str(first_try(context))]
    return "\n".join([*writer, *map(str, parts), *task])


def first_try(context: Context) -> int:
    """The try number with which this attempt and its retries began.

    A retry leaves it alone; clearing the task moves it on.

    Args:
        context: The task's.
    """
    return int(context["ti"].max_tries - (context["task"].retries or 0) + 1)


@contextmanager
def lark_errors() -> Iterator[None]:
    """End the task at once for errors that no retry can mend; let the others be retried.

    Raises:
        AirflowFailException: For wrong credentials, requests, permissions and the like.
    """
    try:
        yield
    except LarkError as error:
        # A write of unknown outcome is repeated under the same key, which is what the key is for.
        if error.retryable or isinstance(error, OutcomeUnknownError):
            raise
        raise AirflowFailException(_with_cause(error)) from error


def _with_cause(error: LarkError) -> str:
    kind = type(error.__cause__ if isinstance(error, BulkWriteError) and error.__cause__ else error).__name__
    return f"{kind}: {error}"
