"""The guide's section 7: health checks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from lark_emulator import Emulator

from lark_provider.health import check_rabbitmq
from lark_provider.storage.postgres_storage import PostgresStorage
from tests.guide.reader import LARK, Database, Reader
from tests.services.processes import free_port

POSTGRES = """
from lark_provider.storage.postgres_storage import PostgresStorage

def check_postgres_health():
    try:
        storage = PostgresStorage()
        # 执行简单查询
        result = storage.execute("SELECT 1")
        return {"status": "healthy", "database": "connected"}
    except Exception as e:
        return {"status": "unhealthy", "error": str(e)}
"""
HEALTHY = {"status": "healthy", "database": "connected"}


def check_postgres_health() -> dict[str, str]:
    """Run the guide's health check of PostgreSQL, and return its result."""
    names: dict[str, Any] = {}
    exec(POSTGRES, names)  # noqa: S102 - the guide's code
    check: Callable[[], dict[str, str]] = names["check_postgres_health"]
    return check()


@pytest.fixture
def broker(rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables of section 4.1 for a broker that is running."""
    parts = urlsplit(rabbitmq)
    settings = {
        "HOST": parts.hostname,
        "PORT": parts.port,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "VHOST": unquote(parts.path[1:]),
        "TLS": parts.scheme == "amqps",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"RABBITMQ_{name}", str(value))


def test_guide_48_the_storage_takes_no_arguments(upgraded: Database) -> None:
    assert check_postgres_health() == HEALTHY


def test_guide_49_a_plain_string_is_executed(upgraded: Database) -> None:
    assert PostgresStorage().execute("SELECT 1") == [(1,)]


def test_guide_50_a_database_that_is_down(upgraded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PORT", str(free_port()))
    report = check_postgres_health()
    assert report["status"] == "unhealthy"
    assert "Connection refused" in report["error"]
    assert LARK.password not in report["error"]


def test_guide_51_rabbitmq_as_the_environment_names_it(broker: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the shape of the guide's check, which would ask guest@localhost whoever is configured."""
    assert check_rabbitmq() == {"status": "healthy", "rabbitmq": "connected"}
    monkeypatch.setenv("RABBITMQ_USER", "lark")
    monkeypatch.setenv("RABBITMQ_PASSWORD", "rabbitmq_password_123")
    for port, why in ((None, "Login was refused"), (free_port(), "refused")):
        if port is not None:
            monkeypatch.setenv("RABBITMQ_PORT", str(port))
        report = check_rabbitmq()
        assert set(report) == {"status", "error"}
        assert report["status"] == "unhealthy"
        assert why in report["error"]
        assert "rabbitmq_password_123" not in report["error"]


def test_guide_51_all_checks_at_once(
    reader: Reader, upgraded: Database, broker: None, lark: Emulator, apps: object
) -> None:
    """By the command: 0 if all is well, 1 if not."""
    health = "python -m lark_provider.cli health --json"
    report = json.loads(reader.run(health).stdout)
    assert report["status"] == "healthy"
    checks = {check["name"]: check["status"] for check in report["checks"]}
    names = ("database", "migrations", "broker", "registry", "key", "token endpoint")
    assert checks == dict.fromkeys(names, "healthy")
    away = json.loads(reader.run(f"RABBITMQ_PORT={free_port()} {health}", code=1).stdout)
    assert [check["name"] for check in away["checks"] if check["status"] == "unhealthy"] == ["broker"]
