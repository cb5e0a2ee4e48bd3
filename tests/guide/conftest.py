from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lark_emulator import Emulator

from lark_provider.storage import migrate, urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import generate_key
from lark_provider.storage.engine import get_engine
from tests.guide.reader import LARK, TEMPLATE, Database, Reader, database
from tests.services.plugin import _starting
from tests.services.postgres import OwnPostgres, PostgresServer


@pytest.fixture(autouse=True)
def _guides_environment(_fresh_process: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set up a working folder, an encryption key and the registry path that the guide assumes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LARK_REGISTRY_PATH")
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    monkeypatch.setenv("LARK_CONFIG_ENCRYPTION_KEY", generate_key())


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Create a self-signed certificate for localhost, and return the paths of it and its key."""
    folder = tmp_path_factory.mktemp("tls")
    crt, key = folder / "server.crt", folder / "server.key"
    words = (
        "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run(  # noqa: S603 - a fixed command
        ["openssl", *words.split(), "-keyout", key, "-out", crt],  # noqa: S607 - wherever it is
        check=True,
        capture_output=True,
    )
    return crt, key


@pytest.fixture(scope="session")
def guide_server(certificate: tuple[Path, Path]) -> Iterator[PostgresServer]:
    """Start a server for these tests alone, since the guide's roles and database have fixed names.

    The role `lark` owns its database and may create roles, as the container's user may, but is no superuser.
    """
    files = {path.name: path.read_text() for path in certificate}
    with _starting(OwnPostgres) as start:
        server = start({"ssl": "on"}, files).server
        server.execute(f"CREATE ROLE lark LOGIN CREATEROLE PASSWORD '{LARK.password}'")
        server.execute(f"CREATE DATABASE {TEMPLATE} OWNER lark")
        url = urls.parse(server.build_url(TEMPLATE, LARK), "test")
        migrate.upgrade(url)
        get_engine(url).dispose()
        yield server


@contextmanager
def _in_use(server: PostgresServer, template: str) -> Iterator[Database]:
    with database(server, template) as guide_db, pytest.MonkeyPatch.context() as patch:
        for name, value in guide_db.environment().items():
            patch.setenv(name, value)
        yield guide_db


@pytest.fixture
def empty_database(guide_server: PostgresServer) -> Iterator[Database]:
    """Create the guide's database as section 2.1 leaves it, and set it in the environment."""
    with _in_use(guide_server, "template0") as guide_db:
        yield guide_db


@pytest.fixture
def upgraded(guide_server: PostgresServer) -> Iterator[Database]:
    """Create the guide's database as section 6.2 leaves it, and set it in the environment."""
    with _in_use(guide_server, TEMPLATE) as guide_db:
        yield guide_db


@pytest.fixture
def lark(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Return a local Lark that knows the guide's apps, without an app in the environment."""
    monkeypatch.delenv("LARK_APP_ID")
    monkeypatch.delenv("LARK_APP_SECRET")
    for app_id in ("cli_your_app_id", "cli_airflow_app"):
        lark.add_app(app_id, "your_app_secret")
    return lark


@pytest.fixture
def apps(lark: Emulator) -> ApplicationManager:
    """Create the registry that section 5 leaves, with the app of the Airflow example in addition."""
    manager = ApplicationManager()
    manager.create_application("cli_your_app_id", "your_app_secret", "生产应用", "用于生产环境")
    manager.create_application("cli_airflow_app", "your_app_secret", "Airflow")
    return manager
