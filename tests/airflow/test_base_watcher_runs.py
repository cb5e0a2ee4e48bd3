"""A real triggerer that watches a Bitable table: people's edits queue a run of the example DAG."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.airflow.conftest import AirflowHome
from tests.airflow.test_base_watcher import (  # noqa: F401 - fixtures
    Base,
    Gateway,
    base,
    gateway,
    url,
)
from tests.airflow.triggerer import Triggerer
from tests.failures.waiting import wait_until

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "record_events.py"
COUNT, SECONDS = 300, 600.0


@pytest.fixture
def triggerer(
    airflow_home: AirflowHome,
    base: Base,  # noqa: F811 - the fixture
    gateway: Gateway,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Triggerer]:
    link = f"https://example.feishu.cn/base/{base.token}?table={base.table}"
    monkeypatch.setenv("LARK_EXAMPLE_TABLE", link)
    names = ("AIRFLOW__LARK__RABBITMQ_URL", "AIRFLOW__LARK__DATABASE_URL", "AIRFLOW_CONN_LARK_DEFAULT")
    settings = {name: os.environ[name] for name in (*names, "LARK_EXAMPLE_TABLE", "LARK_PACING")}
    triggerer = Triggerer(airflow_home, tmp_path / "airflow", settings)
    try:
        triggerer.parse(EXAMPLE.read_text())
        triggerer.start()
        yield triggerer
    finally:
        triggerer.kill()


def changes(triggerer: Triggerer) -> Counter[tuple[str, str]]:
    """Return how often each change of a record was stored as part of an asset event."""
    return Counter(
        (record["record_id"], record["change"])
        for payload in triggerer.read_events()
        for record in payload["records"]
    )


def test_edits_queue_a_run_of_the_example_although_gateway_and_triggerer_are_killed(
    triggerer: Triggerer,
    base: Base,  # noqa: F811 - the fixture
    gateway: Gateway,  # noqa: F811 - the fixture
) -> None:
    drive = base.client.clouddoc.drive
    wait_until(lambda: drive.is_subscribed(base.token, type="bitable"), SECONDS)
    ids = base.add(*(f"row {number}" for number in range(COUNT)))
    wait_until(lambda: set(changes(triggerer)) == {(record_id, "added") for record_id in ids}, SECONDS)
    assert triggerer.list_queued() >= {"record_events"}
    for place, record_id in enumerate(ids):
        if place == COUNT // 3:
            gateway.command.kill()
        elif place == 2 * COUNT // 3:
            gateway.start()
            triggerer.kill()
        base.edit(record_id, f"edited {place}")
    triggerer.start()
    wanted = {(record_id, change) for record_id in ids for change in ("added", "edited")}
    wait_until(lambda: set(changes(triggerer)) == wanted, SECONDS)
    assert read_handled(triggerer.read_events()) == dict.fromkeys(ids, "edited")


def read_handled(payloads: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the example's task returns for asset events with these payloads."""
    names: dict[str, Any] = {}
    exec(compile(EXAMPLE.read_text(), str(EXAMPLE), "exec"), names)  # noqa: S102 - ours
    task = names["dag"].task_dict["handle"]
    events = [SimpleNamespace(extra={"payload": payload}) for payload in payloads]
    handled: dict[str, str] = task.python_callable(triggering_asset_events={names["orders"]: events})
    return handled
