"""The guard: exactly one answer to a question counts, and only if it is for the try that was shown.

Airflow loads the question, waits for a lock, and then looks at what it had loaded: of two answers that
overlap, both succeed and the later one replaces the earlier. The guard looks again inside the transaction
that writes.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from lark_provider.plugins.logs import get_logger
from lark_provider.support.locks import ForkSafeLock

logger = get_logger(__name__)
EXPECTED: ContextVar[str | None] = ContextVar("lark_expected_task_instance", default=None)
"""The id of the task instance that a click is for; it travels with the request through Airflow's routes."""
_QUESTION = (
    "ti_id",
    "responded_at",
    "responded_by",
    "chosen_options",
    "params_input",
    "options",
    "assignees",
)
_TASK = ("id", "dag_id", "run_id", "task_id", "map_index", "state", "updated_at")
_MARK = "_lark_guard"
_lock = ForkSafeLock()


def install() -> str | None:
    """Install the guard in this process, once.

    Returns:
        None if it is in force; else what is wrong with Airflow's model.
    """
    try:
        from airflow.models.hitl import HITLDetail
        from airflow.models.taskinstance import TaskInstance

        problem = _describe_missing(HITLDetail, _QUESTION) or _describe_missing(TaskInstance, _TASK)
        if problem is None:
            with _lock:
                if not hasattr(HITLDetail, _MARK):
                    _listen(HITLDetail)
                    setattr(HITLDetail, _MARK, True)
    except Exception as error:  # Another Airflow may differ in any way; it must start all the same.
        logger.exception("Answer guard failed to install; overlapping answers may both succeed")
        return f"{type(error).__name__}: {error}"
    if problem is not None:
        logger.error(
            "Answer guard does not fit this Airflow; overlapping answers may both succeed",
            extra={"problem": problem},
        )
    return problem


def _describe_missing(model: Any, columns: tuple[str, ...]) -> str | None:
    from sqlalchemy import inspect

    mapper = inspect(model)
    missing = [name for name in columns if name not in mapper.column_attrs]
    if not missing:
        return None
    return f"The model {model.__name__} has no {', '.join(missing)}"


def _listen(model: Any) -> None:
    from fastapi import HTTPException
    from sqlalchemy import event, inspect, select, update

    table = model.__table__

    def let_first_win(_mapper: Any, connection: Any, target: Any) -> None:
        # The task wipes an earlier answer when it asks again; that is not an answer.
        if target.responded_at is None or not inspect(target).attrs.responded_at.history.has_changes():
            return
        expected = EXPECTED.get()
        if expected is not None and str(target.ti_id) != expected:
            raise HTTPException(410, "The question was asked again by a later try of the task.")
        this = table.c.ti_id == target.ti_id
        if connection.dialect.name == "sqlite":  # It has no row locks: writing takes the lock of the file.
            connection.execute(update(table).where(this).values(responded_at=table.c.responded_at))
        row = connection.execute(
            select(table.c.ti_id, table.c.responded_at).where(this).with_for_update()
        ).one_or_none()
        if row is None:
            raise HTTPException(410, "The question was asked again by a later try of the task.")
        if row.responded_at is not None:
            raise HTTPException(
                409,
                f"Human-in-the-loop detail has already been updated for Task Instance with id {target.ti_id} "
                "and is not allowed to write again.",
            )

    event.listen(model, "before_update", let_first_win)
