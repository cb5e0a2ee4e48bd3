"""deploy/compose: Airflow as its profile starts it, on PostgreSQL, and the bridge that reads it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import make_url

from tests.deploy.composed import secrets, services
from tests.deploy.running import Deployed, environment, run, start
from tests.failures.waiting import wait_until
from tests.services.postgres import Databases
from tests.services.processes import HOST, free_port, tree

AIRFLOW = "/opt/airflow"
UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "lark-bridge.service"


@pytest.fixture
def env(tmp_path: Path, databases: Databases, lark: Emulator) -> dict[str, str]:
    ours = make_url(databases.make())
    return secrets(tmp_path) | {
        "POSTGRES_HOST": str(ours.host),
        "POSTGRES_PORT": str(ours.port or 5432),
        "POSTGRES_DB": str(ours.database),
        "POSTGRES_USER": str(ours.username),
        "POSTGRES_PASSWORD": str(ours.password or "trusted"),
        "LARK_BASE_URL": lark.base_url,
        "LARK_APP_ID": lark.app_id,
        "LARK_APP_SECRET": lark.app_secret,
        "RABBITMQ_HOST": "",
    }


def test_its_accounts_are_made_and_the_bridge_becomes_ready(
    env: dict[str, str], databases: Databases, tmp_path: Path
) -> None:
    home, root, port = tmp_path / "airflow", tmp_path / "root", free_port()
    (home / "auth").mkdir(parents=True)
    root.mkdir()
    url = f"http://{HOST}:{port}"
    env |= {"LARK_AIRFLOW_URL": url, "LARK_AIRFLOW_PUBLIC_URL": url}
    composed = services(env)
    metadata = make_url(databases.make()).set(drivername="postgresql+psycopg2")

    def settings(name: str) -> dict[str, str]:
        """Return the environment of a service, with this machine's paths and the test's database."""
        variables = {
            key: value.replace(AIRFLOW, str(home)) for key, value in composed[name]["environment"].items()
        }
        conn = metadata.render_as_string(hide_password=False)
        return environment(
            variables | {"AIRFLOW_HOME": str(home), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": conn}
        )

    migrate = composed["migrate"]
    run(migrate["command"], migrate["environment"], root)
    init = composed["airflow-init"]
    done = subprocess.run(  # noqa: S603 - ours
        [*init["entrypoint"], *init["command"]],
        env=settings("airflow-init"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert (home / "auth" / "passwords.json").stat().st_mode & 0o777 == 0o600
    words = [str(port) if word == "8080" else word for word in composed["airflow-api-server"]["command"]]
    log = home / "api-server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(  # noqa: S603 - ours
            ["airflow", *words],  # noqa: S607 - on the PATH of the container
            env=settings("airflow-api-server"),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        wait_until(lambda: answers(server, f"{url}/api/v2/monitor/health", log), 180)
        for account, name in (("admin", "AIRFLOW_ADMIN_PASSWORD"), ("lark-bridge", "LARK_AIRFLOW_PASSWORD")):
            body = {"username": account, "password": env[name]}
            assert httpx.post(f"{url}/auth/token", json=body, timeout=60).is_success
            wrong = httpx.post(f"{url}/auth/token", json=body | {"password": account}, timeout=60)
            assert wrong.status_code == httpx.codes.UNAUTHORIZED
        assert "Lark plugin started" in log.read_text()
        service = composed["bridge"]
        mounted = {"LARK_ROUTES_PATH": str(Path(__file__).parents[2] / "deploy" / "compose" / "lark.yaml")}
        bridge = Deployed(tuple(service["command"]), service["environment"] | mounted, 8784)
        with start(bridge, root) as answer:
            assert answer["sinks"] == {"database": True, "airflow": True}
        [line] = re.findall(r"^ExecStart=\S+ (.*)$", UNIT.read_text(), re.MULTILINE)
        unit = Deployed(tuple(shlex.split(line)), service["environment"] | mounted, 8784)
        with start(unit, root) as answer:
            assert answer["sinks"] == {"database": True, "airflow": True}
    finally:
        for pid in tree(server.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        server.wait()


def answers(server: subprocess.Popen[bytes], url: str, log: Path) -> bool:
    assert server.poll() is None, log.read_text()[-4000:]
    with suppress(httpx.HTTPError):
        return httpx.get(url, timeout=30).is_success
    return False
