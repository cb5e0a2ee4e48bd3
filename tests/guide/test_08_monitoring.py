"""The guide's section 8.2: what is recommended to be monitored, and by which tool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from lark_emulator import Emulator

from lark_provider import LarkError, LarkServiceClient, metrics
from lark_provider.callbacks.broker.depths import Depths
from lark_provider.storage import engine as engines
from lark_provider.storage import urls
from lark_provider.storage.waits import Waits
from tests.callbacks import mq
from tests.callbacks.conftest import _closed_engines  # noqa: F401 - a fixture
from tests.services.plugin import StartServer
from tests.services.prometheus import OwnPrometheus
from tests.storage import prepared

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "lark.json"
SCRAPE = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: lark-apps
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@pytest.fixture
def port(lark: Emulator, database_url: str, rabbitmq: str) -> Iterator[int]:
    """Yield the metrics port of a program that has used the client, the database and the queue."""
    while engines._engines:  # those of other tests would be counted
        engines._engines.popitem()[1].dispose()
    url = urls.parse(database_url, "test")
    prepared.upgrade(url)
    mq.declare(rabbitmq)
    mq.send(rabbitmq, "card.cli_1", mq.card("e1"), mq.card("e2"))
    metrics_port = metrics.start(0)
    assert metrics_port is not None
    metrics.collect(Depths(mq.at(rabbitmq), Waits(url)))
    account = lark.app_id, lark.app_secret
    with LarkServiceClient(*account, base_url=lark.base_url, database_url=database_url) as client:
        client.messaging.send_text("oc_emulator_data_team", "hello")
        with pytest.raises(LarkError):
            client.messaging.send_text("oc_nothing", "no")
    yield metrics_port
    metrics.stop()


RECOMMENDED = {
    "PostgreSQL 连接数": 'lark_database_connections{state="idle"} 1.0',
    "RabbitMQ 队列长度": 'lark_queue_messages{queue="lark.card_callbacks"} 2.0',
    "Token 刷新频率": 'lark_token_refreshes_total{app="cli_1a2b3c4d5e6f0001",outcome="ok",source="lark"} 1.0',
    "API 调用延迟": 'lark_request_duration_seconds_count{operation="/open-apis/im/v1/messages"} 2.0',
    "错误率": 'lark_calls_total{app="cli_1a2b3c4d5e6f0001",outcome="refused"} 1.0',
}


def test_guide_56_what_is_recommended_is_measured(port: int) -> None:
    text = metrics.render()[0].decode()
    assert {name for name, line in RECOMMENDED.items() if line not in text.splitlines()} == set()


def test_guide_57_prometheus_scrapes_it_and_answers_the_dashboard(
    port: int, start_prometheus: StartServer[OwnPrometheus]
) -> None:
    prometheus = start_prometheus(files={"prometheus.yml": SCRAPE.format(port=port)})
    prometheus.wait('up{job="lark-apps"}', 1)
    prometheus.wait("sum(lark_calls_total)", 3)  # the token, and two messages
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            prometheus.query(target["expr"].replace("$__rate_interval", "1m").replace("$app", ".*"))
