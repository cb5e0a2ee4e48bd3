from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider import LarkServiceClient
from lark_provider.errors import ConfigurationError
from lark_provider.protocol.tokens import Token
from lark_provider.storage import maintenance, migrate, purging, tables, urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import EncryptionKeys, generate_key
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.errors import StorageError
from lark_provider.storage.token_store import TokenStore
from tests.runtimes import own_tokens
from tests.services.plugin import StartServer
from tests.services.postgres import Databases, OwnPostgres

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PG"):  # which pg_dump and psql read
            monkeypatch.delenv(name)


def test_a_database_that_is_fit_for_use(url: URL) -> None:
    assert maintenance.connect(url).split()[0] in {"PostgreSQL", "SQLite"}
    assert maintenance.check_revision(url) == tables.HEAD
    assert not migrate.is_airflows(maintenance.require_engine(url))
    with hold_transaction(get_engine(url)) as connection:
        connection.execute(sa.text("CREATE TABLE dag_run (id int)"))
    assert migrate.is_airflows(maintenance.require_engine(url))
    assert migrate.find_differences(url) == []


def test_a_database_that_is_not_says_what_to_do(url: URL) -> None:
    with hold_transaction(get_engine(url)) as connection:
        connection.execute(sa.text(f"UPDATE {tables.VERSION_TABLE} SET version_num = '9999'"))  # noqa: S608
    with pytest.raises(StorageError, match=r"newer version.*9999.*Next: install that version"):
        maintenance.check_revision(url)
    with hold_transaction(get_engine(url)) as connection:
        connection.execute(sa.text(f"DROP TABLE {tables.VERSION_TABLE}"))
    with pytest.raises(StorageError, match=r"none of our tables\. Next: run `lark-provider db upgrade`"):
        maintenance.check_revision(url)


def test_a_sqlite_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    missing = urls.parse(f"sqlite:///{tmp_path}/missing.db", "test")
    for work in (
        maintenance.connect,
        maintenance.check_revision,
        purging.purge,
        lambda url: maintenance.back_up(url, tmp_path / "copy"),
    ):
        with pytest.raises(StorageError, match=r"must exist\. Next: "):
            work(missing)
    assert list(tmp_path.iterdir()) == []


def test_a_postgres_that_is_too_old_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "_OLDEST_POSTGRES", (1000,))
    with pytest.raises(StorageError, match="PostgreSQL 15 or later is required"):
        maintenance.connect(urls.parse(database_url, "test"))


