"""Contexts made by hand, and what `LarkNotifier` sent and logged; test_notifier_runs has real contexts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.notifications.lark import LarkNotifier
from tests.airflow.conftest import CHAT

HANGS = 60.0
"""Seconds after which what hangs would answer after all."""
LOG = "http://airflow/dags/d/runs/r/tasks/{}?try_number=1"
DEADLINE = {
    "dag_run": {"dag_id": "d", "dag_run_id": "r", "state": "running"},
    "deadline": {"id": "7", "deadline_time": "2026-01-01T00:00:00Z"},
}


class Shelf:
    """Airflow's Variables, as far as the notifier uses them."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.works = True

    def get(self, key: str, default: str | None = None) -> str | None:
        if not self.works:
            raise RuntimeError("no API server")
        return self.held.get(key, default)

    def set(self, key: str, value: str, description: str) -> None:
        assert description
        self.get(key)
        self.held[key] = value

    def delete(self, key: str) -> None:
        self.get(key)
        del self.held[key]


def context(state: str = "failed", *, task_id: str = "t", error: str = "boom", **changes: Any) -> Any:
    known = {
        "dag_id": "d",
        "run_id": "r",
        "task_id": task_id,
        "map_index": -1,
        "try_number": 1,
        "max_tries": 1,
    }
    ti = SimpleNamespace(**(known | {"state": state, "log_url": LOG.format(task_id)} | changes))
    task_context = {"ti": ti, "task": SimpleNamespace(owner="alice"), "run_id": "r"}
    return task_context if state == "success" else task_context | {"exception": ValueError(error)}


def make_dag_context(reason: str) -> Any:
    dag = SimpleNamespace(dag_id="d", owner="alice", render_template_as_native_obj=False)
    return {"dag": dag, "run_id": "r", "reason": reason}


def make_notifier(**changes: Any) -> LarkNotifier:
    """Return a notifier whose deadline a busy machine keeps; tests of deadlines pass their own."""
    settings: dict[str, Any] = {"receiver_id": CHAT, "language": "en", "deadline": 60.0}
    return LarkNotifier(**(settings | changes))


def read_messages(lark: Emulator) -> list[Any]:
    return [message["content"] for message in lark.state()["chats"][0]["messages"]]


def titles(lark: Emulator) -> list[str]:
    return [card["header"]["title"]["content"] for card in read_messages(lark)]


def read_logged(capsys: pytest.CaptureFixture[str], text: str) -> list[str]:
    """Return the lines of Airflow's log that contain `text`."""
    return [line for line in capsys.readouterr().out.splitlines() if text in line]
