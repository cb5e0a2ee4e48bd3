from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url

import lark_provider
from lark_provider.storage import migrate, tables, urls
from lark_provider.storage.applications import ApplicationManager
from tests.cli.conftest import Run, read_failure, run_process
from tests.services.postgres import Databases, OwnPostgres
from tests.storage.purged import NONE

ROOT = Path(lark_provider.__file__).parents[1]
SHAPE = """
SELECT table_name, column_name, data_type, is_nullable, is_identity FROM information_schema.columns
WHERE table_schema = 'public' ORDER BY 1, 2
"""


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Configure an empty database with the variables that the guide uses, and return its URL."""
    url = make_url(database_url)
    for name, value in {"HOST": url.host, "PORT": url.port, "DB": url.database, "USER": url.username}.items():
        monkeypatch.setenv(f"POSTGRES_{name}", str(value))
    if url.password:
        monkeypatch.setenv("POSTGRES_PASSWORD", str(url.password))
    return database_url


@pytest.fixture
def ask(database: str) -> Iterator[psycopg2.extensions.cursor]:
    """Yield a cursor of another connection to the database."""
    connection = psycopg2.connect(database)
    connection.autocommit = True
    yield connection.cursor()
    connection.close()


def alembic(*arguments: str, url: str) -> str:
    """Run alembic itself in the checkout on a database, and return what it printed."""
    command = [sys.executable, "-m", "alembic", *arguments]
    environ = {**os.environ, "LARK_DATABASE_URL": url}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout


def test_the_commands_do_what_alembic_does(
    run: Run, ask: psycopg2.extensions.cursor, databases: Databases
) -> None:
    other = databases.make()
    alembic("upgrade", "head", url=other)
    done = run("db", "upgrade")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(f" went from nothing to {tables.HEAD}.\n")
    assert run("db", "current").out == alembic("current", url=other)
    assert run("db", "history").out == alembic("history", url=other)
    ask.execute(SHAPE)
    ours = ask.fetchall()
    assert len(ours) > 20
    with psycopg2.connect(other) as connection, connection.cursor() as cursor:
        cursor.execute(SHAPE)
        assert cursor.fetchall() == ours
    connection.close()
    assert run("db", "upgrade").out.endswith(f" stays at {tables.HEAD}.\n")
    assert f" went from {tables.HEAD} to " in run("db", "downgrade", "-1").out
    alembic("downgrade", "-1", url=other)
    assert run("db", "current").out == alembic("current", url=other)
    assert run("db", "downgrade", "base").out.endswith(" to nothing.\n")
    ask.execute("SELECT to_regclass('tokens')")
    assert ask.fetchone() == (None,)
    done = run("db", "current")
    assert (done.code, done.out) == (0, "")
    assert "has none of our tables" in done.err
    assert run("db", "upgrade", tables.HEAD).code == 0


@pytest.mark.parametrize("revision", ["nonsense", "+50", "9999", "", "@", "head@"])
def test_a_revision_that_there_is_not(revision: str, run: Run, database: str) -> None:
    error = read_failure(run("db", "upgrade", revision))
    assert "Next: compare `lark-provider db current` with `lark-provider db history`" in error
    assert run("db", "current").out == ""


def test_a_downgrade_names_its_revision(run: Run, database: str) -> None:
    done = run("db", "downgrade")
    assert (done.code, done.out) == (2, "")


def test_check_finds_a_database_that_is_fit_for_use(run: Run, database: str) -> None:
    run("db", "upgrade")
    done = run("db", "check")
    assert (done.code, done.err) == (0, "")
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["✓", "connection"],
        ["✓", "revision"],
        ["✓", "tables"],
        ["✓", "neighbours"],
    ]
    report = json.loads(run("db", "check", "--json").out)
    assert report["status"] == "healthy"
    assert report["checks"][0]["text"].startswith("PostgreSQL 1")


def test_check_is_not_disturbed_by_the_guides_indexes(run: Run, ask: psycopg2.extensions.cursor) -> None:
    run("db", "upgrade")
    ask.execute("CREATE INDEX idx_tokens_app_id ON tokens(app_id)")
    ask.execute("CREATE INDEX idx_tokens_expires_at ON tokens(expires_at)")
    assert run("db", "check").code == 0
    assert run("db", "downgrade", "base").code == 0


def test_check_says_what_is_wrong_and_stops_there(run: Run, ask: psycopg2.extensions.cursor) -> None:
    done = run("db", "check")
    assert done.code == 1
    assert "✗ revision" in done.out
    assert "has none of our tables. Next: run `lark-provider db upgrade`" in done.out
    assert "neighbours" not in done.out
    run("db", "upgrade")
    ask.execute("ALTER TABLE tokens ALTER COLUMN app_id TYPE varchar(20), ADD COLUMN mine int")
    report = json.loads(run("db", "check", "--json").out)
    assert (report["status"], report["checks"][-1]["name"]) == ("unhealthy", "tables")
    assert "The tables are not as this version made them" in report["checks"][-1]["text"]
    ask.execute("UPDATE lark_alembic_version SET version_num = '9999'")
    done = run("db", "check")
    assert done.code == 1
    assert "made by a newer version of this package: revision 9999" in done.out
    for arguments in ("upgrade", "downgrade -1"):
        assert "newer version of this package: revision 9999" in read_failure(run("db", *arguments.split()))
    assert run("db", "current").out == "9999\n"


OWN = f"""
from alembic import op
revision, down_revision = "a1b2c3d4e5f6", {tables.HEAD!r}

