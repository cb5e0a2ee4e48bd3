"""A native approval's definition, a task that starts, and how waits ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.support import measured, meters
from tests.airflow.conftest import connection
from tests.airflow.native_approvals.approval_tasks import FORM


class Outcomes:
    """A sink that remembers how waits for approvals ended."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def add(self, metric: meters.Counter, amount: int, labels: tuple[str, ...]) -> None:
        if metric is measured.NATIVE_APPROVALS:
            self.seen += labels * amount

    def set(self, *_: Any) -> None: ...

    def remove(self, *_: Any) -> None: ...

    def observe(self, *_: Any) -> None: ...


@pytest.fixture
def outcomes() -> Iterator[list[str]]:
    sink = Outcomes()
    meters.add_sink(sink)
    yield sink.seen
    meters.remove_sink(sink)


@pytest.fixture
def code(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark))
    nodes = [{"node_type": "AND", "approvers": ["bob", "carol"], "name": "Leads"}]
    return lark.add_approval("Deploy", form=FORM, nodes=nodes)


@pytest.fixture
def start(context: Callable[..., Any]) -> Callable[..., Any]:
    def begin(**changes: Any) -> Any:
        task_context = context(**changes)
        task_context["xcoms"] = xcoms = dict[str, Any]()

        def push(key: str, value: Any) -> None:
            xcoms[key] = value

        def pull(task_ids: str, key: str, map_indexes: int) -> Any:
            return xcoms.get(key)

        task_context["ti"] = SimpleNamespace(
            **({"xcom_push": push, "xcom_pull": pull} | vars(task_context["ti"]))
        )
        return task_context

    return begin
