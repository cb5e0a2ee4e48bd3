"""Prometheus for the tests: a server of a test's own, with its configuration and rules as files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.services.binaries import program
from tests.services.processes import (
    HOST,
    OwnServer,
    find_unprivileged,
    free_port,
    give,
    listens,
    private_folder,
    run,
)

PACKAGE = "prometheus"


class OwnPrometheus(OwnServer):
    """A server on loopback.

    Args:
        _settings: None are known.
        files: `prometheus.yml`, and the files of rules that it names.
    """

    name = "Prometheus"

    def __init__(self, _settings: Mapping[str, str], files: Mapping[str, str]) -> None:
        self._server = program("prometheus", package=PACKAGE, folders="/usr/bin")
        user = find_unprivileged("prometheus")
        super().__init__(private_folder("prometheus", user), free_port(), user)
        give(self.folder, files, user)
        self.url = f"http://{HOST}:{self.port}"

    def command(self) -> list[str | Path]:
        """Return the command that runs Prometheus."""
        return [
            self._server,
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address={HOST}:{self.port}",
            "--log.level=warn",
        ]

    def ready(self) -> bool:
        """Return whether it answers queries."""
        if not listens(self.port):
            return False
        try:
            return httpx.get(f"{self.url}/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression yields now, each with `metric` and `value`."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        result = answer["data"]["result"]
        return result if answer["data"]["resultType"] == "vector" else [{"metric": {}, "value": result}]

    def query_number(self, expression: str) -> float | None:
        """Return the one number that an expression yields; None if it yields none."""
        series = self.query(expression)
        assert len(series) <= 1, f"{expression}: {series}"
        return float(series[0]["value"][1]) if series else None

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        alerts = httpx.get(f"{self.url}/api/v1/alerts", timeout=30).json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def wait(self, expression: str, wanted: float, seconds: float = 60.0) -> None:
        """Wait until an expression yields a number."""
        end = time.monotonic() + seconds
        while (value := self.query_number(expression)) != wanted:
            assert time.monotonic() < end, f"{expression} stays {value}"
            time.sleep(0.2)


def promtool(*words: str | Path) -> str:
    """Run promtool, and return what it printed."""
    done = run([program("promtool", package=PACKAGE, folders="/usr/bin"), *words], seconds=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
