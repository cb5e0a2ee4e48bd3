"""`lark-provider db …`: the tables of the database, or of the registry."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, Connection

from lark_provider import config
from lark_provider.checks import Check, CheckOutcome, check
from lark_provider.cli.arguments import add_group, parse_age
from lark_provider.cli.output import describe_seal, print_json
from lark_provider.cli.report import report
from lark_provider.errors import ConfigurationError
from lark_provider.storage import maintenance, migrate, purging, retention, sealing, urls
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.errors import StorageError
from lark_provider.support import periods

_WHICH = (
    "By default the database of LARK_DATABASE_URL, else of POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB, "
    "POSTGRES_USER and POSTGRES_PASSWORD."
)
_AIRFLOWS = (
    "Airflow's own tables are in this database too. Next: give Lark a database of its own, so that upgrades "
    "and backups of one leave the other alone."
)


_KEPT = {
    "tokens": "how long ago tokens expired",
    "user_cache": "how long ago entries of people expired",
    "leases": "how long ago leases ended",
    "card_callbacks": "how old clicks are",
    "form_inputs": "how old clicks are of which only what was entered is deleted",
    "card_answers": "how long ago waits of version 0.1 were decided",
    "handled_events": "how long ago events were handled",
    "waits": "how long ago questions were decided or closed",
    "ledger": "how long ago loads and messages with a key were last written or tried",
    "questions": "how long ago questions of Airflow were over",
    "people": "how long ago links of people to Airflow's users were revoked",
    "incidents": "how long ago the failures of runs last changed",
    "commands": "how long ago chat commands were answered for the last time",
    "outbox": "how long ago notifications were delivered or given up",
    "record_cursors": "how long ago watched tables were last scanned",
}


def _format_default(name: str) -> str:
    period = getattr(retention.Retention(), name)
    return "with the click" if period is None else periods.format_period(period)


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    group = add_group(commands, "db", "the database: migrations, clean-up, backup", _WHICH)
    _add_migrations(group)
    _add_maintenance(group)


def _add_action(
    group: Any, name: str, run: Callable[[argparse.Namespace], int], text: str, more: str = ""
) -> argparse.ArgumentParser:
    """Add an action on a database that options choose."""
    parser: argparse.ArgumentParser = group.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}{_WHICH}"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--registry",
        action="store_true",
        help="the registry of apps instead: LARK_REGISTRY_PATH, else config/applications.db",
    )
    which.add_argument("--url", help="any other, postgresql://… or sqlite:///…; an argument shows in `ps`")
    parser.set_defaults(run=run)
    return parser


def _add_migrations(group: Any) -> None:
    upgrade = _add_action(
        group,
        "upgrade",
        run_upgrade,
        "bring the tables up to date",
        "Like `alembic upgrade`; and rows of the registry that are not sealed yet are sealed, which needs "
        "LARK_CONFIG_ENCRYPTION_KEY. ",
    )
    upgrade.add_argument("revision", nargs="?", default="head", help="as alembic writes it (default: head)")
    upgrade.add_argument(
        "--seal-unsealed",
        action="store_true",
        help="also seal rows of version 0.1 in a registry that was upgraded before; compare their base URLs "
        "first, since any user who can write to the registry could have changed them",
    )
    downgrade = _add_action(
        group,
        "downgrade",
        run_downgrade,
        "take the tables back to an older revision",
        "Like `alembic downgrade`: tables made since are dropped with what is in them. ",
    )
    downgrade.add_argument("revision", help="as alembic writes it: -1, 0001, base")
    _add_action(group, "current", run_current, "print the revision")
    history = group.add_parser(
        "history", help="print all revisions", description="Print all revisions that this version knows."
    )
    history.set_defaults(run=run_history)


def _add_maintenance(group: Any) -> None:
    look = _add_action(
        group,
        "check",
        run_check,
        "check connection, revision and tables",
        "Ends with 1 if one is wrong; a database that is also Airflow's is a warning. ",
    )
    purge = _add_action(
        group,
        "purge",
        run_purge,
        "delete what was kept for long enough",
        "No token that works is deleted, and nothing that an open question needs. "
        f"{retention.PREFIX}TOKENS and so on set what the options set. ",
    )
    for name, what in _KEPT.items():
        purge.add_argument(
            f"--{name.replace('_', '-')}-older-than",
            type=parse_age,
            metavar="AGE",
            help=f"{what}: 90m, 12h, 7d (default: {_format_default(name)})",
        )
    for parser in (look, purge):
        parser.add_argument("--json", action="store_true", help="print JSON")
    backup = _add_action(
        group,
        "backup",
        run_backup,
        "copy the database while it is in use",
        "SQLite: into a SQLite file. PostgreSQL: into SQL for psql, by pg_dump. Only this user may read it. ",
    )
    backup.add_argument("target", type=Path, help="the file to make; never one that is there")


def run_upgrade(arguments: argparse.Namespace) -> int:
    """Upgrade, and seal the rows of the registry if the database has one: both or neither."""
    sealed: list[str] = []
    url = _choose_url(arguments)
    unmarked = arguments.seal_unsealed or not _had_seals(url)

    def seal(connection: Connection) -> None:
        if migrate.has_seals(connection):
            rows = sealing.seal_all(connection, unmarked=unmarked)
            sealed.extend(describe_seal(row.app_id, row.base_url) for row in rows)

    def upgrade(url: URL, revision: str) -> None:
        migrate.upgrade(url, revision, then=seal)

    code = _migrate(url, upgrade, arguments.revision)
    for line in sealed:
        print(line)
    return code


def run_downgrade(arguments: argparse.Namespace) -> int:
    """Downgrade."""
    url = _choose_url(arguments)
    maintenance.require_engine(url)
    return _migrate(url, migrate.downgrade, arguments.revision)


def run_current(arguments: argparse.Namespace) -> int:
    """Print the revision of a database."""
    url = _choose_url(arguments)
    revision = migrate.read_version(maintenance.require_engine(url))
    if revision is None:
        print(f"Database {urls.display(url)} has none of our tables.", file=sys.stderr)
    else:
        print(migrate.describe(revision) if migrate.includes_head(revision) else revision)
    return 0


def run_history(_: argparse.Namespace) -> int:
    """Print all revisions."""
    print(migrate.format_history(), end="")
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Run the checks of a database until one fails."""
    url = _choose_url(arguments)

    def check_models() -> CheckOutcome:
        if differences := migrate.find_differences(url):
            raise StorageError(
                f"The tables are not as this version made them: {differences}. Next: undo what was changed "
                "by hand, or restore a backup."
            )
        return CheckOutcome("the tables are what this version expects")

    def check_neighbours() -> CheckOutcome:
        return (
            CheckOutcome(_AIRFLOWS, "warning")
            if migrate.is_airflows(maintenance.require_engine(url))
            else CheckOutcome("no tables of Airflow's")
        )

    looks: dict[str, Callable[[], CheckOutcome]] = {
        "connection": lambda: CheckOutcome(f"{maintenance.connect(url)}, {urls.display(url)}"),
        "revision": lambda: CheckOutcome(migrate.describe(maintenance.check_revision(url))),
        "tables": check_models,
        "neighbours": check_neighbours,
    }
    checks: list[Check] = []
    for name, look in looks.items():
        checks.append(check(name, look))
        if checks[-1].status == "unhealthy":
            break
    return report(checks, as_json=arguments.json)


