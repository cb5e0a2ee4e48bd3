"""A real `airflow standalone`: scheduler, workers, DAG processor and API server, with a home of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.airflow.conftest import AirflowHome
from tests.failures.waiting import wait_until
from tests.services.processes import alive, free_port, tree

_PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
_COMMAND = ["sh", "-c", " & ".join(f"airflow {part}" for part in _PARTS) + " & wait"]


class Standalone:
    """Airflow on a port of its own; everybody is its admin.

    Args:
        model: An Airflow whose database is up to date.
        home: Where the copy of it goes.
        dag_files: Names to texts.
        settings: Added to its environment. With an auth manager other than Simple, for which
            `airflow standalone` has no use, its parts are started one by one.
        port: Of its API server; a free one by default.
    """

    def __init__(
        self,
        model: AirflowHome,
        home: Path,
        dag_files: Mapping[str, str],
        settings: Mapping[str, str],
        port: int | None = None,
    ) -> None:
        if not home.exists():  # Else it goes on from what another Airflow has left there.
            shutil.copytree(model.home, home, ignore=shutil.ignore_patterns("dags", "logs"))
        self.airflow = AirflowHome(home, model.interpreter)
        for name, text in dag_files.items():
            (self.airflow.dags / name).write_text(text)
        port, logs = port or free_port(), free_port()
        self.url = f"http://localhost:{port}"
        self.airflow.env = {
            **self.airflow.env,
            "PATH": f"{Path(model.interpreter).parent}:{os.environ['PATH']}",  # it starts its parts by name
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "2",
            # Else tasks of an overloaded machine fail before they begin: 5 tries of 5 s.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(logs),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            **settings,
        }
        self._log = home / "standalone.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - ours
                _COMMAND if "AIRFLOW__CORE__AUTH_MANAGER" in settings else ["airflow", "standalone"],
                env=self.airflow.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until Airflow is healthy."""
        wait_until(self._healthy, 300)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to Airflow's REST API, and return the decoded response."""
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.url}/api/v2/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server
            return json.load(answer)

    def runs(self, dag_id: str) -> bool:
        """Start a run if the DAG is parsed, and return whether it was started."""
        with suppress(OSError):
            self.call("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None})
            return True
        return False

    def log(self) -> str:
        """Return what Airflow has printed."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """Kill all processes of Airflow, including those that outlive their parents."""
        pids = set(tree(self._process.pid))
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        wait_until(lambda: not any(map(alive, pids)))

    def _healthy(self) -> bool:
        assert self._process.poll() is None, self.log()[-4000:]
        with suppress(OSError):
            health = self.call("GET", "monitor/health")
            return all(health[part]["status"] == "healthy" for part in ("scheduler", "dag_processor"))
        return False
