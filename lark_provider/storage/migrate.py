"""Bring databases up to date with the scripts of `migrations/`: what `alembic` does, from anywhere."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from lark_provider.storage import tables, urls
from lark_provider.storage.deadlines import MAINTENANCE, Deadlines
from lark_provider.storage.engine import get_engine, hold_transaction, make_file
from lark_provider.storage.errors import StorageError

if TYPE_CHECKING:
    from alembic.config import Config

_opened: dict[tuple[int, URL], tuple[int, int]] = {}
"""The SQLite files that this process has found up to date, by their identity, which a replaced file lacks."""

_AIRFLOW_TABLE = "dag_run"
_OUR_REVISION = re.compile(r"[0-9]{4}")
_ADDED = {"remove_column", "remove_constraint", "remove_fk", "remove_index", "remove_table"}
"""Alembic's operations on what a database has and this version does not know."""


def find_scripts() -> Path:
    """Return the folder of the migrations: in an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def prepare_engine(url: URL) -> Engine:
    """Return the engine of a database that should have our tables.

    A SQLite file is created and upgraded if needed. PostgreSQL never is, since the operator decides that.

    Args:
        url: The database's URL, from `urls.database` or `urls.registry`.

    Raises:
        StorageError: The file cannot be created, is not a SQLite file, or is newer than this version.
    """
    db_engine = get_engine(url)
    if url.drivername != urls.SQLITE_DRIVER:
        return db_engine
    key, file = (os.getpid(), url), _read_identity(url)
    if file is None or _opened.get(key) != file:
        if file is None:
            make_file(url)
        at = read_version(db_engine)
        if at is None or not includes_head(at):
            upgrade(url)
        if (file := _read_identity(url)) is not None:
            _opened[key] = file
    return db_engine


def open_transaction(
    url: URL, *, reading: bool = False, each_alone: bool = False, limits: Deadlines | None = None
) -> AbstractContextManager[Connection]:
    """Open a transaction on a database that should have our tables; see `prepare_engine`.

    Args:
        url: The database's URL, from `urls.database` or `urls.registry`.
        reading: As for `engine.hold_transaction`.
        each_alone: As for `engine.hold_transaction`.
        limits: As for `engine.hold_transaction`.

    Raises:
        StorageError: As for `prepare_engine` and `engine.hold_transaction`.
    """
    return hold_transaction(prepare_engine(url), reading=reading, each_alone=each_alone, limits=limits)


def _read_identity(url: URL) -> tuple[int, int] | None:
    try:
        status = Path(str(url.database)).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def read_version(on: Engine) -> str | None:
    """Return the revision of a database; None if it has none of our tables."""
    with hold_transaction(on, reading=True) as connection:
        return _read_revision(connection)


def _read_revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table(tables.VERSION_TABLE):
        return None
    version_num: sa.ColumnClause[str] = sa.column("version_num")
    return connection.scalar(sa.select(version_num).select_from(sa.table(tables.VERSION_TABLE)))


def is_airflows(on: Engine) -> bool:
    """Return whether a database also has Airflow's tables, from which ours are better kept apart.

    Raises:
        StorageError: It cannot be used.
    """
    with hold_transaction(on, reading=True) as connection:
        return sa.inspect(connection).has_table(_AIRFLOW_TABLE)


def has_seals(connection: Connection) -> bool:
    """Return whether there is a registry with a column for seals."""
    inspector = sa.inspect(connection)
    table = tables.applications.name
    return inspector.has_table(table) and any(
        column["name"] == "sealed" for column in inspector.get_columns(table)
    )


def upgrade(url: URL, revision: str = "head", *, then: Callable[[Connection], None] | None = None) -> None:
    """Upgrade a database to a revision. Concurrent upgrades wait for each other.

    Args:
        url: The database's URL.
        revision: The revision to upgrade to, as alembic names it: its id, `head`, or relative such as `+1`.
        then: Called afterwards in the same transaction: if it raises, nothing is changed.

    Raises:
        StorageError: The database is unavailable or is newer than this version, or there is no such revision.
    """

    def work(settings: Config) -> None:
        from alembic import command  # Takes 100 ms, which only a migration needs.

        command.upgrade(settings, revision)

    if url.drivername == urls.SQLITE_DRIVER:
        make_file(url)
    _perform(url, work, unless=tables.HEAD if revision == "head" else None, then=then)


def downgrade(url: URL, revision: str = "-1") -> None:
    """Downgrade a database to a revision; tables of later revisions are dropped with their rows.

    Args:
        url: The database's URL.
        revision: The revision to downgrade to, as alembic names it: its id, `base`, or relative such as `-1`.

    Raises:
        StorageError: The database is unavailable or is newer than this version, or there is no such revision.
    """
    from alembic import command

    _perform(url, lambda settings: command.downgrade(settings, revision))


def find_differences(url: URL) -> list[Any]:
    """Return what alembic would change to make a database match `tables`; empty if it does.

    Additions of a user's own migrations are not a difference.

    Args:
        url: The database.

    Raises:
        StorageError: The database is unavailable, or not up to date.
    """
    from alembic import command
    from alembic.util import AutogenerateDiffsDetected

    at = read_version(get_engine(url))
    if at is not None and not knows(at) and includes_head(at):
        return _find_missing_columns(url)
    diffs: list[Any] = []

    def look(settings: Config) -> None:
        try:
            command.check(settings)
        except AutogenerateDiffsDetected as difference:
            diffs.extend(difference.diffs)

    _perform(url, look, reading=True)
    return [
        diff for diff in diffs if at == tables.HEAD or not (isinstance(diff, tuple) and diff[0] in _ADDED)
    ]


def _find_missing_columns(url: URL) -> list[Any]:
    """Return our columns that a database lacks, where alembic cannot compare, since it needs all scripts."""
    with hold_transaction(get_engine(url), reading=True) as connection:
        inspector = sa.inspect(connection)
        names = {
            table: {column["name"] for column in inspector.get_columns(table)}
            if inspector.has_table(table)
            else set()
            for table in tables.metadata.tables
        }
    return [
        ("add_column", None, table.name, column.name)
        for table in tables.metadata.sorted_tables
        for column in table.columns
        if column.name not in names[table.name]
    ]


def format_history() -> str:
    """Return all revisions, newest first, as `alembic history` prints them."""
    from alembic import command

    output = io.StringIO()
    command.history(make_settings(None, output))
    return output.getvalue()


def knows(revision: str) -> bool:
    """Return whether a revision is one of this version's."""
    from alembic.script import ScriptDirectory

    known = ScriptDirectory.from_config(make_settings(None)).walk_revisions()
    return revision in {script.revision for script in known}


