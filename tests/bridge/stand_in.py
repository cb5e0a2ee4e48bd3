"""A stand-in for Airflow's REST API: what it has failed, and logs that take as long as a test says."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_LOG = re.compile(
    r"/api/v2/dags/(?P<dag>[^/]+)/dagRuns/(?P<run>[^/]+)/taskInstances/(?P<task>[^/]+)/logs/\d+"
)
_RUN = re.compile(r"/api/v2/dags/(?P<dag>[^/]+)/dagRuns/(?P<run>[^/]+)")
_ABSENT = {"detail": "It was not found"}
"""Airflow names what is missing; `Not Found` alone means that there is no such path."""


@dataclass
class StandInAirflow:
    """What it answers, and what it was asked for.

    Attributes:
        url: Where it is.
        failed: Entries of `/taskInstances`.
        recovered: The task instances of each run that have succeeded since.
        runs: Entries of `/dagRuns`.
        log_seconds: How long a log takes.
        log_status: The status of each log.
        log_padding: A line of each log before its error.
        silent: Tasks whose logs have no error.
        started: The runs that are there, by DAG and run.
        command: Status and body for a command to the plugin.
        logs: Run and task of each log that was read.
    """

    url: str = ""
    failed: list[dict[str, Any]] = field(default_factory=list)
    recovered: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    log_seconds: float = 0.0
    log_status: int = 200
    log_padding: str = ""
    silent: frozenset[str] = frozenset()
    started: frozenset[tuple[str, str]] = frozenset()
    command: tuple[int, dict[str, Any]] = (404, {})
    logs: list[tuple[str, str]] = field(default_factory=list)

    def fail(self, run_id: str, task_id: str = "load", dag_id: str = "etl") -> None:
        """Add a failed task instance to those that are listed."""
        self.failed.append(
            {
                "id": f"{run_id}-{task_id}", "dag_id": dag_id, "dag_run_id": run_id, "task_id": task_id,
                "map_index": -1, "try_number": 1, "max_tries": 0, "state": "failed",
                "end_date": f"2026-11-26T10:00:{len(self.failed):02}Z",
            }
        )  # fmt: skip

    def answer(self, path: str, states: Collection[str]) -> tuple[int, Any]:
        """Return the status code and the body of the response to a GET request for entries in some states."""
        if log := _LOG.fullmatch(path):
            run_id, task_id = unquote(log["run"]), unquote(log["task"])
            self.logs.append((run_id, task_id))
            time.sleep(self.log_seconds)
            error = {"exc_type": "ValueError", "exc_value": f"no rows for {run_id}", "frames": []}
            lines: list[dict[str, Any]] = [{"event": self.log_padding}] if self.log_padding else []
            lines += [] if task_id in self.silent else [{"event": "x", "error_detail": [error]}]
            return self.log_status, {"content": lines} if self.log_status < 400 else _ABSENT
        if (run := _RUN.fullmatch(path)) and (unquote(run["dag"]), unquote(run["run"])) in self.started:
            return 200, {"dag_run_id": unquote(run["run"]), "state": "running"}
        if path == "/api/v2/dags/~/dagRuns/~/taskInstances":
            return 200, {"task_instances": self.failed, "total_entries": len(self.failed)}
        if path == "/api/v2/dags/~/dagRuns":
            return 200, {"dag_runs": self.runs, "total_entries": len(self.runs)}
        if path == "/api/v2/dags":
            return 200, {"dags": [], "total_entries": 0}
        if path.endswith("/taskInstances"):
            entries = [entry for entry in self.recovered if entry["state"] in states]
            return 200, {"task_instances": entries, "total_entries": len(entries)}
        return 404, _ABSENT


@contextmanager
def serving() -> Iterator[StandInAirflow]:
    """Serve a stand-in for Airflow until the block ends."""
    airflow = StandInAirflow()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            self._send(*airflow.answer(url.path, parse_qs(url.query).get("state", [])))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._send(*airflow.command)

        def log_message(self, *_given: Any) -> None:
            pass

        def _send(self, status: int, answer: Any) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        airflow.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield airflow
        finally:
            server.shutdown()
