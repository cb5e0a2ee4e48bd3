"""The databases of other tests are what the migrations make."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from lark_provider.storage import migrate, tables, urls
from lark_provider.storage.engine import get_engine, hold_transaction
from tests.services.postgres import Databases
from tests.storage import prepared


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_each_database_is_up_to_date_and_has_an_identity_of_its_own(
    kind: str, databases: Databases, tmp_path: Path
) -> None:
    shapes, ids = [], set()
    for number, upgrade in enumerate((prepared.upgrade, prepared.upgrade, migrate.upgrade)):
        text = databases.make() if kind == "postgresql" else f"sqlite:///{tmp_path}/{number}.db"
        url = urls.parse(text, "test")
        upgrade(url)
        assert (migrate.read_version(get_engine(url)), migrate.find_differences(url)) == (tables.HEAD, [])
        with hold_transaction(get_engine(url), reading=True) as connection:
            shapes.append(describe(connection))
            ids.add(connection.scalar(sa.text("SELECT value FROM meta WHERE key = 'database_id'")))
    assert shapes == [shapes[0]] * 3
    assert len(ids) == 3


def describe(connection: sa.Connection) -> list[str]:
    """Return each table with its columns, indexes, constraints and number of rows."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    inspector = sa.inspect(connection)
    return [
        f"{table!r} {sorted(map(repr, inspector.get_indexes(table.name)))} "
        f"{sorted(map(repr, inspector.get_check_constraints(table.name)))} "
        f"{connection.scalar(sa.select(sa.func.count()).select_from(table))}"
        for table in metadata.sorted_tables
    ]
