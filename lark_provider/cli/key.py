"""`lark-provider key …`: the keys that the registry is encrypted with."""

from __future__ import annotations

import argparse
from typing import Any

from lark_provider import config
from lark_provider.cli.arguments import add_group
from lark_provider.cli.output import describe_seal
from lark_provider.errors import ConfigurationError
from lark_provider.storage import urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key
from lark_provider.storage.people import People, Unreadable, make_unreadable_error

_ROTATION = f"""\
Encrypt again under the first key of {KEY_VARIABLE}: the registry, where what is not sealed yet is
sealed as well, and the users of Airflow that people are linked to, in the database.
A change of keys, without losing an app or a link:
1. `lark-provider key generate` makes the new key.
2. Set {KEY_VARIABLE}="NEW,OLD" on every host; both keys are read, the new one is written.
3. `lark-provider key rotate`, with the settings of registry and database. It changes all apps or none,
   and all links that the keys open, and can be run again. Where one of the two is missing, it says so: then
   keep both keys.
4. Set {KEY_VARIABLE}="NEW" on every host."""


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    group = add_group(commands, "key", "the keys of the registry")
    generate = group.add_parser(
        "generate", help="print a new key", description=f"Print a new key for {KEY_VARIABLE}."
    )
    generate.set_defaults(run=run_generate)
    rotate = group.add_parser(
        "rotate",
        help="encrypt the registry under the newest key",
        description=_ROTATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part = rotate.add_mutually_exclusive_group()
    part.add_argument(
        "--registry-only", action="store_true", help="there is no database: nobody is linked to a user"
    )
    part.add_argument(
        "--links-only", action="store_true", help="there is no registry: rotate the links alone"
    )
    rotate.set_defaults(run=run_rotate)


def run_generate(_: argparse.Namespace) -> int:
    """Print a key."""
    print(generate_key())
    return 0


def run_rotate(arguments: argparse.Namespace) -> int:
    """Encrypt every app, and the user of every link, under the newest key.

    Args:
        arguments: With `registry_only` and `links_only`, of which at most one is set.

    Returns:
        The exit code.

    Raises:
        ConfigurationError: There is no registry.
        DecryptionError: None of the keys fits an app or a link.
        StorageError: The registry or the database cannot be used.
    """
    registry = None if arguments.links_only else ApplicationManager()
    if registry is not None and not config.has_registry():
        raise ConfigurationError(
            f"Nothing was rotated: registry {urls.display(urls.registry())} does not exist. Next: set "
            f"{config.REGISTRY_VARIABLE} as the services have it, or run this in their folder; pass "
            "--links-only if there is no registry."
        )
    has_links = arguments.links_only or (config.has_database() and not arguments.registry_only)
    lines: list[str] = []
    unreadable: list[Unreadable] = []
    # Printing can fail, and must not keep the second database from being rotated.
    try:
        if registry is not None:
            apps = registry.reseal()
            lines.append(_describe(f"{len(apps)} app(s) in registry {urls.display(urls.registry())}"))
            lines += [describe_seal(app.app_id, app.base_url) for app in apps]
        if has_links:
            links, unreadable = People(urls.database()).reseal()
            lines.append(
                _describe(f"{len(links)} link(s) of people in database {urls.display(urls.database())}")
            )
    finally:
        for line in lines:
            print(line)
    if unreadable:
        raise make_unreadable_error(unreadable)
    if has_links or arguments.registry_only:
        print("Next: leave only that key there, on every host.")
    else:
        print(
            "Links of people were not rotated: no database is configured. Next: keep both keys, set "
            "LARK_DATABASE_URL or POSTGRES_HOST, …, as the services have it (in Airflow, [lark] database_url "
            "or database_conn_id), and run this again; pass --registry-only if there is no database."
        )
    return 0


def _describe(what: str) -> str:
    return f"{what} are encrypted under the first key of {KEY_VARIABLE}."
