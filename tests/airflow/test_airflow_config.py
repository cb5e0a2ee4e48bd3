"""What the workers of one Airflow share: `[lark] database_url`, `database_conn_id` and `registry_app`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Connection
from lark_emulator import Emulator

from lark_provider.core.storage.sqlite_storage import ApplicationManager
from lark_provider.errors import ConfigurationError
from lark_provider.hooks.airflow_config import DatabaseHook
from lark_provider.hooks.lark import LarkHook
from lark_provider.storage import migrate, urls
from lark_provider.storage.crypto import EncryptionKeys, generate_key
from lark_provider.support.secret import Secret
from tests.airflow.conftest import AirflowHome, connection
from tests.storage import prepared

WORKER = "from lark_provider.hooks.lark import LarkHook; LarkHook().client.bot.info(); print('told')"


def token_requests(lark: Emulator) -> int:
    counts = lark.state(summary=True)["by_endpoint"]
    return int(counts.get("POST /open-apis/auth/v3/tenant_access_token/internal", 0))


def make_database_url(**parts: Any) -> Secret:
    hook = DatabaseHook("d")
    hook.connection = Connection(conn_id="d", **parts)
    return hook.make_url()


@pytest.mark.parametrize("way", ["database_url", "database_conn_id"])
def test_workers_share_one_token(
    way: str, lark: Emulator, database_url: str, airflow_home: AirflowHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = urls.parse(database_url, "database_url")
    prepared.upgrade(url)
    env = {"AIRFLOW__LARK__DATABASE_URL": database_url}
    if way == "database_conn_id":
        parts = {"conn_type": "postgres", "host": url.host, "port": url.port, "schema": url.database}
        secret = {"login": url.username, "password": url.password or "unasked"}
        env = {
            "AIRFLOW__LARK__DATABASE_CONN_ID": "lark_database",
            "AIRFLOW_CONN_LARK_DATABASE": json.dumps(parts | secret),
        }
    # What the environment says for everybody is outdone by what Airflow's configuration says.
    env["LARK_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/nowhere"
    monkeypatch.setattr(airflow_home, "env", airflow_home.env | env)
    for _ in range(2):
        printed = airflow_home.python("-c", WORKER, lark=lark)
        assert "told" in printed
        assert "Shared database unavailable" not in printed
    assert token_requests(lark) == 1


def test_the_asynchronous_client_shares_it_too(
    lark: Emulator, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared.upgrade(urls.parse(database_url, "database_url"))
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", database_url)

    async def ask() -> None:
        client = await LarkHook().get_async_conn()
        await client.bot.info()
        assert client._session.database_url == database_url

    asyncio.run(ask())
    with migrate.prepare_engine(urls.parse(database_url, "database_url")).connect() as connected:
        assert connected.exec_driver_sql("SELECT count(*) FROM tokens").scalar() == 1


@pytest.mark.parametrize("said", [True, "true", "yes"])
def test_an_app_of_the_registry_needs_no_password_in_the_connection(
    said: Any, lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = generate_key()
    for name in ("LARK_APP_ID", "LARK_APP_SECRET", "LARK_BASE_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("LARK_CONFIG_ENCRYPTION_KEY", key)
    ApplicationManager(keys=EncryptionKeys(key)).create_application(
        lark.app_id, lark.app_secret, base_url=lark.base_url
    )
    conn_json = connection(lark, password=None, host=None, extra={"registry_app": said})
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", conn_json)
    assert LarkHook().test_connection()[0]
    ApplicationManager(keys=EncryptionKeys(key)).disable_application(lark.app_id)
    works, message = LarkHook(timeout=1).test_connection()
    assert works  # it was looked at a moment ago
    hook = LarkHook()
    hook.client._session.clock = lambda: 4_000_000_000.0
    works, message = hook.test_connection()
    assert not works
    assert "disabled" in message


def test_a_connection_becomes_a_url_whatever_its_password() -> None:
    url = make_database_url(
        conn_type="postgres",
        host="db.example.com",
        login="lark",
        password="p@s/s:w%r#d",
        schema="lark_service",
        extra=json.dumps({"sslmode": "require"}),
    )
    parsed = urls.parse(url, "x")
    assert (parsed.password, parsed.host, parsed.port) == ("p@s/s:w%r#d", "db.example.com", 5432)
    assert parsed.query == {"sslmode": "require"}


@pytest.mark.parametrize(
    ("host", "there", "query"),
    [
        ("db_1.example.com", "db_1.example.com", {}),
        ("fd00::12", "fd00::12", {}),
        ("[fd00::12]", "fd00::12", {}),
        ("/var/run/postgresql", None, {"host": "/var/run/postgresql", "port": "5433"}),
    ],
)
def test_a_connection_becomes_a_url_whatever_its_host(host: str, there: str | None, query: Any) -> None:
    parsed = urls.parse(make_database_url(conn_type="postgres", host=host, port=5433, schema="s"), "x")
    assert (parsed.host, parsed.database) == (there, "s")
    assert dict(parsed.query) == query


def test_a_password_without_a_login_is_no_login() -> None:
    parsed = urls.parse(make_database_url(conn_type="postgres", host="db", password="p@s"), "x")
    assert (parsed.username or "", parsed.password) == ("", "p@s")


def test_a_connection_to_something_else_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="type 'mysql'"):
        make_database_url(conn_type="mysql", host="x")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"conn_type": "mysql"}, "type 'mysql'"),
        ({"extra": "sslmode=require"}, "The extra of connection 'd' must be a JSON object"),
    ],
)
def test_an_error_shows_no_password_of_a_database(changes: dict[str, Any], text: str) -> None:
    """The canary looks at the variables of each frame."""
    usual: dict[str, Any] = {"conn_type": "postgres", "host": "x", "password": "secret-AAA"}
    with pytest.raises(ConfigurationError, match=text):
        make_database_url(**(usual | changes))


@pytest.mark.parametrize("way", ["database_url", "database_conn_id"])
def test_an_error_of_a_hook_shows_no_password_of_a_database(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    url = "postgresql://lark:secret-AAA@db.example.com/lark"
    monkeypatch.setenv(f"AIRFLOW__LARK__{way.upper()}", url if way == "database_url" else "lark_db")
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DB", url)
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, password=None))
    with pytest.raises(ConfigurationError, match="must have a password"):
        LarkHook().client  # noqa: B018 - making it is the test
    with pytest.raises(ConfigurationError, match="must have a password"):
        asyncio.run(LarkHook().get_async_conn())


def test_a_url_in_airflow_cfg_has_two_signs_for_each_percent_sign(
    airflow_home: AirflowHome, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As how-to/connections.md says. With one sign Airflow does not start."""
    url = "postgresql://lark:p%40ss%24HOME@db.example.com/lark"
    settings = tmp_path / "airflow.cfg"
    settings.write_text(f"[lark]\ndatabase_url = {url.replace('%', '%%')}\n")
    code = (
        "from lark_provider.hooks.airflow_config import read_database_url\n"
        "from lark_provider.storage import urls\n"
        "print('password', urls.parse(read_database_url(), 'it').password)"
    )
    for env in ({"AIRFLOW_CONFIG": str(settings)}, {"AIRFLOW__LARK__DATABASE_URL": url}):
        with monkeypatch.context() as patched:
            patched.setattr(airflow_home, "env", airflow_home.env | env)
            assert "password p@ss$HOME" in airflow_home.python("-c", code)