def test_a_copy_of_a_live_file_is_whole_and_private(tmp_path: Path) -> None:
    registry, copy, keys = tmp_path / "applications.db", tmp_path / "copy.db", EncryptionKeys(generate_key())
    apps = ApplicationManager(str(registry), keys=keys)
    apps.create_application("cli_a", "secret-a", "生产应用")
    writer = sqlite3.connect(registry, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE applications SET name = 'not committed'")
    maintenance.back_up(urls.registry(str(registry)), copy)
    writer.execute("ROLLBACK")
    writer.close()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["applications.db", "copy.db"]
    apps.delete_application("cli_a")
    shutil.copy(copy, registry)  # as the guide restores it
    assert apps.get_application("cli_a").name == "生产应用"
    assert apps.decrypt_secrets("cli_a").app_secret == "secret-a"


def test_a_dump_restored_elsewhere_has_everything(databases: Databases, tmp_path: Path) -> None:
    source, target = (urls.parse(databases.make(), "test") for _ in range(2))
    migrate.upgrade(source)
    keys, dump = EncryptionKeys(generate_key()), tmp_path / "backup.sql"
    ApplicationManager(source.render_as_string(hide_password=False), keys=keys).create_application(
        "cli_a", "secret-a"
    )
    store = TokenStore(source, "cli_a", "secret-a")
    store.put("key", Token("t-kept", NOW.timestamp(), NOW.timestamp() + 7200), clock=NOW.timestamp, owner="o")
    maintenance.back_up(source, dump)
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    assert b"secret-a" not in dump.read_bytes()
    assert b"t-kept" not in dump.read_bytes()
    psql = ["psql", "-v", "ON_ERROR_STOP=1", "-q", "-f", str(dump)]
    where = target.set(drivername="postgresql").render_as_string(hide_password=False)
    subprocess.run([*psql, where], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - the guide's restore
    restored = ApplicationManager(where, keys=keys)
    assert restored.decrypt_secrets("cli_a").app_secret == "secret-a"
    restored.create_application("cli_b", "secret-b")
    claim = TokenStore(target, "cli_a", "secret-a").claim(
        "key", now=NOW.timestamp(), owner="o", lease_seconds=1
    )
    assert claim.token is not None
    assert claim.token.value == "t-kept"
    assert migrate.find_differences(target) == []


def watch_pg_dump(folder: Path) -> tuple[Path, Path]:
    """Make a `pg_dump` that records its arguments before it runs; return the file of them, and its path."""
    seen, spy = folder / "arguments", folder / "bin" / "pg_dump"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\necho "$@" > {seen}\nexec {shutil.which("pg_dump")} "$@"\n')
    spy.chmod(0o700)
    return seen, spy


def test_a_dump_with_a_password_shows_it_nowhere(own_postgres: OwnPostgres, tmp_path: Path) -> None:
    password = "p@ss/w:rd%#1"
    own_postgres.server.execute(f"CREATE ROLE lark LOGIN PASSWORD '{password}'")
    own_postgres.server.execute("CREATE DATABASE lark_service OWNER lark")
    url = urls.parse(own_postgres.server.build_url("lark_service"), "test")
    url = url.set(username="lark", password=password)
    seen, spy = watch_pg_dump(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{spy.parent}:{os.environ['PATH']}")
        maintenance.back_up(url, tmp_path / "backup.sql")
        with pytest.raises(StorageError, match=r"password authentication failed.*Next: check") as wrong:
            maintenance.back_up(url.set(password="wr0ng"), tmp_path / "other.sql")
    assert "user=lark" in seen.read_text()
    assert password not in seen.read_text()
    assert "wr0ng" not in str(wrong.value)
    assert not (tmp_path / "other.sql").exists()


def make_certificate(folder: Path, name: str, *key: str) -> tuple[Path, Path]:
    """Return the files of a key, as openssl is told to write it, and of its certificate."""
    files = folder / f"{name}.key", folder / f"{name}.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=localhost", *key]
    subprocess.run([*command, "-keyout", files[0], "-out", files[1]], check=True, capture_output=True)  # noqa: S603
    return files


def test_the_passphrase_of_a_client_key_is_no_argument_of_a_dump(
    start_postgres: StartServer[OwnPostgres], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_key, server_certificate = make_certificate(tmp_path, "server", "-nodes")
    files = {"server.key": server_key.read_text(), "server.crt": server_certificate.read_text()}
    server = start_postgres({"ssl": "on"}, files).server
    key, certificate = make_certificate(tmp_path, "client", "-passout", "pass:p4ss phrase=1")
    parameters = f"sslmode=require&sslkey={key}&sslcert={certificate}"
    url = urls.parse(f"{server.build_url('postgres')}?{parameters}", "test")
    with_passphrase = urls.parse(
        f"{server.build_url('postgres')}?{parameters}&sslpassword=p4ss+phrase%3D1", "test"
    )
    assert "p4ss" not in repr(with_passphrase)
    assert maintenance.connect(with_passphrase).startswith("PostgreSQL")
    seen, spy = watch_pg_dump(tmp_path)
    monkeypatch.setenv("PATH", f"{spy.parent}:{os.environ['PATH']}")
    maintenance.back_up(with_passphrase, tmp_path / "backup.sql")
    assert f"sslkey={key}" in seen.read_text()
    assert "p4ss" not in seen.read_text()
    with pytest.raises(StorageError, match=r"could not load private key file") as wrong:
        maintenance.back_up(url.update_query_dict({"sslpassword": "wr0ng"}), tmp_path / "other.sql")
    assert "wr0ng" not in seen.read_text() + str(wrong.value)
    for passphrase in ("ends in a space ", "two\nhost=lines", "x" * 1000):
        with pytest.raises(ConfigurationError, match=r"sslpassword must have at most .*Next: "):
            maintenance.back_up(url.update_query_dict({"sslpassword": passphrase}), tmp_path / "third.sql")
    monkeypatch.setenv("PGSERVICE", "production")
    with pytest.raises(ConfigurationError, match=r"must not be combined with a service\. Next: "):
        maintenance.back_up(url.update_query_dict({"sslpassword": "p4ss"}), tmp_path / "fourth.sql")
    assert sorted(file.name for file in tmp_path.glob("*.sql*")) == ["backup.sql"]


def test_a_dump_through_a_socket(
    start_postgres: StartServer[OwnPostgres], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where POSTGRES_HOST is a folder."""
    server = start_postgres({"unix_socket_directories": "."})
    parts = {"HOST": str(server._data), "PORT": str(server.port), "USER": "postgres", "DB": "postgres"}
    for name, value in parts.items():
        monkeypatch.setenv(f"POSTGRES_{name}", value)
    hba = server._data / "pg_hba.conf"
    hba.write_text(f"local all all trust\n{hba.read_text()}")
    server.server.execute("SELECT pg_reload_conf()")
    migrate.upgrade(urls.database())
    maintenance.back_up(urls.database(), tmp_path / "backup.sql")
    assert "CREATE TABLE public.tokens" in (tmp_path / "backup.sql").read_text()


def test_what_stands_in_the_way_of_a_backup(
    url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "there"
    target.write_text("precious")
    with pytest.raises(ConfigurationError, match="must not exist yet"):
        maintenance.back_up(url, target)
    assert target.read_text() == "precious"
    with pytest.raises(StorageError, match=r"cannot be written: No such file"):
        maintenance.back_up(url, tmp_path / "no folder" / "backup")
    no_database = tmp_path / "text.db"
    no_database.write_text("no database " * 100)
    with pytest.raises(StorageError, match=r"cannot be copied: file is not a database"):
        maintenance.back_up(urls.parse(f"sqlite:///{no_database}", "test"), tmp_path / "backup")
    monkeypatch.setenv("PATH", str(tmp_path))
    if url.drivername == urls.POSTGRES_DRIVER:
        with pytest.raises(ConfigurationError, match=r"pg_dump is not installed.*pg_dump '--dbname="):
            maintenance.back_up(url, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_client_says_once_that_the_database_is_airflows(
    lark: Emulator, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = urls.parse(database_url, "url")
    migrate.upgrade(url)
    with get_engine(url).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE dag_run (id integer)")
    for _ in range(2):
        client = LarkServiceClient(database_url=database_url)
        own_tokens(client)
        client.bot.info()
    warned = [record for record in caplog.records if "Airflow's metadata database" in record.getMessage()]
    assert [vars(record)["database"] for record in warned] == [urls.display(url)]
