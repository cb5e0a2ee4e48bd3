"""Tasks report to Airflow's own statistics, here to a StatsD that listens on loopback."""

from __future__ import annotations

import re
import socket
import textwrap
from collections.abc import Iterator

import pytest
from lark_emulator import Emulator

from tests.airflow.conftest import AirflowHome

DAG = textwrap.dedent(
    """
    from datetime import datetime
    from airflow.sdk import DAG
    from lark_provider.operators.message import LarkSendMessageOperator

    with DAG("stats", start_date=datetime(2026, 1, 1), schedule=None):
        LarkSendMessageOperator(task_id="send", receiver_id="oc_emulator_data_team", content="hello")
    """
)


@pytest.fixture
def statsd() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        yield listening


def read_received(statsd: socket.socket) -> dict[str, str]:
    """Return the last value of each metric that has been received, by name."""
    metrics: dict[str, str] = {}
    while True:
        try:
            text = statsd.recv(65536).decode()
        except BlockingIOError:
            return metrics
        for line in text.splitlines():
            name, _, value = line.partition(":")
            metrics[name] = value


def test_a_task_counts_its_calls_in_airflows_statistics(
    airflow_home: AirflowHome, lark: Emulator, statsd: socket.socket
) -> None:
    (airflow_home.dags / "stats.py").write_text(DAG)
    before = dict(airflow_home.env)
    airflow_home.env |= {
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd.getsockname()[1]),
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",  # The format of StatsD that has tags.
    }
    try:
        airflow_home.airflow("dags", "test", "stats", lark=lark)
    finally:
        airflow_home.env = before
    metrics = {name: value for name, value in read_received(statsd).items() if ".lark." in name}
    [sent] = [name for name in metrics if name.startswith("airflow.lark.requests") and "messages" in name]
    assert f"app={lark.app_id}" in sent
    assert "code=0" in sent
    assert metrics[sent] == "1|c"
    [took] = [
        name for name in metrics if name.startswith("airflow.lark.request_duration") and "messages" in name
    ]
    assert re.fullmatch(r"\d+\.\d+\|ms", metrics[took])
    assert 0 < float(metrics[took].removesuffix("|ms")) < 30_000


def test_without_statistics_nothing_is_counted(airflow_home: AirflowHome, lark: Emulator) -> None:
    code = """if True:
        from lark_provider.hooks.lark import LarkHook
        from lark_provider.support import meters
        LarkHook().client
        assert not meters.sinks
    """
    airflow_home.python("-c", code, lark=lark)
