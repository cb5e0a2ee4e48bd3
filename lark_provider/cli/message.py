"""`lark-provider message send`: send one message, the simplest test of a real tenant."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from lark_provider.api.receivers import ReceiverIdType
from lark_provider.cli import terminal
from lark_provider.cli.arguments import add_app_options, add_group
from lark_provider.cli.output import print_json
from lark_provider.client import LarkServiceClient


def add_to(commands: Any) -> None:
    """Add the command group to what `add_subparsers` returned."""
    send = add_group(commands, "message", "send messages").add_parser(
        "send",
        help="send a message",
        description="Send a message as an app of LARK_APP_ID and LARK_APP_SECRET, or of the registry "
        "(LARK_BASE_URL: feishu, lark or a URL). Prints the message id.",
    )
    add_app_options(send)
    send.add_argument(
        "--to",
        required=True,
        metavar="ID",
        help="ou_…, on_…, oc_…, an e-mail address, a mobile (+86…) or a user_id",
    )
    send.add_argument(
        "--to-type", choices=get_args(ReceiverIdType), help="the kind of ID, if its shape misleads"
    )
    kind = send.add_mutually_exclusive_group()
    kind.add_argument("--post", action="store_true", help="the text is Markdown, sent as rich text")
    kind.add_argument("--card", action="store_true", help="the text is card JSON")
    send.add_argument("--title", default="", help="the title, with --post")
    send.add_argument(
        "--mention", action="append", default=[], metavar="ID", help="an open_id or 'all'; repeatable"
    )
    send.add_argument("--idempotency-key", metavar="KEY", help="a repeat within the hour sends nothing")
    send.add_argument("--json", action="store_true", help="print Lark's whole answer")
    send.add_argument("text", help="what to send; - reads standard input")
    send.set_defaults(run=run_send)


def run_send(arguments: argparse.Namespace) -> int:
    """Send a message and print its id."""
    text = terminal.read_all() if arguments.text == "-" else arguments.text
    options: dict[str, Any] = {
        "receiver_id_type": arguments.to_type,
        "mentions": arguments.mention,
        "idempotency_key": arguments.idempotency_key,
    }
    with LarkServiceClient(arguments.app_id, tenant_key=arguments.tenant_key) as client:
        if arguments.card:
            answer = client.messaging.send_card(arguments.to, text, **options)
        elif arguments.post:
            answer = client.messaging.send_post(arguments.to, text, title=arguments.title, **options)
        else:
            answer = client.messaging.send_text(arguments.to, text, **options)
    if arguments.json:
        print_json(answer.data, one_line=True)
    else:
        print(answer.data["message_id"])
    return 0
