"""The services of an Airflow: API server, scheduler and DAG processor, until the block ends."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from lark_provider.engine import http
from lark_provider.errors import LarkError

ADMIN, BRIDGE = "admin", "bridge"
_PARTS = ("api-server", "scheduler", "dag-processor")
_START_SECONDS, _END_SECONDS = 180.0, 20.0


class AirflowServices:
    """An Airflow that serves.

    Args:
        url: The base URL of the API server.
        passwords: The passwords of Airflow's users, by user name.
    """

    def __init__(self, url: str, passwords: Mapping[str, str]) -> None:
        self.url, self.passwords = url, passwords
        self._token = ""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the REST API as the admin.

        Args:
            method: The HTTP method.
            path: Below `/api/v2`.
            body: JSON.

        Raises:
            LarkError: Airflow refused.
        """
        client = http.choose_library()
        if not self._token:
            login = {"username": ADMIN, "password": self.passwords[ADMIN]}
            self._token = client.post(f"{self.url}/auth/token", json=login).json()["access_token"]
        answer = client.request(
            method,
            f"{self.url}/api/v2{path}",
            json=body,
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=30,
        )
        if answer.is_error:
            raise LarkError(
                f"Airflow answered {method} {path} with status {answer.status_code}: {answer.text[:200]}"
            )
        return answer.json()

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run once the DAG is parsed, and return its id."""
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.call("PATCH", f"/dags/{dag_id}", {"is_paused": False})
                body = {"logical_date": None, "conf": dict(conf)}
                return str(self.call("POST", f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])
            except LarkError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)

    def wait(self) -> None:
        """Wait until all parts are up.

        Raises:
            LarkError: They did not start in time.
        """
        until = time.monotonic() + _START_SECONDS
        while not self._is_healthy():
            if time.monotonic() > until:
                raise LarkError(f"Airflow must be up after {_START_SECONDS:g} s. Next: read its log above.")
            time.sleep(0.3)

    def _is_healthy(self) -> bool:
        try:
            health = orjson.loads(
                http.choose_library().get(f"{self.url}/api/v2/monitor/health", timeout=5).content
            )
        except (OSError, ValueError, http.choose_library().HTTPError):
            return False
        return all(health[part]["status"] == "healthy" for part in ("scheduler", "dag_processor"))


@contextmanager
def run_services(
    env: Mapping[str, str], home: Path, settings: Mapping[str, str]
) -> Iterator[AirflowServices]:
    """Run API server, scheduler and DAG processor until the block ends.

    Args:
        env: The environment of Airflow's commands.
        home: The Airflow home, in which the passwords and the logs are written.
        settings: Variables added to the environment, such as those that the plugin needs.
    """
    port, logs = _free_port(), _free_port()
    url = f"http://localhost:{port}"
    passwords = {name: secrets.token_urlsafe(12) for name in (ADMIN, BRIDGE, "alice")}
    file = home / "passwords.json"
    file.write_bytes(orjson.dumps(passwords))
    env = {
        **env,
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin,{BRIDGE}:viewer,alice:user",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(file),
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(logs),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(16),
        **settings,
    }
    more = {"api-server": ("--port", str(port), "--host", "127.0.0.1", "--workers", "1")}
    with ExitStack() as stack:
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for part in _PARTS:
                log = stack.enter_context((home / f"{part}.log").open("wb"))
                command = [sys.executable, "-m", "airflow", part, *more.get(part, ())]
                process = subprocess.Popen(  # noqa: S603 - ours
                    command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
                processes.append(process)
            airflow = AirflowServices(url, passwords)
            airflow.wait()
            yield airflow
        except LarkError:
            for part in _PARTS:
                print(
                    f"--- {part}",
                    (home / f"{part}.log").read_text(errors="replace")[-2000:],
                    sep="\n",
                    file=sys.stderr,
                )
            raise
        finally:
            _end(processes)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """End process groups: Airflow's services have children that outlive them."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + _END_SECONDS
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, until - time.monotonic()))
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            continue
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
