"""Tables and migrations agree, whoever runs them and how often."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.tokens import Token
from lark_provider.storage import migrate, tables, urls
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.token_store import TokenStore

GUIDE = """
CREATE INDEX idx_tokens_app_id ON tokens(app_id);
CREATE INDEX idx_tokens_expires_at ON tokens(expires_at);
"""
OURS = {*tables.metadata.tables, tables.VERSION_TABLE}


def run(url: URL, *statements: str) -> None:
    with hold_transaction(get_engine(url)) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def list_tables(url: URL) -> set[str]:
    with hold_transaction(get_engine(url), reading=True) as connection:
        return set(sa.inspect(connection).get_table_names())


def database_id(url: URL) -> str:
    with hold_transaction(get_engine(url), reading=True) as connection:
        value: str = connection.scalars(sa.select(tables.meta.c.value)).one()
        return value


def test_the_tables_are_what_the_migrations_make(url: URL) -> None:
    assert migrate.find_differences(url) == []
    assert list_tables(url) == OURS
    assert migrate.read_version(get_engine(url)) == tables.HEAD


def test_the_indexes_of_the_guide_change_nothing(url: URL) -> None:
    run(url, *(line for line in GUIDE.splitlines() if line))
    assert migrate.find_differences(url) == []
    migrate.downgrade(url, "base")
    migrate.upgrade(url)
    assert migrate.find_differences(url) == []


@pytest.mark.parametrize(
    "damage",
    [
        "DROP INDEX ix_user_cache_expires_at",
        "ALTER TABLE applications DROP COLUMN description",
        "ALTER TABLE tokens ADD COLUMN extra text",
        "DROP TABLE leases",
    ],
)
def test_a_difference_is_found(url: URL, damage: str) -> None:
    run(url, damage)
    assert migrate.find_differences(url)


def test_there_and_back_and_there_again(empty: URL) -> None:
    migrate.upgrade(empty)
    first = database_id(empty)
    migrate.upgrade(empty)
    assert database_id(empty) == first == Inbox(empty).read_database_id()
    for _ in migrate.format_history().splitlines():
        migrate.downgrade(empty)
    assert list_tables(empty) == {tables.VERSION_TABLE}
    assert migrate.read_version(get_engine(empty)) is None
    migrate.upgrade(empty)
    assert migrate.find_differences(empty) == []
    assert uuid.UUID(database_id(empty)) != uuid.UUID(first)


def test_a_revision_that_nobody_knows(url: URL) -> None:
    with pytest.raises(StorageError, match=r"(?s)Database .*9999.*Next: "):
        migrate.upgrade(url, "9999")
    run(url, f"UPDATE {tables.VERSION_TABLE} SET version_num = '9999'")  # noqa: S608 - a constant
    for change in (migrate.upgrade, migrate.downgrade):
        with pytest.raises(StorageError, match=r"newer version.*revision 9999"):
            change(url)
    assert list_tables(url) == OURS
    assert not migrate.knows("9999")
    assert migrate.knows(tables.HEAD)


def test_what_others_keep_in_the_database_is_left_alone(url: URL) -> None:
    run(
        url,
        "CREATE TABLE alembic_version (version_num varchar(32))",
        "INSERT INTO alembic_version VALUES ('abc')",
        "CREATE TABLE dag_run (id int, state varchar(10))",
        "CREATE INDEX idx_dag_run ON dag_run(state)",
    )
    assert migrate.find_differences(url) == []
    migrate.downgrade(url, "base")
    migrate.upgrade(url)
    assert list_tables(url) == OURS | {"alembic_version", "dag_run"}
    with hold_transaction(get_engine(url), reading=True) as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "abc"


def test_ids_are_identities_and_times_have_zones(postgres: URL) -> None:
    migrate.upgrade(postgres)
    with hold_transaction(get_engine(postgres), reading=True) as connection:
        columns = connection.exec_driver_sql(
            "SELECT table_name, column_name, data_type, is_identity, column_default "
            "FROM information_schema.columns WHERE table_schema = 'public'"
        ).all()
        sequences = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_depend d JOIN pg_class c ON c.oid = d.objid "
            "WHERE c.relkind = 'S' AND d.deptype = 'a'"  # what serial makes; an identity's is internal
        ).scalar()
    kinds = {kind for _, _, kind, _, _ in columns}
    assert {kind for kind in kinds if "time" in kind} == {"timestamp with time zone"}
    assert ("applications", "id") in {
        (table, name) for table, name, _, identity, _ in columns if identity == "YES"
    }
    assert sequences == 0
    assert {default for *_, default in columns} == {None}


def test_record_ids_are_not_compressed(postgres: URL) -> None:
    def storage() -> str:
        with hold_transaction(get_engine(postgres), reading=True) as connection:
            storage_code: str = connection.exec_driver_sql(
                "SELECT attstorage FROM pg_attribute "
                "WHERE attrelid = 'ledger_chunks'::regclass AND attname = 'record_ids'"
            ).scalar_one()
            return storage_code

    external, extended = "e", "x"
    migrate.upgrade(postgres)
    assert storage() == external
    migrate.downgrade(postgres, "0009")
    assert storage() == extended
    migrate.upgrade(postgres)
    assert storage() == external


def test_a_token_of_4_kb_fits(url: URL) -> None:
    store = TokenStore(url, "cli_a", "secret")
    long = Token("t-" + "x" * 4096, 1000.0, 8200.0)
    store.put("k" * 600, long, clock=lambda: 1000.0, owner="o")
    token = store.get("k" * 600, now=1000.0)
    assert token is not None
    assert token.value == long.value


def test_postgresql_is_never_migrated_by_use(postgres: URL) -> None:
    store = TokenStore(postgres, "cli_a", "secret")
    with pytest.raises(StorageError, match=r"behind on migrations.*Next: run `lark-provider db upgrade`"):
        store.get("k", now=0.0)
    with pytest.raises(StorageError, match="behind on migrations"):
        store.claim("k", now=0.0, owner="o", lease_seconds=1)
    assert list_tables(postgres) == set()


def test_sqlite_is_brought_up_to_date_by_use(sqlite: URL) -> None:
    assert TokenStore(sqlite, "cli_a", "secret").get("k", now=0.0) is None
    assert list_tables(sqlite) == OURS
    assert Path(str(sqlite.database)).stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_removed_is_made_again(sqlite: URL) -> None:
    store = TokenStore(sqlite, "cli_a", "secret")
    store.put("k", Token("t-1", 0.0, 7200.0), clock=lambda: 0.0, owner="o")
    Path(str(sqlite.database)).unlink()
    assert store.get("k", now=0.0) is None
    store.put("k", Token("t-2", 0.0, 7200.0), clock=lambda: 0.0, owner="o")
    kept = TokenStore(urls.parse(f"sqlite:///{sqlite.database}", "test"), "cli_a", "secret").get("k", now=0)
    assert kept is not None
    assert Path(str(sqlite.database)).exists()


def test_a_file_that_was_replaced_is_read_again(sqlite: URL, tmp_path: Path) -> None:
    """As a restore by `mv` does, or a configuration tool."""
    backup = tmp_path / "backup.db"
    store = TokenStore(sqlite, "cli_a", "secret")
    store.put("k", Token("t-1", 0.0, 7200.0), clock=lambda: 0.0, owner="o")
    backup.write_bytes(Path(str(sqlite.database)).read_bytes())
    store.put("k", Token("t-2", 0.0, 7300.0), clock=lambda: 0.0, owner="o")
    backup.replace(str(sqlite.database))
    token = store.get("k", now=0.0)
    assert token is not None
    assert token.value == "t-1"


def test_the_history_names_every_revision() -> None:
    scripts = sorted(path.name for path in (migrate.find_scripts() / "versions").glob("*.py"))
    revisions = [re.match(r"\d+", name) for name in scripts]
    assert all(match is not None and match[0] in migrate.format_history() for match in revisions)
    assert scripts[-1].startswith(tables.HEAD)
