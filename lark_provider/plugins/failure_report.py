"""Report a failed task as `LarkNotifier` does, to the receivers that the configuration or `lark.yaml` names.

There is one implementation of cards, incidents and delivery: with a database, failures that the listener, a
callback or the bridge report share the card of their run and receiver, and are counted once. Only a task that
has failed loads this module.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

from airflow.sdk import conf

from lark_provider import config
from lark_provider.errors import ConfigurationError
from lark_provider.hooks.airflow_config import SECTION
from lark_provider.notifications import airflow_context
from lark_provider.notifications.lark import LarkNotifier
from lark_provider.plugins.logs import get_logger
from lark_provider.protocol.language import Language
from lark_provider.support.environment import ENVIRONMENT

_logger = get_logger(__name__)
_LANGUAGES: tuple[Language, ...] = get_args(Language)


def report(task_instance: Any, error: BaseException | str | None, seconds: float) -> None:
    """Report a failure to all who are to be told, each within its share of the time; raise nothing.

    Args:
        task_instance: Airflow's `RuntimeTaskInstance`.
        error: The exception that the task raised, or its text.
        seconds: The time for all receivers together, in seconds.
    """
    end = time.monotonic() + seconds
    where = {"dag_id": task_instance.dag_id, "task_id": task_instance.task_id}
    try:
        notifiers = list(_iterate_notifiers(task_instance))
    except Exception as failure:  # noqa: BLE001 - the file, a setting or a secrets backend; all are reported alike
        why = airflow_context.format_error(failure, seconds)
        _logger.error("Receivers of the failure not found", extra={**where, "error": why})  # noqa: TRY400 - no secrets
        return
    if not notifiers:
        _logger.warning(
            "No receiver for the failure. Next: set [lark] failure_receiver, or a route in lark.yaml.",
            extra=where,
        )
    context: Any = {
        "ti": task_instance,
        "task_instance": task_instance,
        "task": task_instance.task,
        "dag": task_instance.task.dag,
        "run_id": task_instance.run_id,
        "exception": error,
    }
    for index, notifier in enumerate(notifiers):
        notifier.deadline = max(0.1, (end - time.monotonic()) / (len(notifiers) - index))
        notifier.notify(context)


def _iterate_notifiers(task_instance: Any) -> Iterator[LarkNotifier]:
    """Yield a notifier for each receiver: those of the configuration, else those of the routes."""
    conn_id = _read_option("failure_conn_id", "lark_default")
    named = [part.strip() for part in _read_option("failure_receiver").split(",")]
    if any(named):
        language = _read_language()
        for receiver in filter(None, named):
            yield LarkNotifier(receiver_id=receiver, lark_conn_id=conn_id, language=language, event="failure")
        return
    path = config.get_routes_path()
    if path is not None:
        yield from _iterate_routed_notifiers(task_instance, conn_id, path)


def _iterate_routed_notifiers(task_instance: Any, conn_id: str, path: str) -> Iterator[LarkNotifier]:
    from lark_provider.api.routes.reading import read_routes
    from lark_provider.hooks.lark import LarkHook

    dag, at = task_instance.task.dag, datetime.now(UTC)
    owners = sorted({name.strip() for name in dag.owner.split(",")} - {""})
    routes = read_routes(config.expand_path(path).read_bytes())
    receivers = routes.for_failure(dag.dag_id, sorted(dag.tags), owners, task_instance.task_id, at=at)
    app_id = LarkHook.get_connection(conn_id).login if receivers else None
    for receiver in receivers:
        if receiver.quiet_hours is not None and receiver.quiet_hours.covers(at):
            continue  # The bridge reports it when they end.
        if receiver.app_id in {None, app_id}:  # The bridge, which has all apps, reports to the others.
            yield LarkNotifier(
                receiver_id=receiver.receiver,
                receiver_id_type=receiver.receiver_type,
                lark_conn_id=conn_id,
                language=receiver.language,
                mentions=receiver.mentions,
                event="failure",
            )


def _read_language() -> Language:
    value = _read_option("failure_language", "zh")
    for language in _LANGUAGES:
        if value == language:
            return language
    raise ConfigurationError(
        f"[{SECTION}] failure_language must be zh or en, got {value!r}. Next: leave it out for zh."
    )


def _read_option(name: str, default: str = "") -> str:
    """Return an option of `[lark]`, or its environment variable, such as `LARK_FAILURE_RECEIVER`."""
    value = ENVIRONMENT.get(f"LARK_{name.upper()}") or conf.get(SECTION, name, fallback="") or ""
    return value.strip() or default
