"""`lark-provider app …`: the apps of the registry."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

from lark_provider.cli import terminal
from lark_provider.cli.arguments import WrongUseError, add_group, parse_age
from lark_provider.cli.output import format_line, print_json, render_table
from lark_provider.cli.secret import WAYS, add_secret, read, read_or_ask
from lark_provider.storage import urls
from lark_provider.storage.applications import PREVIOUS_KEPT, ApplicationManager
from lark_provider.storage.errors import DecryptionError
from lark_provider.storage.registry import Application
from lark_provider.support import periods

_REGISTRY = (
    "The registry is config/applications.db, or what LARK_REGISTRY_PATH names: a path, or a database URL. "
    "Its secrets are encrypted with LARK_CONFIG_ENCRYPTION_KEY; `lark-provider key generate` makes one."
)
_SECRETS = {
    "app_secret": ("--app-secret", "App secret", "its secret"),
    "encrypt_key": ("--encrypt-key", "Encrypt Key", "the Encrypt Key of its events and callbacks"),
    "verification_token": ("--verification-token", "Verification Token", "the Verification Token there"),
}
_HEAD = ("App ID".ljust(16), "Name", "Status", "Created At")  # As wide as the deployment guide prints it.
_TIME = "%Y-%m-%d %H:%M:%S"


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    group = add_group(commands, "app", "the registry of apps", _REGISTRY)
    add = group.add_parser("add", help="add an app", description=f"Add an app. {_REGISTRY} {WAYS}")
    add.add_argument("--app-id", required=True, help="its id, cli_…")
    _add_settings(add, "asked for on a terminal", "none")
    add.set_defaults(run=run_add)

    apps = group.add_parser(
        "list",
        help="show all apps",
        description="Show all apps. Times are this machine's local time; with --json they are UTC. "
        f"{_REGISTRY}",
    )
    apps.add_argument("--json", action="store_true", help="print JSON")
    apps.set_defaults(run=run_list)

    show = group.add_parser(
        "show",
        help="show an app",
        description="Show an app, and which secrets are set; ends with 1 if the key does not fit them. "
        f"Times as for list. {_REGISTRY}",
    )
    _add_app_id(show)
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=run_show)

    update = group.add_parser(
        "update", help="change an app", description=f"Change what is given, and nothing else. {WAYS}"
    )
    _add_app_id(update)
    _add_settings(update, "unchanged", "unchanged; '' removes it")
    update.add_argument(
        "--keep-previous",
        type=parse_age,
        default=PREVIOUS_KEPT,
        metavar="AGE",
        help="how long the Encrypt Key and the Verification Token that are replaced are still accepted: 90m, "
        f"12h, 7d; 0 for not at all (default: {periods.format_period(PREVIOUS_KEPT)})",
    )
    update.set_defaults(run=run_update)

    for name, run, help_text in (
        ("enable", run_enable, "let clients act for an app again"),
        ("disable", run_disable, "have every client refuse to act for an app, within 30 seconds"),
    ):
        switch = group.add_parser(name, help=help_text, description=f"{help_text.capitalize()}. {_REGISTRY}")
        _add_app_id(switch)
        switch.set_defaults(run=run)

    remove = group.add_parser(
        "remove", help="remove an app and its secrets", description=f"Remove an app. {_REGISTRY}"
    )
    _add_app_id(remove)
    remove.add_argument("--yes", action="store_true", help="do not ask")
    remove.set_defaults(run=run_remove)


def run_add(arguments: argparse.Namespace) -> int:
    """Add an app."""
    manager = ApplicationManager()  # Reports a wrong key before a secret is typed.
    value = arguments.app_secret
    app_secret = read_or_ask(value, _SECRETS["app_secret"][1], _SECRETS["app_secret"][0])
    application = manager.create_application(
        arguments.app_id,
        app_secret,
        arguments.name or "",
        arguments.description or "",
        base_url=arguments.base_url,
        encrypt_key=_read("encrypt_key", arguments) or None,
        verification_token=_read("verification_token", arguments) or None,
    )
    print(f"App {application.app_id} is in registry {urls.display(urls.registry())} now.")
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    """Print all apps."""
    apps = ApplicationManager().list_applications()
    if arguments.json:
        print_json([dataclasses.asdict(app) for app in apps])
    elif apps:
        rows = [
            (app.app_id, app.name, _format_status(app), app.created_at.astimezone().strftime(_TIME))
            for app in apps
        ]
        print(render_table(_HEAD, rows))
    else:
        print(
            f"Registry {urls.display(urls.registry())} has no apps. Next: `lark-provider app add`.",
            file=sys.stderr,
        )
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Print an app."""
    manager = ApplicationManager()
    app = manager.get_application(arguments.app_id)
    fault: DecryptionError | None = None
    are_set: dict[str, bool] | None = None
    try:
        secrets = manager.decrypt_secrets(app.app_id)
        are_set = {name: getattr(secrets, name) is not None for name in _SECRETS}
    except DecryptionError as error:
        fault = error
    if arguments.json:
        print_json({**dataclasses.asdict(app), "secrets": are_set})
    else:
        lines = {
            "App ID": app.app_id,
            "Name": app.name,
            "Description": app.description,
            "Status": _format_status(app),
            "Base URL": app.base_url or "as each client's settings say",
            "Created At": app.created_at.astimezone().strftime(_TIME),
            "Updated At": app.updated_at.astimezone().strftime(_TIME),
            **{_SECRETS[name][1]: "set" if is_set else "not set" for name, is_set in (are_set or {}).items()},
        }
        for name, value in lines.items():
            print(f"{name + ':':<20} {format_line(value)}".rstrip())
    if fault is not None:
        raise fault
    return 0


