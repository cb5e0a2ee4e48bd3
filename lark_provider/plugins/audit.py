"""Airflow's audit log, read in an API server: who cleared which tasks. All functions block.

Airflow commits a row before it clears, in a transaction of its own, so that a row alone proves nothing: what
was cleared has a new id as well.
"""

from __future__ import annotations

import json
from typing import Any

_CLEAR = "post_clear_task_instances"
Marker = str | tuple[str, int]
"""How Airflow's endpoint names what it clears: a task, or a task and its map index."""


def read_last_row_id() -> int:
    """Return the id of the latest row; 0 if there is none."""
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    rows: Any = Log.__table__
    with create_session() as session:
        result = session.execute(
            rows.select().with_only_columns(rows.c.id).order_by(rows.c.id.desc()).limit(1)
        )
        return int(result.scalar() or 0)


def read_cleared(row: int, dag_id: str, run_id: str, person: str) -> set[Marker]:
    """Return what a person has had cleared in a run.

    Args:
        row: Only rows after this one count.
        dag_id: The DAG.
        run_id: The DAG run.
        person: The name in Airflow.
    """
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    rows: Any = Log.__table__
    wanted = rows.select().where(
        rows.c.id > row,
        rows.c.event == _CLEAR,
        rows.c.dag_id == dag_id,
        rows.c.run_id == run_id,
        rows.c.owner == person,
    )
    with create_session() as session:
        texts = [entry.extra for entry in session.execute(wanted)]
    return {marker for text in texts for marker in _parse_markers(text)}


def _parse_markers(extra: str | None) -> set[Marker]:
    try:
        named = json.loads(extra or "{}").get("task_ids") or []
        return {
            task_id if isinstance(task_id, str) else (str(task_id[0]), int(task_id[1])) for task_id in named
        }
    except (ValueError, TypeError, AttributeError, IndexError):
        return set()  # Another version of Airflow may write it in another way.