def upgrade():
    op.execute("CREATE TABLE mine (n int)")
    op.execute("ALTER TABLE tokens ADD COLUMN mine int")
    op.execute("CREATE INDEX idx_mine ON tokens (mine)")
"""


@pytest.mark.parametrize("is_here", [True, False], ids=["script here", "script elsewhere"])
def test_check_takes_a_migration_of_the_users_own(
    run: Run,
    ask: psycopg2.extensions.cursor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_here: bool,
) -> None:
    run("db", "upgrade")
    shutil.copytree(ROOT / "migrations", tmp_path / "migrations")
    (tmp_path / "migrations" / "versions" / "a1b2c3d4e5f6_mine.py").write_text(OWN)
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "find_scripts", lambda: tmp_path / "migrations")
        assert run("db", "upgrade", "a1b2c3d4e5f6").code == 0
    if is_here:
        monkeypatch.setattr(migrate, "find_scripts", lambda: tmp_path / "migrations")
    done = run("db", "check")
    assert done.code == 0, done.out
    assert f"a1b2c3d4e5f6 (of your own, after {tables.HEAD})" in done.out
    assert run("db", "current").out.startswith("a1b2c3d4e5f6")
    ask.execute("ALTER TABLE tokens DROP COLUMN app_id CASCADE")
    done = run("db", "check")
    assert done.code == 1
    assert "app_id" in done.out
    if not is_here:
        assert "from the checkout that holds this migration of your own" in read_failure(
            run("db", "downgrade", "-1")
        )


def test_a_sqlite_file_with_a_migration_of_the_users_own_opens(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/lark.db"
    run("db", "upgrade", "--url", url)
    with sqlite3.connect(tmp_path / "lark.db") as connection:
        connection.execute("UPDATE lark_alembic_version SET version_num = 'a1b2c3d4e5f6'")
    connection.close()
    monkeypatch.setenv("LARK_DATABASE_URL", url)
    assert migrate.prepare_engine(urls.database()) is not None
    assert run("db", "check").code == 0


def test_a_database_that_is_also_airflows_is_a_warning(run: Run, ask: psycopg2.extensions.cursor) -> None:
    ask.execute("CREATE TABLE dag_run (id int)")
    ask.execute("CREATE TABLE alembic_version (version_num varchar(32))")
    ask.execute("INSERT INTO alembic_version VALUES ('airflows')")
    done = run("db", "upgrade")
    assert done.code == 0
    assert done.err.startswith("Warning: Airflow's own tables are in this database too. Next: ")
    done = run("db", "check")
    assert done.code == 0
    assert "! neighbours" in done.out
    assert run("db", "downgrade", "base").code == 0
    ask.execute("SELECT version_num FROM alembic_version")
    assert ask.fetchone() == ("airflows",)


def test_purge_counts_what_it_deletes(run: Run, ask: psycopg2.extensions.cursor) -> None:
    run("db", "upgrade")
    ask.execute(
        "INSERT INTO tokens SELECT 'k' || age, 'cli_a', 'sealed', now(), now() - age * interval '1 day' "
        "FROM unnest(ARRAY[-1, 1, 6, 8]) AS age"
    )
    done = run("db", "purge")
    rest = "0 from card_callbacks, 0 from card_answers, 0 from handled_events, 0 from waits, "
    rest += "0 from table_leases, 0 from ledger_chunks, 0 from ledger, 0 from pacing, "
    rest += (
        "0 from hitl_cards, 0 from applied_clicks, 0 from hitl_questions, 0 from people, 0 from link_codes, "
    )
    rest += "0 from api_servers, 0 from mutes, 0 from escalation_steps, "
    rest += "0 from digests, 0 from incidents, 0 from chat_commands, 0 from outbox, 0 from seen_records, "
    rest += "0 from record_cursors; and what was"
    assert (done.code, done.out) == (
        0,
        f"Deleted: 1 from tokens, 0 from user_cache, 0 from leases, {rest} entered with 0 click(s).\n",
    )
    assert json.loads(run("db", "purge", "--tokens-older-than", "48h", "--json").out) == {**NONE, "tokens": 1}
    assert json.loads(run("db", "purge", "--tokens-older-than", "0s", "--json").out)["tokens"] == 1
    ask.execute("SELECT key FROM tokens")
    assert ask.fetchall() == [("k-1",)]


def test_how_long_what_is_kept_is_an_option_or_a_setting(
    run: Run, ask: psycopg2.extensions.cursor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("db", "upgrade")
    ask.execute(
        "INSERT INTO handled_events SELECT 'c', 'e' || age, now() - age * interval '1 hour' "
        "FROM unnest(ARRAY[1, 9, 11, 13]) AS age"
    )

    def purge(*options: str) -> int:
        return int(json.loads(run("db", "purge", "--json", *options).out)["handled_events"])

    assert purge() == 0
    monkeypatch.setenv("LARK_RETENTION_HANDLED_EVENTS", "10h")
    assert [purge("--handled-events-older-than", "12h"), purge()] == [1, 1]
    for wrong, complaint in (
        (
            "soon",
            "LARK_RETENTION_HANDLED_EVENTS must be a period, got 'soon'. Next: set it to one such as 90m",
        ),
        ("6h", "The retention of handled_events must be at least 8h, got 6:00:00. Next: set LARK_RETENT"),
    ):
        monkeypatch.setenv("LARK_RETENTION_HANDLED_EVENTS", wrong)
        assert complaint in read_failure(run("db", "purge"))
    ask.execute("SELECT count(*) FROM handled_events")
    assert ask.fetchone() == (2,)
    shown = run("db", "purge", "--help").out
    for table in ("tokens", "user-cache", "leases", "card-callbacks", "form-inputs", "card-answers", "waits"):
        assert f"--{table}-older-than AGE" in shown


def test_nothing_is_as_old_as_the_oldest_age(run: Run, database: str) -> None:
    run("db", "upgrade")
    done = run("db", "purge", "--tokens-older-than", "999999d")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("age", ["-1d", "7", "7w", "1.5d", "٣d", ""])
def test_an_age_that_is_none(age: str, run: Run, database: str) -> None:
    done = run("db", "purge", f"--tokens-older-than={age}")
    assert (done.code, done.out) == (2, "")
    assert "Next: write it as 90m, 12h or 7d" in done.err


def test_the_registry_is_backed_up_while_it_is_in_use(
    run: Run, apps: ApplicationManager, registry: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "applications.db.backup"
    done = run("db", "backup", "--registry", str(copy))
    assert (done.code, done.out) == (0, f"{registry} is copied to {copy}.\n")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert ApplicationManager(str(copy)).decrypt_secrets("cli_a").app_secret == "secret-of-a"
    assert "must not exist yet. Next: name another one" in read_failure(
        run("db", "backup", "--registry", str(copy))
    )
    assert run("db", "check", "--url", f"sqlite:///{copy}").code == 0


def test_a_backup_of_postgres_is_sql(run: Run, database: str, tmp_path: Path) -> None:
    run("db", "upgrade")
    assert run("db", "backup", str(tmp_path / "backup.sql")).code == 0
    assert "CREATE TABLE public.tokens" in (tmp_path / "backup.sql").read_text()


def test_a_backup_by_one_who_may_not_read_all_of_it(
    run: Run, ask: psycopg2.extensions.cursor, databases: Databases, database_url: str, tmp_path: Path
) -> None:
    """As the guide's `lark_app`, which may use the tables and not their sequences."""
    run("db", "upgrade")
    role = databases.make_role()
    ask.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role.name}")
    url = databases.server.build_url(make_url(database_url).database, role)
    error = read_failure(run("db", "backup", "--url", url, str(tmp_path / "backup.sql")))
    assert (
        "cannot be copied by this user: permission denied for sequence applications_id_seq. Next: " in error
    )
    assert not (tmp_path / "backup.sql").exists()