def run_update(arguments: argparse.Namespace) -> int:
    """Change an app."""
    settings = ("name", "description", "base_url")
    if all(getattr(arguments, name) is None for name in (*settings, *_SECRETS)):
        raise WrongUseError(
            "At least one setting must be given. Next: pass one, such as --name or --app-secret."
        )
    manager = ApplicationManager()
    app = manager.get_application(arguments.app_id)
    changes = {name: _read(name, arguments) for name in _SECRETS}
    manager.update_application(
        app.app_id,
        **{name: getattr(arguments, name) for name in settings},
        **changes,
        keep_previous=arguments.keep_previous,
    )
    print(f"App {app.app_id} is changed.")
    return 0


def run_enable(arguments: argparse.Namespace) -> int:
    """Enable an app."""
    app = ApplicationManager().enable_application(arguments.app_id)
    print(f"App {app.app_id} is enabled.")
    return 0


def run_disable(arguments: argparse.Namespace) -> int:
    """Disable an app."""
    app = ApplicationManager().disable_application(arguments.app_id)
    print(f"App {app.app_id} is disabled: clients refuse to act for it within 30 seconds.")
    return 0


def run_remove(arguments: argparse.Namespace) -> int:
    """Remove an app, once confirmed."""
    manager = ApplicationManager()
    app_id = arguments.app_id.strip()
    if not arguments.yes:
        app = manager.get_application(app_id)
        if not terminal.confirm(f"Remove {app.name!r} ({app.app_id}) and its secrets?"):
            print("Nothing is removed.")
            return 1
    manager.delete_application(app_id)
    print(f"App {app_id} is removed.")
    return 0


def _add_app_id(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    options: dict[str, Any] = {"metavar": "APP_ID", "default": argparse.SUPPRESS, "help": "the app's id"}
    which.add_argument("app_id", nargs="?", **options)
    which.add_argument("--app-id", **options)


def _add_settings(parser: argparse.ArgumentParser, without_secret: str, without_others: str) -> None:
    parser.add_argument("--name", help="what people call it")
    parser.add_argument("--description", help="what it is for")
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="feishu, lark, or the URL of a private deployment; without it each client's settings count",
    )
    for name, (option, _, what) in _SECRETS.items():
        add_secret(parser, option, what, without_secret if name == "app_secret" else without_others)


def _read(name: str, arguments: argparse.Namespace) -> str | None:
    value = getattr(arguments, name)
    return None if value is None else read(value, _SECRETS[name][1])


def _format_status(app: Application) -> str:
    return "Active" if app.active else "Disabled"
