"""`lark-provider airflow people list|revoke`: who in Lark acts as which user of Airflow."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lark_provider.cli.arguments import WrongUseError, add_group, parse_unicode_text
from lark_provider.cli.output import format_line, print_json, render_table

if TYPE_CHECKING:
    from lark_provider.storage.people import Linked, People


def add_to(group: Any) -> None:
    """Add the command group to the actions of `airflow`."""
    people = add_group(
        group,
        "people",
        "list who is linked to which user of Airflow, or revoke links",
        "People link themselves on the page /lark/link of Airflow's API server, which a card leads to. Their "
        "links are in the database of LARK_DATABASE_URL, else of POSTGRES_HOST, ….",
    )
    _add_list(people)
    _add_revoke(people)


def _add_list(people: Any) -> None:
    command = people.add_parser("list", help="list links, by user of Airflow")
    command.add_argument("--revoked", action="store_true", help="also those that were revoked")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run_list)


def _add_revoke(people: Any) -> None:
    command = people.add_parser(
        "revoke",
        help="revoke links: clicks of these people act no more",
        description="Revoke links, from the next click on. Codes of these people that are not used yet end "
        "as well. Anyone who can still log in to Airflow can link again; and anyone who is in `people` or "
        "`email_domains` of lark.yaml acts without a link.",
    )
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "open_ids",
        nargs="*",
        type=parse_unicode_text,
        default=[],
        metavar="OPEN_ID",
        help="whose, as `list` shows it",
    )
    which.add_argument(
        "--user", type=parse_unicode_text, metavar="NAME", help="all of a user of Airflow, by name"
    )
    command.add_argument("--app-id", type=parse_unicode_text, help="of this app only")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run_revoke)


def run_list(arguments: argparse.Namespace) -> int:
    """Print who is linked."""
    links = _make_people().list_links(revoked=arguments.revoked)
    if arguments.json:
        print_json([_make_fields(linked) for linked in links])
        return 0
    if not links:
        print("No person is linked.")
        return 0
    head = ("Airflow user", "Id", "Open id", "App", "Tenant", "Linked", "State")
    print(render_table(head, [_make_row(linked) for linked in links]))
    return 0


def run_revoke(arguments: argparse.Namespace) -> int:
    """Revoke links, and print which."""
    people = _make_people()
    open_ids = dict.fromkeys(arguments.open_ids)
    if arguments.user is not None:
        listed = [linked for linked in people.list_links() if linked.account.user_name == arguments.user]
        open_ids = dict.fromkeys(
            linked.person.open_id for linked in listed if arguments.app_id in {None, linked.person.app_id}
        )
    revoked = [linked for open_id in open_ids for linked in people.revoke(open_id, app_id=arguments.app_id)]
    if not revoked:
        named = arguments.user if arguments.user is not None else ", ".join(open_ids)
        raise WrongUseError(
            f"There is no link of {named!r} to revoke. Next: look with `lark-provider airflow people list`."
        )
    if arguments.json:
        print_json([_make_fields(linked) for linked in revoked])
        return 0
    for linked in revoked:
        print(f"Revoked {format_line(linked.person.open_id)}: {format_line(linked.account.user_name)}")
    return 0


def _make_people() -> People:
    from lark_provider.storage import urls
    from lark_provider.storage.people import People

    return People(urls.database(None))


def _make_fields(linked: Linked) -> dict[str, Any]:
    person, account = linked.person, linked.account
    return {
        "user_name": account.user_name,
        "user_id": account.user_id,
        "auth_manager": account.auth_manager,
        "open_id": person.open_id,
        "app_id": person.app_id,
        "tenant_key": person.tenant_key,
        "linked_at": linked.linked_at.isoformat(),
        "state": "revoked" if linked.is_revoked else "linked",
    }


def _make_row(linked: Linked) -> tuple[str, ...]:
    fields = _make_fields(linked)
    names = ("user_name", "user_id", "open_id", "app_id", "tenant_key", "linked_at", "state")
    return tuple(format_line(str(fields[name])) for name in names)
