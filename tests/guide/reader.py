"""A reader who follows the guide: a folder, a shell, and the database of section 2.1."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from tests.services import postgres
from tests.services.postgres import PostgresServer, Role

CHECKOUT = Path(__file__).parents[2]
DATABASE = "lark_service"
LARK = Role("lark", "lark_password_123")
TEMPLATE = "lark_upgraded"
"""A database as `alembic upgrade head` leaves it, to copy."""
GUIDE_ROLES = ("lark_readonly", "lark_app")


@dataclass(frozen=True)
class Reader:
    """Runs what the guide prints, in a folder, with the environment of the test."""

    folder: Path

    def run(
        self, script: str, *, stdin: str | None = None, code: int = 0, folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a Bash script and check its exit code.

        `python`, `alembic` and PostgreSQL's programs are those of this checkout and of the tests' server.
        """
        done = subprocess.run(  # noqa: S603 - the guide's commands
            ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607 - wherever it is
            cwd=folder or self.folder,
            env=self.environment(),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def python(self, source: str, *, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a Python program in a process of its own, from a file `your_app.py`."""
        (self.folder / "your_app.py").write_text(source)
        return self.run("python your_app.py", code=code)

    def environment(self) -> dict[str, str]:
        """Return the environment in which scripts run: their programs in PATH, and warnings as errors."""
        programs = [str(Path(sys.executable).parent), str(postgres._binaries()), os.environ["PATH"]]
        return {**os.environ, "PATH": os.pathsep.join(programs), "PYTHONWARNINGS": "error"}


@dataclass(frozen=True)
class Database:
    """The guide's database `lark_service` of user `lark`, on a server that only these tests use."""

    server: PostgresServer

    def ask(self, statement: str, role: Role = LARK) -> list[tuple[Any, ...]]:
        """Run a statement as a role, and return the rows."""
        url = self.server.build_url(DATABASE, role)
        with closing(psycopg2.connect(url, connect_timeout=5)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def password(self, other: str) -> Iterator[None]:
        """Give `lark` another password until the end of the block."""
        self.server.execute(f"ALTER ROLE lark PASSWORD '{other}'")
        try:
            yield
        finally:
            self.server.execute(f"ALTER ROLE lark PASSWORD '{LARK.password}'")

    def environment(self, role: Role = LARK) -> dict[str, str]:
        """Return the variables that tell the library and PostgreSQL's programs where the database is."""
        return {
            "POSTGRES_HOST": "localhost",
            "POSTGRES_PORT": str(self.server.port),
            "POSTGRES_DB": DATABASE,
            "POSTGRES_USER": role.name,
            "POSTGRES_PASSWORD": role.password,
            "PGHOST": "localhost",
            "PGPORT": str(self.server.port),
            "PGPASSWORD": role.password,
        }


@contextmanager
def database(server: PostgresServer, template: str) -> Iterator[Database]:
    """Create `lark_service`, and drop it afterwards with the roles that the guide has its readers create."""
    server.execute(f'CREATE DATABASE "{DATABASE}" OWNER "{LARK.name}" TEMPLATE "{template}"')
    try:
        yield Database(server)
    finally:
        server.execute(f'DROP DATABASE "{DATABASE}" WITH (FORCE)')
        for role in GUIDE_ROLES:
            server.execute(f'DROP ROLE IF EXISTS "{role}"')
