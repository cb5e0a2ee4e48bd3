from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient, health
from lark_provider.engine.runtime import PROCESS
from lark_provider.health import check_all, check_postgres, check_rabbitmq
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key
from tests.cli.conftest import Run, run_process
from tests.services.postgres import OwnPostgres
from tests.services.processes import free_port

NAMES = ["database", "migrations", "broker", "registry", "key", "token endpoint"]


def check_health(run: Run, code: int) -> dict[str, dict[str, Any]]:
    """Run `health --json`, assert its exit code and status, and return its checks by name."""
    done = run("health", "--json")
    assert (done.code, done.err) == (code, "")
    answer = json.loads(done.out)
    assert answer["status"] == ("healthy" if code == 0 else "unhealthy")
    assert [check["name"] for check in answer["checks"]] == NAMES
    assert all(check["ms"] >= 0 for check in answer["checks"])
    return {check["name"]: check for check in answer["checks"]}


def test_everything_is_there(
    run: Run,
    lark: Emulator,
    apps: ApplicationManager,
    database_url: str,
    rabbitmq: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    monkeypatch.setenv("RABBITMQ_URL", rabbitmq)
    run("db", "upgrade")
    checks = check_health(run, 0)
    assert {check["status"] for check in checks.values()} == {"healthy"}
    assert checks["key"]["text"] == "fits the 1 app(s) of the registry"
    assert checks["token endpoint"]["text"] == f"app {lark.app_id} at {lark.base_url} has a token for 120 min"
    done = run("health")
    assert (done.code, done.err) == (0, "")
    assert [line[0] for line in done.out.splitlines()] == ["✓"] * len(NAMES)
    assert check_postgres() == {"status": "healthy", "database": "connected"}
    assert check_rabbitmq() == {"status": "healthy", "rabbitmq": "connected"}


def test_a_standby_is_unhealthy(run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failover, tokens are not shared there, and clicks and questions cannot be stored."""
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    run("db", "upgrade")
    read_only = (
        f"{database_url}{'&' if '?' in database_url else '?'}options=-cdefault_transaction_read_only%3Don"
    )
    monkeypatch.setenv("LARK_DATABASE_URL", read_only)
    database = check_health(run, 1)["database"]
    assert database["status"] == "unhealthy"
    assert "is read-only. Next: connect to the primary server, and not to a standby." in database["text"]


def test_nothing_is_configured_and_that_is_no_failure(run: Run, tmp_path: Path) -> None:
    checks = check_health(run, 0)
    assert {check["status"] for check in checks.values()} == {"not configured"}
    assert {name for name, check in checks.items() if "Next: " not in check["text"]} == {"migrations"}
    assert list(tmp_path.iterdir()) == []
    for answer in (check_postgres(), check_rabbitmq()):
        assert answer["status"] == "not configured"
        assert answer["error"]


def test_everything_is_away_and_no_password_is_shown(
    run: Run, apps: ApplicationManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = str(free_port())
    for name in ("POSTGRES", "RABBITMQ"):
        monkeypatch.setenv(f"{name}_HOST", "127.0.0.1")
        monkeypatch.setenv(f"{name}_PORT", port)
        monkeypatch.setenv(f"{name}_PASSWORD", "hunter2")
    monkeypatch.setenv("LARK_BASE_URL", f"http://127.0.0.1:{port}")
    checks = check_health(run, 1)
    assert {name for name in NAMES if checks[name]["status"] == "unhealthy"} == {
        "database",
        "migrations",
        "broker",
        "token endpoint",
    }
    for name in ("database", "broker", "token endpoint"):
        assert "Connection refused" in checks[name]["text"]
        assert "Next: " in checks[name]["text"]
    assert "hunter2" not in json.dumps(checks)
    for answer in (check_postgres(), check_rabbitmq()):
        assert answer["status"] == "unhealthy"
        assert "hunter2" not in answer["error"]
    done = run_process("health")
    assert (done.code, done.err) == (1, "")
    assert "hunter2" not in done.out


def test_the_configured_user_is_asked_and_not_guest(rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = urlsplit(rabbitmq)
    monkeypatch.setenv("RABBITMQ_HOST", str(parts.hostname))
    monkeypatch.setenv("RABBITMQ_PORT", str(parts.port))
    monkeypatch.setenv("RABBITMQ_VHOST", parts.path.removeprefix("/"))
    monkeypatch.setenv("RABBITMQ_USER", str(parts.username))
    monkeypatch.setenv("RABBITMQ_PASSWORD", str(parts.password))
    assert check_rabbitmq()["status"] == "healthy"
    monkeypatch.setenv("RABBITMQ_USER", "nobody-we-know")
    answer = check_rabbitmq()
    assert answer["status"] == "unhealthy"
    assert "ACCESS_REFUSED" in answer["error"]


def test_a_database_that_is_behind_names_the_command(
    run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    checks = check_health(run, 1)
    assert checks["database"]["status"] == "healthy"
    assert "Next: run `lark-provider db upgrade`" in checks["migrations"]["text"]


def test_a_database_that_does_not_answer_is_given_up(
    own_postgres: OwnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", own_postgres.url)
    own_postgres.pause()
    answer = check_postgres()
    assert answer["status"] == "unhealthy"
    assert "timeout expired" in answer["error"]


def test_a_database_that_froze_under_a_connection_is_given_up(
    run: Run, own_postgres: OwnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but a deadline ends a question on a connection that was open before."""
    monkeypatch.setenv("LARK_DATABASE_URL", own_postgres.url)
    monkeypatch.setattr(health, "_CHECK_SECONDS", 1.0)
    assert check_postgres()["status"] == "healthy"
    own_postgres.pause()
    answer = check_postgres()
    own_postgres.resume()
    assert answer == {
        "status": "unhealthy",
        "error": "database: no answer within 1 s. Next: check whether it is frozen or overloaded.",
    }
    assert check_postgres()["status"] == "healthy"


def test_a_sqlite_database_is_made_as_its_first_use_does(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", f"sqlite:///{tmp_path}/lark.db")
    checks = check_health(run, 0)
    assert checks["database"]["text"].startswith("SQLite 3")
    assert checks["migrations"]["status"] == "healthy"


def test_keys_that_are_wrong(
    run: Run, apps: ApplicationManager, lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong, says in (
        ("", "LARK_CONFIG_ENCRYPTION_KEY is not set"),
        ("c2hvcnQ=", "must be 32 random bytes in base64 (44 characters), got 5 bytes"),
        (generate_key(), "The app_secret of app 'cli_a' was encrypted with another key"),
    ):
        monkeypatch.setenv(KEY_VARIABLE, wrong)
        checks = check_health(run, 1)
        assert says in checks["key"]["text"]
        assert checks["registry"]["status"] == "healthy"


def test_a_registry_that_cannot_be_used(run: Run, key: str, registry: Path) -> None:
    registry.parent.mkdir()
    registry.write_text("These are notes.\n" * 100)
    checks = check_health(run, 1)
    assert "is not a SQLite database" in checks["registry"]["text"]


def test_credentials_that_lark_refuses(run: Run, lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARK_APP_SECRET", "wr0ng-secret")
    checks = check_health(run, 1)
    assert checks["token endpoint"]["text"].startswith(
        "Failed to get token: 10014 app secret invalid. Next: "
    )
    assert "wr0ng" not in json.dumps(checks)


def test_a_store_app_is_asked_for_a_tenant(run: Run, lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    lark.add_app("cli_store", "s", store=True, tenant_keys=["acme"])
    monkeypatch.setenv("LARK_APP_ID", "cli_store")
    monkeypatch.setenv("LARK_APP_SECRET", "s")
    lark.advance(3600)
    ticket = next(app["app_ticket"] for app in lark.state()["apps"] if app["app_id"] == "cli_store")
    LarkServiceClient().store_app.keep_ticket(ticket)
    for command in ("health", "doctor"):
        assert run(command).code == 1
        done = run(command, "--tenant-key", "acme")
        assert f"app cli_store in tenant acme at {lark.base_url} has a token" in done.out
        assert done.code == 0
        assert "that tenant 'other' has installed it" in run(command, "--tenant-key", "other").out


def test_the_app_is_the_default_or_named_or_the_registrys_first(
    apps: ApplicationManager, lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_last(app_id: str | None = None) -> tuple[str, str]:
        last = check_all(app_id)[-1]
        return last.status, last.text

    status, text = check_last("cli_a")
    assert status == "unhealthy"
    assert text.startswith("Failed to get token: 10014 app id not exists. Next: check app id 'cli_a'")
    apps.create_application(lark.app_id, lark.app_secret)
    assert check_last()[0] == "healthy"
    for name in ("LARK_APP_ID", "LARK_APP_SECRET"):
        monkeypatch.delenv(name)
    assert "'cli_a'" in check_last()[1]
    monkeypatch.setenv("LARK_DEFAULT_APP_ID", lark.app_id)
    assert check_last()[0] == "healthy"
    apps.disable_application(lark.app_id)
    PROCESS.registry.answers.clear()
    assert "is disabled in the registry. Next: " in check_last()[1]
    apps.delete_application("cli_a")
    monkeypatch.delenv("LARK_DEFAULT_APP_ID")
    assert check_last() == ("not configured", "the registry has no active app")
