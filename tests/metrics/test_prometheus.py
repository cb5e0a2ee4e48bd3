"""The real Prometheus scrapes the real services, its rules fire, and every panel has figures."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.topology import make_event_key
from lark_provider.protocol.waits import mark
from tests.callbacks import mq
from tests.callbacks.commands import ROOT, ready
from tests.callbacks.conftest import (  # noqa: F401 - fixtures
    _closed_engines,
    database,
    node,
    one_node,
)
from tests.callbacks.pumping import read_stored
from tests.failures.waiting import wait_until
from tests.metrics.site import Site
from tests.protocol.callbacks import sender
from tests.services.plugin import StartServer
from tests.services.prometheus import OwnPrometheus, promtool
from tests.services.rabbitmq import OwnRabbit

DEPLOY = Path(ROOT) / "deploy"
RULES = (DEPLOY / "prometheus" / "alerts.yml").read_text()
CONFIG = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
DASHBOARD = json.loads((DEPLOY / "grafana" / "lark.json").read_text())
CLICKS, FORGED = 120, 25
EMPTY = re.compile(
    r"lark_(?:long_connection_up|airflow_request|bridge_(?:click|questions|commands_open)"
    r"|outbox_(?:delivered|given_up)|record_(?:events|gaps|scans))"
)
"""Metrics without a figure: nothing listens here, no bridge runs, no table is watched, and nothing is in the
outbox."""


def queries() -> Iterator[tuple[str, str, str, str]]:
    """Yield panel, unit, legend and expression of each query of the dashboard, as Grafana sends it."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "5m").replace("$app", ".*")
            yield panel["title"], panel["fieldConfig"]["defaults"]["unit"], target["legendFormat"], expression


def configuration(ports: Sequence[int]) -> str:
    """Return `prometheus.yml` as it ships, except for the ports, the interval and what runs."""
    text = CONFIG.replace("interval: 15s", "interval: 1s")
    changes = (
        ('"127.0.0.1:9464"', f'"127.0.0.1:{ports[0]}"'),
        ('"127.0.0.1:9465"', f'"127.0.0.1:{ports[1]}"'),
        ("targets: []  # your programs", f'targets: ["127.0.0.1:{ports[2]}"]  # your programs'),
        ('["127.0.0.1:9468"]  # lark-provider airflow bridge', "[]  # lark-provider airflow bridge"),
    )
    for shipped, ours in changes:
        assert text.count(shipped) == 1
        text = text.replace(shipped, ours)
    return text


