"""Our tables in the database of a real Airflow: neither is in the other's way."""

from __future__ import annotations

from pathlib import Path

from lark_provider.protocol.tokens import Token
from lark_provider.storage import migrate, tables, urls
from lark_provider.storage.token_store import TokenStore
from tests.airflow.conftest import AirflowHome
from tests.storage.test_migrations import list_tables


def test_airflow_and_we_leave_each_other_alone(tmp_path: Path) -> None:
    home = AirflowHome(tmp_path)
    home.airflow("db", "migrate")
    url = urls.parse(f"sqlite:///{tmp_path}/airflow.db", "test")
    airflows = list_tables(url)
    assert {"dag_run", "alembic_version"} < airflows
    assert airflows.isdisjoint(tables.metadata.tables)

    store = TokenStore(url, "cli_a", "secret")
    store.put("k", Token("t-1", 0.0, 7200.0), clock=lambda: 0.0, owner="o")
    assert migrate.find_differences(url) == []
    assert list_tables(url) == airflows | {*tables.metadata.tables, tables.VERSION_TABLE}
    home.airflow("db", "migrate")
    assert store.get("k", now=0.0) is not None

    migrate.downgrade(url, "base")
    assert list_tables(url) == airflows | {tables.VERSION_TABLE}
    home.airflow("db", "check-migrations")
