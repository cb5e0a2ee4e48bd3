"""Where databases are: what users write, what is understood, and that no password is ever shown."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import URL

from lark_provider import config
from lark_provider.errors import ConfigurationError
from lark_provider.storage import migrate, urls
from lark_provider.storage.engine import create, get_engine, hold_transaction, read_pool_settings
from lark_provider.storage.errors import StorageError
from lark_provider.storage.postgres_storage import PostgresStorage
from lark_provider.storage.token_store import TokenStore
from tests.services.postgres import OwnPostgres

SPECIAL = "p@ss/w:rd%#?&=+ '\"\\密"


def environ(**parts: str) -> dict[str, str]:
    return {f"POSTGRES_{name}": value for name, value in parts.items()}


def test_the_defaults_hold_once_anything_is_set() -> None:
    url = urls.database(environ={"POSTGRES_PASSWORD": "pw"})
    assert url.render_as_string(hide_password=False) == (
        "postgresql+psycopg2://lark:pw@localhost:5432/lark_service"
    )
    assert urls.database(environ=environ(HOST="db", PORT=" 6000 ", DB="d", USER="u")) == URL.create(
        "postgresql+psycopg2", "u", None, "db", 6000, "d"
    )
    with pytest.raises(ConfigurationError, match=r"No database is configured\. Next: .*LARK_DATABASE_URL"):
        urls.database(environ={})


@pytest.mark.parametrize("port", ["no number", "-1", "0", "65536", "5432.0", "٥٤٣٢", "5432/tcp"])
def test_a_port_that_is_none(port: str) -> None:
    with pytest.raises(ConfigurationError, match=r"POSTGRES_PORT must be .*Next: "):
        urls.database(environ=environ(PORT=port))
    if port != "0" and "/" not in port:  # which the server's own library refuses
        with pytest.raises(ConfigurationError, match="must be the URL"):
            urls.parse(f"postgresql://u:secret@h:{port}/d", "it")


def test_the_port_that_kubernetes_sets_for_a_service_is_no_setting() -> None:
    link = "tcp://10.0.0.1:5432"
    assert not config.has_database(None, environ(PORT=link))
    assert config.has_database(None, environ(PORT="5432"))
    assert config.has_database(None, environ(PASSWORD=link))
    assert urls.database(environ=environ(HOST="db", PORT=link)).port == 5432


@pytest.mark.parametrize("port", [1, 65535])
def test_the_lowest_and_the_highest_port_are_ports(port: int) -> None:
    assert urls.database(environ=environ(PORT=str(port))).port == port


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "POSTGRESQL"])
def test_every_way_to_name_postgresql(scheme: str) -> None:
    assert urls.parse(f" {scheme}://u:p@h/d?sslmode=require\n", "it") == URL.create(
        "postgresql+psycopg2", "u", "p", "h", None, "d", {"sslmode": "require"}
    )


def test_the_most_particular_setting_wins() -> None:
    both = {"LARK_DATABASE_URL": "postgres://one/d", "POSTGRES_HOST": "two"}
    assert urls.database(environ=both).host == "one"
    assert urls.database("postgresql://three/d", both).host == "three"
    assert urls.database(environ={**both, "LARK_DATABASE_URL": " "}).host == "two"


def test_the_mode_of_tls() -> None:
    assert urls.database(environ=environ(HOST="h", SSLMODE="verify-full")).query == {"sslmode": "verify-full"}
    assert urls.database(environ=environ(HOST="h")).query == {}


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "mysql://u:secret@h/d", "postgresql+asyncpg://u:secret@h/d", "://", "http://u:secret@h",
     "postgresql://u:sec/ret@h:5/d", "postgresql://u:secret@[::1/d", "sqlite://", "sqlite:///:memory:",
     "postgresql://us:Sup@secret1@h/db", "postgresql://us:Sup@secr/et@h/db", "sqlite:////tmp/a.db?mode=ro",
     "postgresql://u:secret\udcff@h/d"],
)  # fmt: skip
def test_what_is_no_database_of_ours(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^LARK_DATABASE_URL .*Next: ") as caught:
        urls.parse(text, "LARK_DATABASE_URL")
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    assert "ret@" not in str(caught.value)


@given(text=st.text(max_size=40))
def test_any_text_is_a_url_or_a_clear_error(text: str) -> None:
    for written in (text, f"postgresql://{text}", f"postgres://u:{text}@h/d", f"sqlite:///{text}"):
        try:
            urls.parse(written, "SETTING")
        except ConfigurationError as error:
            assert str(error).startswith("SETTING ")  # noqa: PT017 - either way is right


@given(password=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_a_password_arrives_as_it_was_written_and_is_not_shown(password: str) -> None:
    quoted = urls.parse(f"postgresql://u:{quote(password, safe='')}@h/d", "it")
    given_apart = urls.database(environ=environ(HOST="h", PASSWORD=password))
    for url in (quoted, given_apart):
        assert url.password == password
        assert urls.display(url).partition("://")[2] in {"u:***@h/d", "lark:***@h:5432/lark_service"}


def test_the_passphrase_of_a_client_key_is_never_shown() -> None:
    url = urls.parse("postgresql://u:pw@h/d?sslkey=/k&sslpassword=hunter2", "LARK_DATABASE_URL")
    for changed in (url, url.set(host="other"), url.update_query_dict({"sslkey": "/other"}), copy.copy(url)):
        assert changed.query["sslpassword"] == "hunter2"
        shown = f"{changed!r} {changed} {changed.query!r} {create(changed)!r} {urls.display(changed)}"
        assert "hunter2" not in shown
    assert "sslpassword=hunter2" in url.render_as_string(hide_password=False)
    assert url != url.update_query_dict({"sslpassword": "another"})


def test_a_password_among_the_parameters_is_the_password() -> None:
    """Or it would stand in the arguments of pg_dump."""
    url = urls.parse("postgresql://u@h/d?password=secret&sslmode=require", "it")
    assert (url.password, url.query) == ("secret", {"sslmode": "require"})


@pytest.mark.parametrize("part", ["HOST", "DB", "USER", "PASSWORD", "SSLMODE"])
def test_a_part_that_is_not_text(part: str) -> None:
    """As Python reads bytes that are not UTF-8 from the environment."""
    with pytest.raises(ConfigurationError, match=f"POSTGRES_{part} must be valid UTF-8. Next: "):
        urls.database(environ=environ(**({"HOST": "h"} | {part: "\udcff"})))


def test_a_home_that_there_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LARK_REGISTRY_PATH", "~no-such-user/apps.db")
    assert not config.has_registry()
    assert urls.registry().database == str(tmp_path / "~no-such-user" / "apps.db")


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert urls.parse("sqlite:///lark.db", "it").database == str(tmp_path / "lark.db")
    assert urls.parse("sqlite:///~/lark.db", "it").database == str(tmp_path / "lark.db")
    assert urls.registry("apps.db").database == str(tmp_path / "apps.db")
    assert urls.registry(environ={}).database == str(tmp_path / "config" / "applications.db")
    assert urls.registry(environ={"LARK_REGISTRY_PATH": "~/a.db"}).database == str(tmp_path / "a.db")
    assert urls.registry(environ={"LARK_REGISTRY_PATH": "postgres://h/d"}).host == "h"
    assert urls.display(urls.registry("apps.db")) == str(tmp_path / "apps.db")


def test_a_registry_that_cannot_be_read_is_named_by_where_it_was_set() -> None:
    environ = {"LARK_REGISTRY_PATH": "mysql://h/d"}
    with pytest.raises(ConfigurationError, match=r"^LARK_REGISTRY_PATH must be the URL"):
        urls.registry(environ=environ)
    with pytest.raises(ConfigurationError, match=r"^registry must be the URL"):
        urls.registry("mysql://h/d", {**environ, "LARK_REGISTRY_PATH": "sqlite:////a.db"})


def test_any_password_opens_the_door(own_postgres: OwnPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    literal = SPECIAL.replace("'", "''")
    own_postgres.server.execute(f"CREATE ROLE odd LOGIN PASSWORD '{literal}'")
    own_postgres.server.execute("CREATE DATABASE odd OWNER odd")
    parts = {"HOST": "127.0.0.1", "PORT": str(own_postgres.port), "DB": "odd", "USER": "odd"}
    url = urls.database(environ=environ(**parts, PASSWORD=SPECIAL))
    migrate.upgrade(url)
    written = f"postgres://odd:{quote(SPECIAL, safe='')}@127.0.0.1:{own_postgres.port}/odd"
    monkeypatch.setenv("LARK_DATABASE_URL", written)
    assert TokenStore(urls.database(), "cli_a", "s").get("k", now=0.0) is None
    assert PostgresStorage().execute("SELECT current_user")[0][0] == "odd"
    refused = urls.database(environ=environ(**parts, PASSWORD=SPECIAL + "x"))
    attempts: list[Callable[[URL], object]] = [
        migrate.upgrade,
        lambda url: TokenStore(url, "cli_a", "s").get("k", now=0.0),
    ]
    for attempt in attempts:
        with pytest.raises(StorageError, match=r"password authentication failed.*Next: ") as caught:
            attempt(refused)
        assert SPECIAL not in "".join(traceback.format_exception(caught.value))
        assert urls.display(refused) in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@127.0.0.1:1/d",
        "postgresql://u:secret@127.0.0.1:1/d?nonsense=1",
        "postgresql://u:secret@127.0.0.1:1/d?sslmode=nonsense",
        "postgresql://u:secret@no-such-host.invalid/d",
        "postgresql://u@127.0.0.1:1/d?password=secret",
    ],
)
def test_a_database_that_is_not_there(url: str) -> None:
    unreachable = get_engine(urls.parse(url, "it"))
    with (
        pytest.raises(StorageError, match=r"^Database postgresql.* Next: ") as caught,
        hold_transaction(unreachable),
    ):
        pass
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("value", ["many", "1.5", "²", "--1", "-1", "1_0x"])
def test_pool_settings_are_numbers(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"LARK_DB_POOL_SIZE must be .*Next: "):
        read_pool_settings({"LARK_DB_POOL_SIZE": value})
    assert tuple(read_pool_settings({}).values()) == (10, 20, 30, 3600)
    assert read_pool_settings({"LARK_DB_MAX_OVERFLOW": " -1 "})["max_overflow"] == -1
    with pytest.raises(ConfigurationError, match=r"LARK_DB_POOL_RECYCLE must .* got '-2'"):
        read_pool_settings({"LARK_DB_POOL_RECYCLE": "-2"})
