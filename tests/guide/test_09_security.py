"""The guide's section 9: keys, TLS and roles."""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.parse import urlencode

import psycopg2
import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient, StorageError
from lark_provider.health import check_rabbitmq
from lark_provider.storage import purging, urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import generate_key
from lark_provider.storage.postgres_storage import PostgresStorage
from tests.guide.arrived import messages, open_id, read_texts, request_token, token_requests
from tests.guide.reader import LARK, Database, Reader
from tests.services.plugin import StartServer
from tests.services.postgres import Role
from tests.services.processes import START_SECONDS, free_port, listens
from tests.services.rabbitmq import OwnRabbit

ADD = "python -m lark_provider.cli app add --app-id cli_your_app_id --app-secret your_app_secret"
KEY = "python -m lark_provider.cli key"
READONLY = """
-- 创建只读用户 (用于监控)
CREATE USER lark_readonly WITH PASSWORD 'readonly_password';
GRANT CONNECT ON DATABASE lark_service TO lark_readonly;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO lark_readonly;
"""
APP = """
-- 创建应用用户 (最小权限)
CREATE USER lark_app WITH PASSWORD 'app_password';
GRANT CONNECT ON DATABASE lark_service TO lark_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO lark_app;
"""
LARK_READONLY, LARK_APP = Role("lark_readonly", "readonly_password"), Role("lark_app", "app_password")
PSQL = "psql -U lark -d lark_service -v ON_ERROR_STOP=1"


def send(lark: Emulator) -> None:
    with LarkServiceClient(app_id="cli_your_app_id") as client:
        client.messaging.send_text(receiver_id=open_id(lark), content="Hello")


def test_guide_58_a_key_is_rotated_and_no_app_is_lost(
    reader: Reader, lark: Emulator, apps: ApplicationManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = os.environ["LARK_CONFIG_ENCRYPTION_KEY"]
    new = reader.run(f"{KEY} generate").stdout.strip()
    monkeypatch.setenv("LARK_CONFIG_ENCRYPTION_KEY", f"{new},{old}")
    assert "2 app(s)" in reader.run(f"{KEY} rotate").stdout
    monkeypatch.setenv("LARK_CONFIG_ENCRYPTION_KEY", new)
    assert len(ApplicationManager().reseal()) == 2  # nothing is under the old key any more
    for app in apps.list_applications():
        assert ApplicationManager().decrypt_secrets(app.app_id).app_secret == "your_app_secret"
    send(lark)
    assert read_texts(lark) == ["Hello"]


@pytest.mark.parametrize("ending", ["", "\n", " \r\n"], ids=["bare", "newline", "windows"])
def test_guide_59_a_key_from_a_secret_manager(
    ending: str, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As managers hand it out: a secret made from a file ends as the file does."""
    key = generate_key()
    monkeypatch.setenv("LARK_CONFIG_ENCRYPTION_KEY", key + ending)
    reader.run(ADD)
    monkeypatch.setenv("LARK_CONFIG_ENCRYPTION_KEY", key)
    assert ApplicationManager().decrypt_secrets("cli_your_app_id").app_secret == "your_app_secret"


@pytest.mark.parametrize("sslmode", ["require", "disable"])
def test_guide_60_tls_to_postgresql(
    sslmode: str, upgraded: Database, lark: Emulator, apps: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_SSLMODE", sslmode)
    encrypted = PostgresStorage().execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    assert encrypted == [(sslmode == "require",)]
    send(lark)
    assert upgraded.ask("SELECT count(*) FROM tokens") == [(1,)]


def test_guide_60_the_certificate_of_postgresql_is_checked(
    upgraded: Database, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    url = upgraded.server.build_url("lark_service", LARK).replace("127.0.0.1", "localhost")
    strict = {"sslmode": "verify-full", "sslrootcert": str(certificate[0])}
    assert PostgresStorage(f"{url}?{urlencode(strict)}", pool_size=1).execute("SELECT 1") == [(1,)]
    with pytest.raises(StorageError, match="certificate"):
        PostgresStorage(f"{url.replace('localhost', '127.0.0.1')}?{urlencode(strict)}", pool_size=1).execute(
            "SELECT 1"
        )


def test_guide_60_tls_to_rabbitmq(
    start_rabbitmq: StartServer[OwnRabbit], certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, files = free_port(), {path.name: path.read_text() for path in certificate}
    tls = {"certfile": "server.crt", "keyfile": "server.key"}
    settings = {f"ssl_options.{name}": file for name, file in tls.items()}
    start_rabbitmq({"listeners.ssl.default": f"127.0.0.1:{port}", **settings}, files)
    deadline = time.monotonic() + START_SECONDS
    while not listens(port):  # it opens its plain port first
        assert time.monotonic() < deadline
        time.sleep(0.01)
    monkeypatch.setenv("RABBITMQ_HOST", "localhost")
    monkeypatch.setenv("RABBITMQ_PORT", str(port))
    monkeypatch.setenv("RABBITMQ_TLS", "true")
    assert "certificate verify failed" in check_rabbitmq()["error"]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert check_rabbitmq() == {"status": "healthy", "rabbitmq": "connected"}


def test_guide_61_lark_readonly_reads_and_sees_no_usable_token(
    reader: Reader, upgraded: Database, lark: Emulator, apps: object
) -> None:
    reader.run(PSQL, stdin=READONLY)
    send(lark)
    (row,) = upgraded.ask("SELECT * FROM tokens", LARK_READONLY)
    token = request_token(lark)
    assert "cli_your_app_id" in row
    assert not [value for value in row if token in str(value)]
    for statement in ("DELETE FROM tokens", "UPDATE applications SET active = true", "CREATE TABLE t ()"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            upgraded.ask(statement, LARK_READONLY)


def test_guide_62_lark_app_is_enough_at_run_time(
    reader: Reader, upgraded: Database, lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apps in the shared registry, tokens, people and the clean-up; only migrations want more."""
    reader.run(PSQL, stdin=APP)
    for name, value in upgraded.environment(LARK_APP).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LARK_REGISTRY_PATH", upgraded.server.build_url("lark_service", LARK_APP))
    reader.run(ADD)
    send(lark)
    with LarkServiceClient(app_id="cli_your_app_id") as client:
        assert client.contact.get_id("alice@example.com") == open_id(lark)
    lark.revoke_tokens()
    send(lark)
    purging.purge(urls.database())
    apps = ApplicationManager()
    apps.update_application("cli_your_app_id", name="改名")
    apps.disable_application("cli_your_app_id")
    apps.delete_application("cli_your_app_id")
    apps.create_application("cli_airflow_app", "your_app_secret")
    assert len(messages(lark)) == token_requests(lark) == 2
    tables = ("applications", "tokens", "leases", "user_cache")
    assert [upgraded.ask(f"SELECT count(*) FROM {table}")[0][0] for table in tables] == [1, 0, 0, 1]  # noqa: S608 - ours
    with pytest.raises(StorageError, match="permission denied"):
        PostgresStorage().execute("CREATE TABLE t (n int)")
