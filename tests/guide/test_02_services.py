"""The guide's section 2: PostgreSQL, RabbitMQ, Docker Compose."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from lark_emulator import Emulator
from sqlalchemy.engine import make_url

from lark_provider import LarkServiceClient
from lark_provider.storage import maintenance, urls
from lark_provider.storage.errors import StorageError
from lark_provider.storage.postgres_storage import PostgresStorage
from tests.guide.arrived import open_id
from tests.guide.reader import CHECKOUT, DATABASE, LARK, Database, Reader
from tests.services import compose
from tests.services.finding import UnavailableError

RUN_POSTGRES = """
docker run -d \\
  --name lark-postgres \\
  -e POSTGRES_DB=lark_service \\
  -e POSTGRES_USER=lark \\
  -e POSTGRES_PASSWORD=lark_password_123 \\
  -p 5432:5432 \\
  -v lark_postgres_data:/var/lib/postgresql/data \\
  postgres:15-alpine
"""
RUN_RABBITMQ = """
docker run -d \\
  --name lark-rabbitmq \\
  -e RABBITMQ_DEFAULT_USER=lark \\
  -e RABBITMQ_DEFAULT_PASS=rabbitmq_password_123 \\
  -p 5672:5672 \\
  -p 15672:15672 \\
  -v lark_rabbitmq_data:/var/lib/rabbitmq \\
  rabbitmq:3-management-alpine
"""
# The extension as in `docker exec -it lark-postgres psql …`, on a server outside of Docker.
PGCRYPTO = 'psql -U lark -d lark_service -c "CREATE EXTENSION IF NOT EXISTS pgcrypto;"'
AWKWARD = "p@ss/w%rd:#1 +&?"


def read_service(service: str) -> dict[str, Any]:
    """Return the definition of a service in docker-compose.yml."""
    definition: dict[str, Any] = yaml.safe_load(compose.FILE.read_text())["services"][service]
    return definition


def parse_options(command: str) -> dict[str, list[str]]:
    """Return the options of a `docker run` command by name, and its image as `image`."""
    words = shlex.split(command.replace("\\\n", " "))[3:]
    by_name: dict[str, list[str]] = {"image": [words.pop()]}
    for name, value in zip(words[::2], words[1::2], strict=True):
        by_name.setdefault(name, []).append(value)
    return by_name


def assert_same(service: dict[str, Any], command: str) -> None:
    """Assert that a Compose service equals the guide's `docker run` command, except for the password."""
    wanted = parse_options(command)
    assert [service["image"]] == wanted["image"]
    assert [service["container_name"]] == wanted["--name"]
    assert service["ports"] == wanted["-p"]
    assert service["volumes"] == wanted["-v"]
    for name, value in (pair.split("=") for pair in wanted["-e"]):
        assert service["environment"][name] == value or "PASS" in name
    assert service["environment"].keys() == {pair.split("=")[0] for pair in wanted["-e"]}


def test_guide_04_compose_file_has_the_services_that_the_commands_name(say: Callable[[str], None]) -> None:
    """`up`, `ps` and `logs` take these names; Compose itself reads the file wherever it is installed."""
    try:
        command = [*compose.command(), "--file", str(compose.FILE), "config", "--format", "json"]
    except UnavailableError as reason:
        say(f"The guide's `docker compose up -d postgres rabbitmq` was not read by Docker Compose ({reason})")
        services = yaml.safe_load(compose.FILE.read_text())["services"]
    else:
        passwords = {"POSTGRES_PASSWORD": "p", "RABBITMQ_PASSWORD": "p"}
        services = json.loads(compose.run([*command, "postgres", "rabbitmq"], passwords))["services"]
    assert {"postgres", "rabbitmq"} <= services.keys()


def test_guide_05_the_postgres_of_docker_run(upgraded: Database, lark: Emulator, apps: object) -> None:
    assert_same(read_service("postgres"), RUN_POSTGRES)
    with LarkServiceClient(app_id="cli_your_app_id") as client:
        client.messaging.send_text(receiver_id=open_id(lark), content="Hello")
    assert upgraded.ask("SELECT current_database(), current_user, count(*) FROM tokens") == [
        (DATABASE, LARK.name, 1)
    ]


@pytest.mark.parametrize("present", [True, False], ids=["present", "absent"])
def test_guide_06_pgcrypto(
    present: bool, reader: Reader, upgraded: Database, lark: Emulator, apps: object
) -> None:
    if present:
        assert "CREATE EXTENSION" in reader.run(PGCRYPTO).stdout
        reader.run(PGCRYPTO)  # again: it is there already
    with LarkServiceClient(app_id="cli_your_app_id") as client:
        client.messaging.send_text(receiver_id=open_id(lark), content="Hello")
    extensions = upgraded.ask("SELECT count(*) FROM pg_extension WHERE extname = 'pgcrypto'")
    assert extensions == [(int(present),)]
    assert upgraded.ask("SELECT count(*) FROM tokens") == [(1,)]


def test_guide_07_postgresql_15_and_later(upgraded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    name, version = maintenance.connect(urls.database()).split()
    assert name == "PostgreSQL"
    assert float(version.split()[0]) >= 15
    monkeypatch.setattr(maintenance, "_OLDEST_POSTGRES", (int(float(version)) + 1,))  # ours is too old then
    with pytest.raises(StorageError, match=r"is PostgreSQL .*; PostgreSQL 15 or later is required.*Next: "):
        maintenance.connect(urls.database())


def test_guide_08_tokens_and_people_live_in_postgresql(
    upgraded: Database, lark: Emulator, apps: object
) -> None:
    with LarkServiceClient(app_id="cli_your_app_id") as client:
        client.messaging.send_text(receiver_id=open_id(lark), content="Hello")
        user = client.contact.get_user(open_id(lark))
    assert user is not None
    assert user["name"]
    assert upgraded.ask("SELECT app_id, expires_at > now() FROM tokens") == [("cli_your_app_id", True)]
    assert upgraded.ask("SELECT count(*), min(expires_at) > now() FROM user_cache") == [(1, True)]


def test_guide_09_the_environment_steers_the_connection(
    reader: Reader, upgraded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with a password that a URL would have to quote, for the library and for alembic."""
    monkeypatch.setenv("POSTGRES_PASSWORD", AWKWARD)
    with upgraded.password(AWKWARD):
        rows = PostgresStorage().execute("SELECT current_user, current_database()")
        assert rows == [(LARK.name, DATABASE)]
        assert "(head)" in reader.run("alembic current", folder=CHECKOUT).stdout


def test_guide_10_defaults(upgraded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "DB", "USER"):
        monkeypatch.delenv(f"POSTGRES_{name}")
    assert urls.database() == make_url(
        f"postgresql+psycopg2://lark:{LARK.password}@localhost:5432/lark_service"
    )
    monkeypatch.setenv("POSTGRES_PORT", str(upgraded.server.port))  # a string, as all of the environment
    assert PostgresStorage().execute("SELECT current_user, current_database()") == [(LARK.name, DATABASE)]


def test_guide_12_the_rabbitmq_of_docker_run() -> None:
    assert_same(read_service("rabbitmq"), RUN_RABBITMQ)
    assert "healthcheck" in read_service("rabbitmq")
