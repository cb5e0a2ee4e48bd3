"""Report a failed task as `LarkNotifier` does, to the receiver that the configuration names.

There is one implementation of cards, incidents and delivery: failures that the listener reports and those
that callbacks report share a card. Only a task that has failed loads this module.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from typing import Any

from airflow.sdk import conf

from lark_provider.notifications.lark import LarkNotifier
from lark_provider.notifications.texts import LANGUAGES

_logger = logging.getLogger(__name__)


def report(task_instance: Any, error: BaseException | str | None, seconds: float) -> None:
    """Report a failure to all who are configured, each within its share of the time.

    Args:
        task_instance: Airflow's `RuntimeTaskInstance`.
        error: What the task raised.
        seconds: For all of them.
    """
    end = time.monotonic() + seconds
    notifiers = list(_notifiers())
    if not notifiers:
        _logger.error(
            "No receiver for failures. Next: set [lark] failure_receiver or LARK_FAILURE_RECEIVER.",
            extra={"dag_id": task_instance.dag_id, "task_id": task_instance.task_id},
        )
    task = task_instance.task
    context: Any = {
        "ti": task_instance,
        "task_instance": task_instance,
        "task": task,
        "dag": getattr(task, "dag", None),
        "run_id": task_instance.run_id,
        "exception": error,
    }
    for index, notifier in enumerate(notifiers):
        notifier.deadline = max(0.1, (end - time.monotonic()) / (len(notifiers) - index))
        notifier.notify(context)


def _notifiers() -> Iterator[LarkNotifier]:
    receivers = _option("failure_receiver", "LARK_FAILURE_RECEIVER")
    conn_id = _option("failure_conn_id", "LARK_FAILURE_CONN_ID") or "lark_default"
    language: Any = _option("failure_language", "LARK_FAILURE_LANGUAGE") or LANGUAGES[0]
    for receiver in filter(None, (one.strip() for one in receivers.split(","))):
        yield LarkNotifier(receiver_id=receiver, lark_conn_id=conn_id, language=language, event="failure")


def _option(name: str, variable: str) -> str:
    return (os.environ.get(variable) or conf.get("lark", name, fallback="") or "").strip()
