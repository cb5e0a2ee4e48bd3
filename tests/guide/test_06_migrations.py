"""The guide's section 6: alembic, in a checkout."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from lark_provider.storage.tables import HEAD, VERSION_TABLE
from tests.guide.reader import CHECKOUT, Database, Reader

TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
REVISION = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - ours
COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"

STORED = """
SELECT c.relname, a.attname, a.attstorage::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
"""
"""The columns, and how each is stored, which is all that some revisions change."""


@pytest.fixture
def checkout(reader: Reader) -> Path:
    """Copy what alembic needs of the checkout into a folder in which revisions can be written."""
    folder = reader.folder / "checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "migrations", folder / "migrations", ignore=ignored)
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    return folder


def read_script(folder: Path, message: str) -> Path:
    """Return the path of the script that `alembic revision -m` has written."""
    (script,) = (folder / "migrations" / "versions").glob(f"*_{message.replace(' ', '_')}.py")
    return script


def read_statements(script: Path, function: str) -> list[str]:
    """Return the statements of a function in a script, without its docstring."""
    (definition,) = (
        node
        for node in ast.parse(script.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == function
    )
    texts = (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in definition.body)
    return [ast.unparse(node) for node, is_text in zip(definition.body, texts, strict=True) if not is_text]


def test_guide_40_scripts_are_there_and_nothing_is_to_be_initialised(reader: Reader) -> None:
    """`alembic` finds its configuration and the scripts, with no database in sight."""
    scripts = {path.name for path in (CHECKOUT / "migrations" / "versions").glob("*.py")}
    assert any(name.startswith(HEAD) for name in scripts)
    assert HEAD in reader.run("unset ${!POSTGRES_*}; alembic heads", folder=CHECKOUT).stdout


def test_guide_41_upgrade_head_from_an_empty_database(reader: Reader, empty_database: Database) -> None:
    assert empty_database.ask(TABLES) == []
    reader.run("alembic upgrade head", folder=CHECKOUT)
    assert {"applications", "tokens", "leases", "user_cache", "meta"} <= {
        name for (name,) in empty_database.ask(TABLES)
    }


def test_guide_42_current(reader: Reader, upgraded: Database) -> None:
    assert reader.run("alembic current", folder=CHECKOUT).stdout == f"{HEAD} (head)\n"


def test_guide_43_history(reader: Reader) -> None:
    lines = reader.run("alembic history", folder=CHECKOUT).stdout.splitlines()
    assert f"-> {HEAD} (head)" in lines[0]
    assert lines[-1].startswith("<base> -> 0001")


def test_guide_44_downgrade_and_up_again(reader: Reader, upgraded: Database) -> None:
    before = set(upgraded.ask(STORED))
    reader.run("alembic downgrade -1", folder=CHECKOUT)
    assert set(upgraded.ask(STORED)) != before
    assert upgraded.ask(REVISION) != [(HEAD,)]
    reader.run("alembic upgrade head", folder=CHECKOUT)
    assert set(upgraded.ask(STORED)) == before


def test_guide_45_autogenerate_is_empty_right_after_an_upgrade(
    reader: Reader, upgraded: Database, checkout: Path
) -> None:
    reader.run('alembic revision --autogenerate -m "add new table"', folder=checkout)
    script = read_script(checkout, "add new table")
    assert (read_statements(script, "upgrade"), read_statements(script, "downgrade")) == (["pass"], ["pass"])


def test_guide_46_a_manual_revision(reader: Reader, upgraded: Database, checkout: Path) -> None:
    reader.run('alembic revision -m "manual migration"', folder=checkout)
    script = read_script(checkout, "manual migration")
    ours = 'def upgrade() -> None:\n    op.execute("CREATE TABLE ours (n int)")\n'
    script.write_text(script.read_text().replace("def upgrade() -> None:\n", ours))
    reader.run("alembic upgrade head", folder=checkout)
    assert ("ours",) in upgraded.ask(TABLES)
    assert upgraded.ask(REVISION) == [(script.name.partition("_")[0],)]


def test_guide_47_tables_and_columns_have_the_guides_names(upgraded: Database) -> None:
    wanted = {("tokens", "app_id"), ("tokens", "expires_at"), ("user_cache", "expires_at")}
    assert wanted <= set(upgraded.ask(COLUMNS))
