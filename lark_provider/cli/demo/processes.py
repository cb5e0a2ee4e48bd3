"""The processes of the demo: a local Lark, what receives its clicks, and Airflow with its own home."""

from __future__ import annotations

import itertools
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

import orjson

import lark_provider
from lark_provider.cli.demo.airflow_services import BRIDGE, AirflowServices
from lark_provider.engine import http
from lark_provider.errors import ConfigurationError, LarkError
from lark_provider.storage.crypto import generate_key

CHAT_ID = "oc_emulator_data_team"
_LOG_LINES = 40
_CONNECTED = "Long connection opened"


class LocalLark(NamedTuple):
    """A local Lark in a process of its own."""

    process: subprocess.Popen[str]
    log: Path
    base_url: str
    app_id: str
    app_secret: str

    def read_snapshot(self) -> dict[str, Any]:
        """Return the state of the local Lark."""
        snapshot: dict[str, Any] = orjson.loads(
            http.choose_library().get(f"{self.base_url}/_emulator/state", timeout=30).content
        )
        return snapshot

    def control(self, path: str, **body: Any) -> dict[str, Any]:
        """Send a request to its control plane."""
        answer = http.choose_library().post(f"{self.base_url}/_emulator/{path}", json=body, timeout=30)
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result

    def stop(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait()
        self.log.unlink()


def start_emulator() -> LocalLark:
    """Start a local Lark on a free port, in a session of its own, and wait until it listens."""
    command = [sys.executable, "-m", "lark_provider.cli", "emulator", "--port", "0"]
    # Its errors go to a file, since it may outlive the reader of this process's.
    with NamedTemporaryFile("w", prefix="lark-emulator-", suffix=".log", delete=False) as log:
        process = subprocess.Popen(  # noqa: S603 - ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        lines = iter(process.stdout or ())
        next(lines, "")
        words = dict(word.split("=", 1) for word in next(lines, "").split())
    except BaseException:  # This command is interrupted.
        process.kill()
        raise
    if not words:
        print(Path(log.name).read_text(), file=sys.stderr)
        raise ConfigurationError(
            "The local Lark did not start. Next: install 'airflow-provider-lark[emulator]'."
        )
    return LocalLark(
        process, Path(log.name), words["LARK_BASE_URL"], words["LARK_APP_ID"], words["LARK_APP_SECRET"]
    )


class Airflow:
    """An Airflow with a home of its own, reached by its command line."""

    def __init__(self, home: Path, lark: LocalLark) -> None:
        connection = {
            "conn_type": "lark",
            "login": lark.app_id,
            "password": lark.app_secret,
            "host": lark.base_url,
        }
        self.home, self._log = home, home / "airflow.log"
        self.database_url = f"sqlite:///{home}/lark.db"
        self.env = {
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(find_example_dags()),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LARK__DATABASE_URL": self.database_url,
            "AIRFLOW_CONN_LARK_DEFAULT": orjson.dumps(connection).decode(),
        }

    def write_bridge_settings(self, lark: LocalLark, person: str) -> dict[str, str]:
        """Return what bridge and plugin share, and write their `lark.yaml`.

        Args:
            lark: The local Lark.
            person: Who has the same name in both.
        """
        (open_id,) = (
            user["open_ids"][lark.app_id]
            for user in lark.read_snapshot()["users"]
            if user["user_id"] == person
        )
        routes = self.home / "lark.yaml"
        routes.write_text(
            f"defaults: {{language: en}}\n"
            f'routes:\n  - {{dag: "*", to: {CHAT_ID}}}\n'
            f"people: {{{open_id}: {person}}}\n"
        )
        return {
            "LARK_ROUTES_PATH": str(routes),
            "LARK_BRIDGE_SECRET": secrets.token_hex(32),
            "LARK_CONFIG_ENCRYPTION_KEY": generate_key(),
            "LARK_DATABASE_URL": self.database_url,
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
            "LARK_REGISTRY_PATH": str(self.home / "applications.db"),
        }

    def run(self, *arguments: str) -> None:
        """Run a command of Airflow's; its output is printed only if it fails.

        Raises:
            LarkError: The command failed.
        """
        command = [sys.executable, "-m", "airflow", *arguments]
        with self._log.open("ab") as log:
            done = subprocess.run(command, env=self.env, stdout=log, stderr=log, check=False)  # noqa: S603 - ours
        if done.returncode != 0:
            print(
                "\n".join(self._log.read_text(errors="replace").splitlines()[-_LOG_LINES:]), file=sys.stderr
            )
            raise LarkError(
                f"airflow {arguments[0]} {arguments[1]} ended with exit code {done.returncode}. Next: read "
                "its last lines above."
            )


@contextmanager
def run_local_gateway(lark: LocalLark, database_url: str) -> Iterator[None]:
    """Run the callback gateway on a free port, known to the local Lark, until the block ends."""
    keys = {"encrypt_key": secrets.token_hex(16), "verification_token": secrets.token_hex(16)}
    env = os.environ | {
        "LARK_APP_ID": lark.app_id,
        "LARK_EVENT_ENCRYPT_KEY": keys["encrypt_key"],
        "LARK_EVENT_VERIFICATION_TOKEN": keys["verification_token"],
        "LARK_DATABASE_URL": database_url,
    }
    command = [sys.executable, "-m", "lark_provider.cli", "callbacks", "serve", "--port", "0"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        try:
            url = next(iter(process.stdout or ()), "").rpartition(" ")[2].strip()
            if not url:
                raise ConfigurationError("The gateway did not start. Next: read the reason above.")
            lark.control("callbacks", app_id=lark.app_id, url=url.format(app_id=lark.app_id), **keys)
            yield
        finally:
            process.terminate()


@contextmanager
def run_local_listener(lark: LocalLark, database_url: str) -> Iterator[None]:
    """Listen for clicks over a long connection until the block ends."""
    env = os.environ | {
        "LARK_APP_ID": lark.app_id,
        "LARK_APP_SECRET": lark.app_secret,
        "LARK_BASE_URL": lark.base_url,
        "LARK_DATABASE_URL": database_url,
    }
    command = [sys.executable, "-m", "lark_provider.cli", "callbacks", "listen", "--app-id", lark.app_id]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        try:
            logged = list(itertools.takewhile(lambda line: _CONNECTED not in line, process.stderr or ()))
            if process.poll() is not None:
                print("".join(logged), file=sys.stderr)
                raise ConfigurationError("The listener did not start. Next: read the reason above.")
            yield
        finally:
            process.terminate()
            process.communicate()  # what it still logs


@contextmanager
def run_local_bridge(airflow: AirflowServices, settings: Mapping[str, str]) -> Iterator[None]:
    """Bring Airflow's questions to the local Lark until the block ends."""
    env = {
        **os.environ,
        **settings,
        "LARK_AIRFLOW_URL": airflow.url,
        "LARK_AIRFLOW_USERNAME": BRIDGE,
        "LARK_AIRFLOW_PASSWORD": airflow.passwords[BRIDGE],
    }
    command = [sys.executable, "-m", "lark_provider.cli", "airflow", "bridge"]
    command += ["--hold-seconds", "7", "--poll-seconds", "1"]  # of a heartbeat of one second
    with (
        NamedTemporaryFile("w+", prefix="lark-bridge-", suffix=".log") as log,
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, text=True) as process,  # noqa: S603 - ours
    ):
        try:
            if not next(iter(process.stdout or ()), ""):
                print(Path(log.name).read_text(), file=sys.stderr)
                raise ConfigurationError("The bridge did not start. Next: read the reason above.")
            yield
        finally:
            process.terminate()


def find_example_dags() -> Path:
    """Return the folder of the example DAGs: in an installed package, or beside it in a checkout."""
    package = Path(lark_provider.__file__).parent
    inside = package / "example_dags"
    return inside if inside.is_dir() else package.parent / "example_dags"
