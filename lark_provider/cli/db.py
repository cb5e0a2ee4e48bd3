"""`lark-provider db …`: the tables of the database, or of the registry."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from lark_provider.checks import Check, Found, check
from lark_provider.cli.output import print_json
from lark_provider.cli.report import report
from lark_provider.core import config
from lark_provider.core.storage import maintenance, migrate, tables, urls
from lark_provider.core.storage.errors import StorageError
from lark_provider.errors import ConfigurationError

_WHICH = (
    "By default the database of LARK_DATABASE_URL, else of POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB, "
    "POSTGRES_USER and POSTGRES_PASSWORD."
)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AIRFLOWS = (
    "Airflow's own tables are in this database too. Next: give Lark a database of its own, so that upgrades "
    "and backups of one leave the other alone."
)


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    group = commands.add_parser(
        "db", help="the database: migrations, clean-up, backup", description=_WHICH
    ).add_subparsers(required=True, metavar="ACTION")

    def action(
        name: str, run: Callable[[argparse.Namespace], int], text: str, more: str = ""
    ) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = group.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}{_WHICH}"
        )
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--registry",
            action="store_true",
            help="the registry of apps instead: LARK_REGISTRY_PATH, else config/applications.db",
        )
        which.add_argument(
            "--url", help="any other, postgresql://… or sqlite:///…; an argument shows in `ps`"
        )
        parser.set_defaults(run=run)
        return parser

    upgrade = action("upgrade", run_upgrade, "bring the tables up to date", "Like `alembic upgrade`. ")
    upgrade.add_argument("revision", nargs="?", default="head", help="as alembic writes it (default: head)")
    downgrade = action(
        "downgrade",
        run_downgrade,
        "take the tables back to an older revision",
        "Like `alembic downgrade`: tables made since are dropped with what is in them. ",
    )
    downgrade.add_argument("revision", help="as alembic writes it: -1, 0001, base")
    action("current", run_current, "print the revision")
    history = group.add_parser(
        "history", help="print all revisions", description="Print all revisions that this version knows."
    )
    history.set_defaults(run=run_history)
    look = action(
        "check",
        run_check,
        "check connection, revision and tables",
        "Ends with 1 if one is wrong; a database that is also Airflow's is a warning. ",
    )
    purge = action(
        "purge",
        run_purge,
        "delete what nobody can use any more",
        "That is: tokens that expired a while ago, people whose entry expired, leases that ended a day ago, "
        "events handled 7 days ago, clicks and answers of 90 days ago. No token that works is deleted. ",
    )
    purge.add_argument(
        "--tokens-older-than",
        type=_age,
        default=maintenance.TOKENS_KEPT,
        metavar="AGE",
        help="how long ago they expired: 90m, 12h, 7d (default: 7d)",
    )
    for parser in (look, purge):
        parser.add_argument("--json", action="store_true", help="print JSON")
    backup = action(
        "backup",
        run_backup,
        "copy the database while it is in use",
        "SQLite: into a SQLite file. PostgreSQL: into SQL for psql, by pg_dump. Only this user may read it. ",
    )
    backup.add_argument("target", type=Path, help="the file to make; never one that is there")


def run_upgrade(arguments: argparse.Namespace) -> int:
    """Upgrade."""
    return _moved(_url(arguments), migrate.upgrade, arguments.revision)


def run_downgrade(arguments: argparse.Namespace) -> int:
    """Downgrade."""
    url = _url(arguments)
    maintenance.existing(url)
    return _moved(url, migrate.downgrade, arguments.revision)


def run_current(arguments: argparse.Namespace) -> int:
    """Print where a database stands."""
    url = _url(arguments)
    revision = migrate.version(maintenance.existing(url))
    if revision is None:
        print(f"Database {urls.shown(url)} has none of our tables.", file=sys.stderr)
    else:
        print(revision + (" (head)" if revision == tables.HEAD else ""))
    return 0


def run_history(_: argparse.Namespace) -> int:
    """Print all revisions."""
    print(migrate.history(), end="")
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Check a database, one thing after another until one is wrong."""
    url = _url(arguments)

    def models() -> Found:
        if differences := migrate.differences(url):
            raise StorageError(
                f"The tables are not as this version made them: {differences}. Next: undo what was changed "
                "by hand, or restore a backup."
            )
        return Found("the tables are what this version expects")

    def neighbours() -> Found:
        return (
            Found(_AIRFLOWS, "warning")
            if migrate.is_airflows(maintenance.existing(url))
            else Found("no tables of Airflow's")
        )

    looks: dict[str, Callable[[], Found]] = {
        "connection": lambda: Found(f"{maintenance.connect(url)}, {urls.shown(url)}"),
        "revision": lambda: Found(f"{maintenance.check_revision(url)} (head)"),
        "tables": models,
        "neighbours": neighbours,
    }
    checks: list[Check] = []
    for name, look in looks.items():
        checks.append(check(name, look))
        if checks[-1].status == "unhealthy":
            break
    return report(checks, as_json=arguments.json)


def run_purge(arguments: argparse.Namespace) -> int:
    """Clean up."""
    counts = maintenance.purge(_url(arguments), tokens_older_than=arguments.tokens_older_than)
    if arguments.json:
        print_json(counts)
    else:
        print("Deleted: " + ", ".join(f"{count} from {table}" for table, count in counts.items()) + ".")
    return 0


def run_backup(arguments: argparse.Namespace) -> int:
    """Back up."""
    url = _url(arguments)
    maintenance.backup(url, arguments.target)
    print(f"{urls.shown(url)} is copied to {arguments.target}.")
    return 0


def _url(arguments: argparse.Namespace) -> URL:
    if arguments.registry:
        return urls.registry()
    if arguments.url is not None:
        return urls.parse(arguments.url, "--url")
    if not config.has_database():
        raise ConfigurationError(
            "No database is configured. Next: set LARK_DATABASE_URL, or POSTGRES_HOST, POSTGRES_USER, "
            "POSTGRES_PASSWORD and POSTGRES_DB; or pass --url, or --registry for the registry of apps."
        )
    return urls.database()


def _moved(url: URL, move: Callable[[URL, str], None], revision: str) -> int:
    is_new = url.drivername == urls.SQLITE_DRIVER and not config.is_there(Path(str(url.database)))
    before = None if is_new else migrate.version(maintenance.existing(url))
    move(url, revision)
    after = migrate.version(maintenance.existing(url))
    change = (
        f"stays at {after}" if before == after else f"went from {before or 'nothing'} to {after or 'nothing'}"
    )
    print(f"Database {urls.shown(url)} {change}.")
    if migrate.is_airflows(maintenance.existing(url)):
        print(f"Warning: {_AIRFLOWS}", file=sys.stderr)
    return 0


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age; write it as 90m, 12h or 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
