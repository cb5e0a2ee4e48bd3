"""What is counted of clicks and events is what was sent; the public port shows none of it."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.topology import make_event_key
from lark_provider.protocol.callbacks import CardClick
from lark_provider.storage.inbox import Inbox
from tests.callbacks import mq
from tests.callbacks.commands import gateway, ready
from tests.callbacks.conftest import _closed_engines, database  # noqa: F401 - fixtures
from tests.callbacks.consuming import consuming
from tests.callbacks.parts import FakeSink, deliver
from tests.callbacks.parts import gateway as in_process
from tests.callbacks.pumping import pumping, read_stored
from tests.failures.waiting import wait_until
from tests.metrics.conftest import Counted
from tests.protocol.callbacks import sender
from tests.services.processes import free_port


def post(url: str, content: object, *, key: str = sender.KEY, app: str = sender.APP) -> httpx.Response:
    body = sender.seal_body(content, key)
    headers = sender.make_headers(body, key, timestamp=str(int(time.time())))
    return httpx.post(url.replace("{app_id}", app), content=body, headers=headers)


def click(event_id: str) -> dict[str, object]:
    content = sender.card(now=time.time())
    content["header"]["event_id"] = event_id
    return content


def test_the_gateway_counts_what_it_stores_and_what_it_refuses(
    database: URL,  # noqa: F811 - the fixture
    rabbitmq: str,
    tmp_path: Path,
) -> None:
    mq.declare(rabbitmq)
    settings = {"RABBITMQ_URL": rabbitmq, "LARK_DATABASE_URL": database.render_as_string(hide_password=False)}
    port, metrics = free_port(), free_port()
    serving = gateway(tmp_path / "log", port, "--metrics-port", str(metrics), LOG_FORMAT="json", **settings)
    try:
        url = serving.start().removeprefix("Callbacks at ")
        wait_until(lambda: ready(url))
        for n in range(5):
            assert b"Received" in post(url, click(f"e{n}")).content
        post(url, click("e0"))
        event = sender.make_event(time.time())
        assert post(url, event).status_code == 200
        challenge = sender.seal_body(sender.challenge())
        assert httpx.post(url.replace("{app_id}", sender.APP), content=challenge).status_code == 200
        for _ in range(3):
            assert post(url, click("x"), key="wrong").status_code == 401
        with ThreadPoolExecutor(50) as pool:  # One alone waits a second for a reload of the keys.
            answers = pool.map(lambda n: post(url, click("x"), app=f"cli_made_up_{n}"), range(200))
            assert {answer.status_code for answer in answers} == {404}
        assert httpx.post(url.replace("{app_id}", sender.APP), content=b"x" * 2_000_000).status_code == 413
        assert httpx.post(url.replace("{app_id}", sender.APP), content=b"[]").status_code == 400
        text = httpx.get(f"http://127.0.0.1:{metrics}/metrics").text
        public = [
            httpx.get(f"http://127.0.0.1:{port}{path}").status_code for path in ("/metrics", "//metrics")
        ]
    finally:
        serving.end()
    assert public == [404, 404]
    app = f'app="{sender.APP}"'
    assert f'lark_deliveries_received_total{{{app},kind="click"}} 6.0' in text
    assert f'lark_deliveries_received_total{{{app},kind="event"}} 1.0' in text
    assert f'lark_deliveries_received_total{{{app},kind="challenge"}} 1.0' in text
    assert f'lark_deliveries_stored_total{{{app},kind="click",sink="rabbitmq"}} 5.0' in text
    assert 'lark_duplicates_total{where="gateway"} 1.0' in text
    assert f'lark_deliveries_rejected_total{{{app},reason="signature"}} 3.0' in text
    assert 'lark_deliveries_rejected_total{app="unknown",reason="unknown_app"} 200.0' in text
    assert 'lark_deliveries_rejected_total{app="unknown",reason="too_large"} 1.0' in text
    assert f'lark_deliveries_rejected_total{{{app},reason="unreadable"}} 1.0' in text
    assert 'lark_delivery_answer_seconds_count{kind="click"} 6.0' in text
    assert 'lark_sink_ready{sink="rabbitmq"} 1.0' in text
    assert 'lark_sink_ready{sink="database"} 1.0' in text
    assert 'lark_broker_connected{role="publisher"} 1.0' in text
    assert "cli_made_up" not in text
    assert "_created" not in text
    for secret in (
        sender.KEY,
        sender.TOKEN,
        "guest",
        str(database.password),
        "ou_3c14f3a59eaf",
        "om_574d639e",
    ):
        assert secret not in text
    lines = [json.loads(line) for line in serving.log.read_text().splitlines()]
    assert [line["url"] for line in lines if line["message"] == "Metrics started"] == [
        f"http://127.0.0.1:{metrics}/metrics"
    ]
    refused = [line for line in lines if line["message"] == "Request refused"]
    assert {line["app_id"] for line in refused if line["status"] == 401} == {sender.APP}
    assert sum(1 + line["suppressed"] for line in refused if line["status"] == 404) == 200


def test_a_click_that_no_sink_takes_is_counted_as_failed(counted: Counted) -> None:
    answer, _ = deliver(in_process(FakeSink("queue", ConnectionError("down"))))
    assert answer.status == 200
    assert counted("lark_deliveries_failed_total", app=sender.APP, kind="click") == 1
    assert counted("lark_deliveries_stored_total") == 0


def test_a_handler_that_fails_is_counted(counted: Counted) -> None:
    def broken(_: CardClick) -> bytes:
        raise LookupError("in the handler")

    async def slow(_: CardClick) -> bytes:
        await asyncio.sleep(3600)
        return b""

    deliver(in_process(handler=broken))
    deliver(in_process(handler=slow, deadline=0.5))
    assert counted("lark_handler_failures_total", kind="click", reason="exception") == 1
    assert counted("lark_handler_failures_total", kind="click", reason="timeout") == 1


def test_the_pump_counts_what_is_new_what_is_known_and_what_is_dead_lettered(
    database: URL,  # noqa: F811 - the fixture
    rabbitmq: str,
    counted: Counted,
) -> None:
    mq.declare(rabbitmq)
    inbox = Inbox(database)
    inbox.store([mq.click("e0"), mq.click("e1")])
    assert counted("lark_database_clicks_total", outcome="new") == 2
    bodies = [mq.card(f"e{n}") for n in range(10)]
    mq.send(rabbitmq, f"card.{sender.APP}", *bodies, b"not JSON", {"neither": "click nor event"})
    with pumping(rabbitmq, inbox):
        wait_until(lambda: len(read_stored(database)) == 10 and counted("lark_dead_letters_total") == 2)
    assert counted("lark_database_clicks_total", outcome="new") == 10
    assert counted("lark_database_clicks_total", outcome="duplicate") == 2
    assert counted("lark_duplicates_total", where="database") == 2
    assert counted("lark_dead_letters_total", kind="click") == 2
    assert counted("lark_broker_connected", role="pump") == 0  # by now


def test_a_consumer_counts_what_became_of_each_event(rabbitmq: str, counted: Counted) -> None:
    mq.declare(rabbitmq)
    good, bad = sender.make_event(), sender.make_event()
    bad["header"]["event_id"] = "bad"
    bad["event"]["message"]["message_id"] = "om_bad"
    mq.send(rabbitmq, make_event_key(sender.APP), good, good, bad)

    def handler(event: object) -> None:
        if getattr(event, "event_id", "") == "bad":
            raise LookupError("in the handler")

    with consuming(rabbitmq, handler, tries=2, pause=0.01):
        wait_until(lambda: counted("lark_dead_letters_total", kind="event") == 1)
        wait_until(lambda: counted("lark_duplicates_total", where="consumer") == 1)
    assert counted("lark_events_handled_total", app=sender.APP, outcome="handled") == 1
    assert counted("lark_events_handled_total", outcome="duplicate") == 1
    assert counted("lark_events_handled_total", outcome="failed") == 2
    assert counted("lark_event_handler_seconds_count") == 3