def includes_head(revision: str) -> bool:
    """Return whether a database at a revision has all that this version needs.

    A user's own migrations follow ours. Their ids are not four digits, as ours are, and their scripts may be
    on another machine: such a revision counts as up to date, and `find_differences` compares the tables.

    Args:
        revision: What `read_version` returned.
    """
    if revision == tables.HEAD:
        return True
    from alembic.script import ScriptDirectory

    if not knows(revision):
        return _OUR_REVISION.fullmatch(revision) is None
    known = ScriptDirectory.from_config(make_settings(None)).iterate_revisions(revision, "base")
    return tables.HEAD in {script.revision for script in known}


def describe(revision: str) -> str:
    """Describe a revision that `includes_head`, for reports."""
    return (
        f"{revision} (head)" if revision == tables.HEAD else f"{revision} (of your own, after {tables.HEAD})"
    )


def make_newer_error(url: URL, revision: str) -> StorageError:
    """Return the error for a database at a revision that is not known here."""
    if _OUR_REVISION.fullmatch(revision) is None:
        return StorageError(
            f"Database {urls.display(url)} is at revision {revision}, which is not known here. Next: "
            "migrate it from the checkout that holds this migration of your own."
        )
    return StorageError(
        f"Database {urls.display(url)} was made by a newer version of this package: revision {revision} is "
        "not known here. Next: install that version on this machine too, or name another database."
    )


def make_settings(connection: Connection | None, output: io.StringIO | None = None) -> Config:
    """Return an alembic configuration that uses a connection, in its transaction, and prints to `output`."""
    from alembic.config import Config

    settings = Config(stdout=output or io.StringIO())
    settings.set_main_option("script_location", str(find_scripts()).replace("%", "%%"))
    settings.attributes["connection"] = connection
    return settings


def _perform(
    url: URL,
    work: Callable[[Config], None],
    *,
    reading: bool = False,
    unless: str | None = None,
    then: Callable[[Connection], None] | None = None,
) -> None:
    with hold_transaction(get_engine(url), reading=reading, limits=MAINTENANCE) as connection:
        # Checked within the transaction: of many processes at a new file one creates the tables, and those
        # that waited for it have nothing left to do, and need not import alembic.
        if unless is None or _read_revision(connection) != unless:
            _run(url, connection, work)
        if then is not None:
            then(connection)


def _run(url: URL, connection: Connection, work: Callable[[Config], None]) -> None:
    from alembic.util import CommandError

    try:
        work(make_settings(connection))
    except (CommandError, AssertionError) as error:  # AssertionError: alembic's answer to some revisions.
        revision = _read_revision(connection)
        if revision is not None and not knows(revision):
            raise make_newer_error(url, revision) from error
        reason = str(error).rstrip(".") or "there is no such revision"
        raise StorageError(
            f"Database {urls.display(url)}: {reason}. Next: compare `lark-provider db current` with "
            "`lark-provider db history`."
        ) from error
