"""`lark-provider key …`: the keys that the registry is encrypted with."""

from __future__ import annotations

import argparse
from typing import Any

from lark_provider import config
from lark_provider.cli.arguments import add_group
from lark_provider.cli.output import describe_seal
from lark_provider.storage import urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key
from lark_provider.storage.people import People, make_unreadable_error

_ROTATION = f"""\
Encrypt again under the first key of {KEY_VARIABLE}: the registry, where what is not sealed yet is
sealed as well, and the users of Airflow that people are linked to, in the database.
A change of keys, without losing an app or a link:
1. `lark-provider key generate` makes the new key.
2. Set {KEY_VARIABLE}="NEW,OLD" on every host; both keys are read, the new one is written.
3. `lark-provider key rotate`, with the settings of registry and database. It changes all apps or none,
   and all links that the keys open, and can be run again.
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
    rotate.set_defaults(run=run_rotate)


def run_generate(_: argparse.Namespace) -> int:
    """Print a key."""
    print(generate_key())
    return 0


def run_rotate(_: argparse.Namespace) -> int:
    """Encrypt every app, and the user of every link, under the newest key."""
    apps = ApplicationManager().reseal()
    print(
        f"{len(apps)} app(s) in registry {urls.display(urls.registry())} are encrypted under the first key "
        f"of {KEY_VARIABLE}."
    )
    for app in apps:
        print(describe_seal(app.app_id, app.base_url))
    if config.has_database():
        links, unreadable = People(urls.database()).reseal()
        print(f"{len(links)} link(s) of people in database {urls.display(urls.database())} are, too.")
        if unreadable:
            raise make_unreadable_error(unreadable)
    print("Next: leave only that key there, on every host.")
    return 0
