"""`lark-provider drive`: who can open what, and what is in a folder."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any, get_args

from lark_provider.api.clouddoc.drive.documents import DocumentType
from lark_provider.api.clouddoc.drive.people import Grant, Share
from lark_provider.cli import output, wording
from lark_provider.cli.arguments import IntermixedParser, WrongUseError, add_app_options, add_group
from lark_provider.cli.sheet import share as share_of
from lark_provider.client import LarkServiceClient


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    actions = add_group(commands, "drive", "who can open what, and folders", parser_class=IntermixedParser)
    share = actions.add_parser(
        "share",
        help="let people and chats open a document or folder, or list who can",
        description="Let people and chats open a document or folder, or not any more, and print who can "
        "open it then. A stronger role stays. Without WHO, nothing is changed.",
    )
    add_app_options(share)
    share.add_argument("url", help="the link of the document or folder; or its token, with --type")
    share.add_argument(
        "who",
        nargs="*",
        type=share_of,
        metavar="WHO[:ROLE]",
        help="ou_…, on_…, oc_…, e-mail or mobile number, with :view (default), :edit or :full_access",
    )
    share.add_argument(
        "--remove",
        nargs="+",
        action="extend",
        default=[],
        metavar="WHO",
        help="take the right to open it from these",
    )
    share.add_argument("--type", choices=get_args(DocumentType), help="the kind of a token")
    share.add_argument("--json", action="store_true", help="print it as JSON")
    share.set_defaults(run=_share, words=wording.DRIVE_SHARE)
    listing = actions.add_parser("ls", help="list the files and folders in a folder")
    add_app_options(listing)
    listing.add_argument(
        "folder",
        nargs="?",
        help="a link, a token or a path such as Reports/2026-11; default: the app's own space",
    )
    listing.add_argument("--json", action="store_true", help="print it as JSON")
    listing.set_defaults(run=_list)


def _share(arguments: argparse.Namespace) -> int:
    shares: list[Share] = arguments.who
    removed: list[str] = arguments.remove
    if both := sorted({share.who for share in shares} & set(removed)):
        raise WrongUseError(
            f"--remove must name others than are added, got {both[0]!r} for both. Next: name it once."
        )
    with LarkServiceClient(arguments.app_id, tenant_key=arguments.tenant_key) as client:
        permissions = client.clouddoc.drive.permissions
        if shares:
            permissions.share(arguments.url, shares, type=arguments.type)
        for member in removed:
            permissions.remove(arguments.url, member, type=arguments.type)
        grants: list[Grant] = permissions.list(arguments.url, type=arguments.type)
    if arguments.json:
        output.print_json([asdict(grant) for grant in grants])
    else:
        rows = [(grant.name, grant.id, grant.type or grant.member_type, grant.role) for grant in grants]
        print(output.render_table(("name", "id", "kind", "role"), rows))
    return 0


def _list(arguments: argparse.Namespace) -> int:
    with LarkServiceClient(arguments.app_id, tenant_key=arguments.tenant_key) as client:
        files: list[Any] = list(client.clouddoc.drive.list_files(arguments.folder))
    if arguments.json:
        output.print_json(files)
    else:
        rows = [
            tuple(str(file.get(name) or "") for name in ("name", "type", "token", "url")) for file in files
        ]
        print(output.render_table(("name", "kind", "token", "link"), rows))
    return 0