def run_purge(arguments: argparse.Namespace) -> int:
    """Delete rows whose retention is over."""
    overrides = {name: getattr(arguments, f"{name}_older_than") for name in _KEPT}
    counts = purging.purge(_choose_url(arguments), retention.Retention.from_environment(**overrides))
    if arguments.json:
        print_json(counts)
        return 0
    inputs = counts.pop("form_inputs")
    deleted = ", ".join(f"{count} from {table}" for table, count in counts.items())
    print(f"Deleted: {deleted}; and what was entered with {inputs} click(s).")
    return 0


def run_backup(arguments: argparse.Namespace) -> int:
    """Back up."""
    url = _choose_url(arguments)
    maintenance.back_up(url, arguments.target)
    print(f"{urls.display(url)} is copied to {arguments.target}.")
    return 0


def _choose_url(arguments: argparse.Namespace) -> URL:
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


def _is_new(url: URL) -> bool:
    return url.drivername == urls.SQLITE_DRIVER and not config.is_there(Path(str(url.database)))


def _had_seals(url: URL) -> bool:
    """Return whether a registry had the column for seals before this command."""
    if _is_new(url):
        return False
    with hold_transaction(maintenance.require_engine(url), reading=True) as connection:
        return migrate.has_seals(connection)


def _migrate(url: URL, work: Callable[[URL, str], None], revision: str) -> int:
    before = None if _is_new(url) else migrate.read_version(maintenance.require_engine(url))
    work(url, revision)
    after = migrate.read_version(maintenance.require_engine(url))
    change = (
        f"stays at {after}" if before == after else f"went from {before or 'nothing'} to {after or 'nothing'}"
    )
    print(f"Database {urls.display(url)} {change}.")
    if migrate.is_airflows(maintenance.require_engine(url)):
        print(f"Warning: {_AIRFLOWS}", file=sys.stderr)
    return 0
