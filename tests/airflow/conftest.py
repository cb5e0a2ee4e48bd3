from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import URL, make_url

from tests.airflow.sql import POSTGRES, SQLITE, Database
from tests.services.postgres import PostgresServer

if TYPE_CHECKING:
    from tests.airflow.api_server import ApiServer

CHAT = "oc_emulator_data_team"
_INTERPRETER = Path(__file__).with_name("interpreter")


@pytest.fixture(autouse=True)
def _no_limits(request: pytest.FixtureRequest) -> None:
    if "lark" in request.fixturenames:
        request.getfixturevalue("lark").settings(rate_limits=False)


class AirflowHome:
    """An Airflow of its own, reached by its command line as its users do.

    Args:
        home: A folder.
        interpreter: Of the environment that it is installed in; this one by default.
    """

    def __init__(self, home: Path, interpreter: str | Path = sys.executable) -> None:
        self.home, self.dags = home, home / "dags"
        self.interpreter = str(interpreter)
        self.dags.mkdir(exist_ok=True)
        self.env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(_INTERPRETER), os.environ.get("PYTHONPATH")])),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        }

    def python(self, *arguments: str, lark: Emulator | None = None) -> str:
        """Run the interpreter, check that it succeeds, and return all it printed."""
        env = self.env if lark is None else {**self.env, "AIRFLOW_CONN_LARK_DEFAULT": connection(lark)}
        command = [self.interpreter, *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout + done.stderr

    def airflow(self, *arguments: str, lark: Emulator | None = None) -> str:
        """Run an `airflow` command, check that it succeeds, and return all it printed."""
        return self.python("-m", "airflow", *arguments, lark=lark)


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    home = AirflowHome(tmp_path_factory.mktemp("airflow"))
    # The home is shared: drop the settings of the test that happens to create it.
    own = ("LARK_", "POSTGRES_", "RABBITMQ_", "AIRFLOW_CONN_")
    kept = {name: value for name, value in home.env.items() if not name.startswith(own)}
    registry = str(home.home / "config" / "applications.db")
    home.env = {**kept, "LARK_PACING": "0", "LARK_REGISTRY_PATH": registry}
    home.airflow("db", "migrate")
    return home


@pytest.fixture(scope="session")
def airflow_template(airflow_home: AirflowHome, postgres_server: PostgresServer) -> Iterator[str]:
    """Yield the name of a database with Airflow's tables, for use as a template."""
    with postgres_server.databases() as databases:
        url = make_url(databases.make())
        home = AirflowHome(airflow_home.home)
        home.env = {**airflow_home.env, **metadata_setting(url)}
        home.airflow("db", "migrate")
        assert url.database is not None
        yield url.database


@pytest.fixture(scope="module")
def airflow_database(airflow_template: str, postgres_server: PostgresServer) -> Iterator[dict[str, str]]:
    """Yield the setting by which Airflow uses a PostgreSQL database that only these tests use.

    In SQLite, a transaction that has read before another one commits may not write; what Airflow's API server
    answers then is 500.
    """
    with postgres_server.databases() as databases:
        yield metadata_setting(make_url(databases.make(airflow_template)))


def metadata_setting(url: URL) -> dict[str, str]:
    """Return the setting that names Airflow's database."""
    text = url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    return {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": text}


@pytest.fixture(scope="session")
def api_server(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[ApiServer]:
    """Start an API server of one process, to which alice, bob and eve are linked."""
    from tests.airflow.api_server import APP, APP_SECRET, ApiServer

    with postgres_server.databases() as databases, Emulator() as lark:
        lark.add_app(APP, secret=APP_SECRET, scopes=[])  # It cannot see who is frozen or has left.
        home = tmp_path_factory.mktemp("api")
        settings = {"LARK_APP_ID": APP, "LARK_APP_SECRET": APP_SECRET, "LARK_BASE_URL": lark.base_url}
        with ApiServer(home, databases.make(), databases.make(), settings) as server:
            server.lark, server.lark_url = lark, lark.base_url
            for user in ("alice", "bob", "eve"):
                server.link(user)
            yield server


def connection(lark: Emulator, **changes: Any) -> str:
    settings = {"conn_type": "lark", "login": lark.app_id, "password": lark.app_secret, "host": lark.base_url}
    return json.dumps(settings | changes)


@pytest.fixture
def context() -> Callable[..., Any]:
    """Return a function that makes a task context with the parts that the operators use."""

    def make(*, try_number: int = 1, retries: int = 2, max_tries: int | None = None, **changes: Any) -> Any:
        ti = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "try_number": try_number}
        ti["max_tries"] = retries if max_tries is None else max_tries
        return {"ti": SimpleNamespace(**(ti | changes)), "task": SimpleNamespace(retries=retries)}

    return make


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    path = str(tmp_path / "orders.db")
    monkeypatch.setenv(f"AIRFLOW_CONN_{SQLITE.upper()}", json.dumps({"conn_type": "sqlite", "host": path}))
    return Database(SQLITE, path)


def _postgres(url: URL, driver: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    from airflow.providers.postgres.hooks import postgres as hooks

    monkeypatch.setattr(hooks, "USE_PSYCOPG3", driver == "psycopg")  # it depends on what is installed
    settings = {
        "conn_type": "postgres", "host": url.host, "port": url.port, "login": url.username,
        "password": url.password, "schema": url.database,
    }  # fmt: skip
    monkeypatch.setenv(f"AIRFLOW_CONN_{POSTGRES.upper()}", json.dumps(settings))
    return Database(POSTGRES)


@pytest.fixture(params=["psycopg2", "psycopg"])
def postgres(request: pytest.FixtureRequest, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    return _postgres(make_url(database_url), request.param, monkeypatch)


@pytest.fixture(params=["sqlite", "psycopg2", "psycopg"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Database:
    if request.param == "sqlite":
        database: Database = request.getfixturevalue("sqlite")
        return database
    return _postgres(make_url(request.getfixturevalue("database_url")), request.param, monkeypatch)