def test_which_database(run: Run, database: str, databases: Databases, tmp_path: Path) -> None:
    assert run("db", "upgrade", "--url", f"sqlite:///{tmp_path}/other.db").code == 0
    assert stat.S_IMODE((tmp_path / "other.db").stat().st_mode) == 0o600
    assert run("db", "current").out == ""
    assert run("db", "check", "--registry", "--url", "x").code == 2
    # An empty variable in --url "$URL" must not mean the configured database.
    assert "--url must be the URL" in read_failure(run("db", "downgrade", "base", "--url", ""))
    assert run("db", "upgrade", "--registry").code == 0
    assert (tmp_path / "config" / "applications.db").exists()


def test_no_database_is_configured(run: Run) -> None:
    for arguments in ("upgrade", "downgrade -1", "current", "check", "purge", "backup x"):
        error = read_failure(run("db", *arguments.split()))
        assert "No database is configured. Next: set LARK_DATABASE_URL" in error
        assert "--registry for the registry of apps" in error


def test_a_file_that_is_not_there_is_not_made(run: Run, tmp_path: Path) -> None:
    for arguments in ("downgrade -1", "current", "purge", "backup x"):
        assert "must exist. Next: " in read_failure(run("db", *arguments.split(), "--registry"))
    assert run("db", "check", "--registry").code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("These are notes.\n" * 100)
    before = (tmp_path / "notes").read_bytes()
    for arguments in ("upgrade", "downgrade -1", "current", "purge"):
        error = read_failure(run("db", *arguments.split(), "--url", f"sqlite:///{tmp_path}/notes"))
        assert "is not a SQLite database. Next: name another path, or restore a backup" in error
    done = run("db", "check", "--url", f"sqlite:///{tmp_path}/notes")
    assert done.code == 1
    assert done.out.startswith("✗ connection")
    assert (tmp_path / "notes").read_bytes() == before


