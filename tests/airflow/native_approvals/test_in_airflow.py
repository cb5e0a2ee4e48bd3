"""Native approvals of tasks that a real Airflow stops on their worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from lark_emulator import Emulator

from tests.airflow.conftest import AirflowHome, connection
from tests.airflow.native_approvals.approval_tasks import FORM, decide, instances
from tests.airflow.standalone import Standalone
from tests.failures.waiting import wait_until

DAG_FILE = """
from datetime import timedelta

from airflow.sdk import DAG

from lark_provider.operators import LarkNativeApprovalOperator

for dag_id, seconds in (("slow", 15), ("marked", 600)):
    with DAG(dag_id):
        LarkNativeApprovalOperator(
            task_id="ask", approval_code="{code}", form={{"Version": dag_id}}, submitter="alice",
            deferrable=False, poll_interval=1, on_reject="skip", retries=1, retry_delay=timedelta(seconds=1),
            execution_timeout=timedelta(seconds=seconds),
        )
"""


@pytest.fixture(scope="module")
def lark() -> Iterator[Emulator]:
    with Emulator() as local:
        local.settings(rate_limits=False)
        yield local


@pytest.fixture(scope="module")
def standalone(
    airflow_home: AirflowHome,
    airflow_database: dict[str, str],
    lark: Emulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Standalone]:
    nodes = [{"node_type": "AND", "approvers": ["bob"], "name": "Lead"}]
    code = lark.add_approval("Deploy", form=FORM[:1], nodes=nodes)
    settings = {**airflow_database, "AIRFLOW_CONN_LARK_DEFAULT": connection(lark)}
    home = tmp_path_factory.mktemp("stopping") / "airflow"
    files = {"stopped.py": DAG_FILE.format(code=code)}
    with closing(Standalone(airflow_home, home, files, settings)) as running:
        running.wait()
        yield running


def read_task(standalone: Standalone, dag_id: str) -> dict[str, Any]:
    [task] = standalone.call("GET", f"dags/{dag_id}/dagRuns/~/taskInstances")["task_instances"]
    return dict(task)


def find_instances(lark: Emulator, dag_id: str) -> list[dict[str, Any]]:
    return [instance for instance in instances(lark) if dag_id in str(instance["form"])]


def test_a_retry_after_execution_timeout_waits_for_the_same_approval(
    standalone: Standalone, lark: Emulator
) -> None:
    wait_until(lambda: standalone.runs("slow"), 120)
    wait_until(lambda: read_task(standalone, "slow")["try_number"] == 2, 180)
    [instance] = find_instances(lark, "slow")
    assert instance["status"] == "PENDING"
    wait_until(lambda: read_task(standalone, "slow")["state"] == "running", 120)
    decide(lark, "approve")
    wait_until(lambda: read_task(standalone, "slow")["state"] == "success", 120)
    assert len(find_instances(lark, "slow")) == 1


def test_a_task_that_is_marked_failed_withdraws_its_approval(standalone: Standalone, lark: Emulator) -> None:
    wait_until(lambda: standalone.runs("marked"), 120)
    wait_until(lambda: find_instances(lark, "marked"), 120)
    task = read_task(standalone, "marked")
    path = f"dags/marked/dagRuns/{task['dag_run_id']}/taskInstances/ask"
    standalone.call("PATCH", path, {"new_state": "failed"})
    wait_until(lambda: find_instances(lark, "marked")[0]["status"] == "CANCELED", 120)
    assert read_task(standalone, "marked")["state"] == "failed"
