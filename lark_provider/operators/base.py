"""What the Lark operators share: the hook, the key of an attempt, and which errors end the task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lark_provider.hooks import airflow_version  # noqa: F401 - first, for its clear sentence

from airflow.sdk import BaseOperator  # isort: skip
from airflow.sdk.exceptions import AirflowFailException

from lark_provider.errors import BulkWriteError, LarkError, OutcomeUnknownError
from lark_provider.hooks.lark import LarkHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.client import LarkServiceClient


class LarkOperator(BaseOperator):
    """An operator with a Lark connection.

    Args:
        lark_conn_id: The connection.
    """

    ui_color = "#d9e8ff"

    def __init__(self, *, lark_conn_id: str = LarkHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lark_conn_id = lark_conn_id

    @cached_property
    def hook(self) -> LarkHook:
        """The hook of the operator's connection."""
        return LarkHook(self.lark_conn_id)


def attempt_key(context: Context, client: LarkServiceClient, *parts: object) -> str:
    """Name what a task is about to write, so that a retry is known as the same and a cleared task is not.

    `max_tries - retries + 1` is the try number with which this attempt and its retries began: a retry
    leaves it alone, clearing the task moves it on.

    Args:
        context: The task's.
        client: Says which app at which Lark writes.
        parts: What is written, and where.

    Returns:
        A text for `idempotency_key`.
    """
    ti = context["ti"]
    first_try = ti.max_tries - (context["task"].retries or 0) + 1
    writer = [client.base_url, client.app_id]
    return "\n".join(
        [*writer, *map(str, parts), ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index), str(first_try)]
    )


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