def test_a_port_that_is_not_a_number(run: Run, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("54x2", "0", "65536", "-1", "\uff15432"):
        monkeypatch.setenv("POSTGRES_PORT", wrong)
        assert f"POSTGRES_PORT must be a port number, got '{wrong}'. Next: " in read_failure(
            run("db", "check")
        )


def test_passwords_with_special_characters(
    run: Run, own_postgres: OwnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = "p@ss/w:rd%#1 '\"\\?&="
    quoted = password.replace("'", "''")
    own_postgres.server.execute(f"CREATE ROLE lark LOGIN PASSWORD '{quoted}'")
    own_postgres.server.execute("CREATE DATABASE lark_service OWNER lark")
    monkeypatch.setenv("POSTGRES_PORT", str(own_postgres.port))
    monkeypatch.setenv("POSTGRES_PASSWORD", password)
    assert run("db", "upgrade").code == 0
    assert alembic_with_the_environment("current") == f"{tables.HEAD} (head)\n"
    done = run_process("db", "check")
    assert done.code == 0
    assert f"lark:***@localhost:{own_postgres.port}/lark_service" in done.out
    monkeypatch.setenv("POSTGRES_PASSWORD", password + "x")
    error = read_failure(run_process("db", "upgrade"))
    assert "password authentication failed" in error
    assert "p@ss" not in error


def alembic_with_the_environment(*arguments: str) -> str:
    """Run alembic itself in the checkout with the environment as it is, as the guide does."""
    command = [sys.executable, "-m", "alembic", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603


def test_a_database_that_is_unavailable(run: Run, own_postgres: OwnPostgres) -> None:
    own_postgres.stop()
    for arguments in ("upgrade", "current", "purge"):
        error = read_failure(run("db", *arguments.split(), "--url", own_postgres.url))
        assert "Connection refused" in error or "connection to server" in error
        assert "Next: check that it runs" in error


def test_a_sqlite_database_of_ones_own(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", f"sqlite:///{tmp_path}/sub/lark.db")
    assert run("db", "upgrade").code == 0
    assert run("db", "check").code == 0
    assert run("db", "purge").code == 0
    connection = sqlite3.connect(tmp_path / "sub" / "lark.db")
    connection.execute("DROP TABLE meta")
    connection.close()
    done = run("db", "check")
    assert done.code == 1
    assert "✗ tables" in done.out