@pytest.fixture
def site(
    lark: Emulator,
    node: OwnRabbit,  # noqa: F811 - the fixture
    database: URL,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> Iterator[Site]:
    lark.settings(rate_limits=False)
    with ExitStack() as started:
        running_site = Site(started, lark, node, database, tmp_path)
        wait_until(lambda: ready(running_site.url))
        yield running_site


def test_promtool_finds_the_rules_and_the_configuration_in_order(tmp_path: Path) -> None:
    folder = DEPLOY / "prometheus"
    assert "SUCCESS" in promtool("check", "rules", folder / "alerts.yml")
    assert "SUCCESS" in promtool("check", "config", folder / "prometheus.yml")
    assert "SUCCESS" in promtool("test", "rules", folder / "alerts_test.yml")


def test_prometheus_scrapes_alerts_and_answers_the_dashboard(
    site: Site,
    lark: Emulator,
    node: OwnRabbit,  # noqa: F811 - the fixture
    database: URL,  # noqa: F811 - the fixture
    start_prometheus: StartServer[OwnPrometheus],
    say: Callable[[str], None],
) -> None:
    # The rules as they ship, but for their patience.
    rules = re.sub(r"\bfor: \d+m", "for: 2s", RULES)
    assert rules.count("for: 2s") > 10
    prometheus = start_prometheus(files={"prometheus.yml": configuration(site.ports), "alerts.yml": rules})
    prometheus.wait('count(up{job=~"lark-.*"} == 1)', 3)

    # --- clicks, events and calls ---
    lark.fault(path="/open-apis/im/v1/messages", code=99991400, status=429, times=3)
    for n in range(CLICKS):
        assert site.click(f"click-{n}") == 200
        if n % 5 == 0 and n // 5 < FORGED:
            assert site.click("forged", key="wrong") == 401
        time.sleep(0.05)  # So that it is a rate, and not an instant.
    assert [site.click("click-0"), site.click("click-1")] == [200, 200]
    for n in range(FORGED - CLICKS // 5):
        assert site.click(f"forged-{n}", key="wrong") == 401
    for n, question in enumerate(site.questions[:-1]):
        assert site.click(f"answer-{n}", value=mark({"action": "approve"}, question)) == 200
    good, bad = sender.make_event(), sender.make_event()
    bad["header"]["event_id"], bad["event"]["message"]["message_id"] = "bad", "om_bad"
    mq.send(node.url, make_event_key(sender.APP), good, good, bad)
    answered = len(site.questions) - 1
    accepted = CLICKS + answered

    # --- the figures are what was done ---
    prometheus.wait('sum(lark_deliveries_stored_total{kind="click"})', accepted)
    wait_until(lambda: len(read_stored(database)) == accepted)
    prometheus.wait('sum(lark_database_clicks_total{outcome="new"})', accepted)
    prometheus.wait('sum(lark_duplicates_total{where="gateway"})', 2)
    prometheus.wait('sum(lark_deliveries_rejected_total{reason="signature"})', FORGED)
    prometheus.wait("sum(lark_questions_decided_total)", answered)
    prometheus.wait("max(lark_waits_open)", 1)
    prometheus.wait('max(lark_queue_messages{queue="lark.card_callbacks"})', 0)
    prometheus.wait('max(lark_queue_messages{queue="lark.events.dead"})', 1)
    prometheus.wait('sum(lark_events_handled_total{outcome="handled"})', 1)

    # --- every panel has figures ---
    end = time.monotonic() + 60
    missing = {expression for *_, expression in queries() if not EMPTY.search(expression)}
    while missing := {expression for expression in missing if not finite(prometheus.query(expression))}:
        assert time.monotonic() < end, missing
        time.sleep(0.5)
    assert len(list(queries())) > 40
    for panel, unit, legend, expression in queries():
        for series in finite(prometheus.query(expression)):
            name = re.sub(r"{{(\w+)}}", lambda match: series["metric"].get(match[1], ""), legend)  # noqa: B023 - used at once
            say(f"{panel} | {name} | {float(series['value'][1]):.4g} {unit}")
    assert (
        prometheus.query_number(
            "histogram_quantile(0.5, sum by (le) (rate(lark_delivery_answer_seconds_bucket[5m])))"
        )
        or 9
    ) < 3
    assert {"LarkDeadLetters", "LarkTokensFail"} <= wait_firing(
        prometheus, "LarkDeadLetters", "LarkTokensFail"
    )
    assert not {"LarkTargetDown", "LarkBrokerDisconnected", "LarkSinkNotReady"} & prometheus.firing()

    # --- RabbitMQ is killed ---
    in_database = 'sum(lark_deliveries_stored_total{sink="database"})'
    before = prometheus.query_number(in_database) or 0  # A busy broker is not waited for.
    node.kill()
    down = {"LarkBrokerDisconnected", "LarkSinkNotReady", "LarkCollectionFails"}
    wait_firing(prometheus, *down)
    assert site.click("without RabbitMQ") == 200  # stored in the database
    prometheus.wait(in_database, before + 1)
    node.start()
    wait_until(lambda: not down & prometheus.firing(), 90)


def finite(vector: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the series whose value is finite."""
    return [series for series in vector if math.isfinite(float(series["value"][1]))]


def wait_firing(prometheus: OwnPrometheus, *alerts: str) -> set[str]:
    """Wait until some alerts fire, and return all that do."""
    wait_until(lambda: set(alerts) <= prometheus.firing(), 90)
    return prometheus.firing()
