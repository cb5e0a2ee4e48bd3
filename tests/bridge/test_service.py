"""The process: one on SQLite, its probes, and its end."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from sqlalchemy.engine import URL

from lark_provider.storage import urls
from tests.failures.waiting import wait_until
from tests.services.postgres import OwnPostgres
from tests.services.processes import free_port
from tests.storage import prepared

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(sqlite: URL, tmp_path: Path) -> Iterator[Start]:
    """Yield a function that starts bridges with an unreachable Airflow; the n-th logs to `bridge-n.log`."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LARK_")},
        "LARK_DATABASE_URL": str(sqlite),
        "LARK_REGISTRY_PATH": str(tmp_path / "applications.db"),
        "LARK_APP_ID": "cli_a",
        "LARK_APP_SECRET": "secret",
        "LARK_BRIDGE_SECRET": "s" * 32,
        "LARK_AIRFLOW_URL": f"http://127.0.0.1:{free_port()}",
        "LARK_AIRFLOW_USERNAME": "watcher",
        "LARK_AIRFLOW_PASSWORD": "watcher",
    }
    running: list[subprocess.Popen[bytes]] = []

    def make(*more: str, **settings: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"bridge-{len(running)}.log").open("wb") as log:
            command = [sys.executable, "-m", "lark_provider.cli", "airflow", "bridge", *more]
            running.append(
                subprocess.Popen(command, env=environment | settings, stdout=log, stderr=log)  # noqa: S603 - ours
            )
        return running[-1]

    yield make
    for process in running:
        process.kill()
        process.wait()


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
            return int(answer.status)
    except HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def test_a_second_bridge_on_sqlite_ends_with_an_error(start: Start, tmp_path: Path) -> None:
    first, log = start(), tmp_path / "bridge-0.log"
    wait_until(lambda: "Bridge started" in log.read_text())
    second = start()
    assert second.wait(60) == 1
    assert "A SQLite database must serve one bridge alone" in (tmp_path / "bridge-1.log").read_text()
    wait_until(lambda: "Bridge step failed; will retry" in log.read_text())
    first.terminate()
    assert first.wait(60) == 0
    assert "Bridge drained" in log.read_text()
    # Its lease ended with it, so that the next one need not wait.
    third = start()
    wait_until(lambda: "Bridge started" in (tmp_path / "bridge-2.log").read_text())
    assert third.poll() is None


def test_without_its_database_it_waits_and_goes_on(
    start: Start, own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    with own_postgres.server.databases() as databases:
        ours = databases.make()
        prepared.upgrade(urls.parse(ours, "ours"))
        own_postgres.stop("immediate")
        port, log = free_port(), tmp_path / "bridge-0.log"
        waiting = start("--probe-port", str(port), LARK_DATABASE_URL=ours)
        wait_until(lambda: log.read_text().count("Bridge waits for its database") > 1)
        wait_until(lambda: status(f"http://127.0.0.1:{port}/healthz") == 200)
        assert status(f"http://127.0.0.1:{port}/readyz") == 503
        stopped = start(LARK_DATABASE_URL=ours)
        wait_until(lambda: "Bridge waits for its database" in (tmp_path / "bridge-1.log").read_text())
        stopped.terminate()
        assert stopped.wait(60) == 0
        own_postgres.start()
        wait_until(lambda: "Bridge started" in log.read_text(), 90)
        # Neither Airflow nor Lark is there; it goes on all the same.
        wait_until(lambda: "Bridge step failed; will retry" in log.read_text())
        assert waiting.poll() is None
        waiting.terminate()
        assert waiting.wait(60) == 0


def test_probes_tell_that_airflow_is_missing(start: Start) -> None:
    port = free_port()
    start("--probe-port", str(port))
    wait_until(lambda: status(f"http://127.0.0.1:{port}/healthz") == 200)
    assert status(f"http://127.0.0.1:{port}/readyz") == 503


def test_its_metrics_have_the_outbox_and_each_name_once(start: Start) -> None:
    port = free_port()
    start("--metrics-port", str(port))
    url = f"http://127.0.0.1:{port}/metrics"
    wait_until(lambda: status(url) == 200)
    with urllib.request.urlopen(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    kinds = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(kinds) == len(set(kinds))
    assert "lark_outbox_messages 0.0" in lines
    assert 'lark_bridge_polls_total{what="questions"} 0.0' in lines
