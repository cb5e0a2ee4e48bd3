"""`/mail/v1/users/query`: which addresses of the company's mail there are."""

from __future__ import annotations

import re
from typing import Any

from lark_emulator import codes_office
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_json_object, read_text_list, refuse_parameter

MALFORMED, NO_DOMAIN, NO_ADDRESS, ENABLED, DELETED, DISABLED = 1, 2, 3, 4, 5, 6
MEMBER = 1
MAX_ADDRESSES = 1000
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def query(call: Call) -> dict[str, Any]:
    """Answer with the state of each address: those of `enterprise_email` exist."""
    addresses = read_text_list(
        read_json_object(call, codes_office.MAIL_PARAM), "email_list", limit=MAX_ADDRESSES
    )
    if not addresses:
        refuse_parameter("email_list", addresses, "email_list is required")
    known = {user.enterprise_email: user for user in call.world.users.values() if user.enterprise_email}
    domains = {address.rpartition("@")[2] for address in known}
    user_list = []
    for address in addresses:
        user = known.get(address)
        if user is not None:
            gone = user.status in ("resigned", "exited")
            status = DELETED if gone else DISABLED if user.status == "frozen" else ENABLED
            user_list.append({"email": address, "status": status, "type": MEMBER})
        elif not _ADDRESS.fullmatch(address):
            user_list.append({"email": address, "status": MALFORMED})
        else:
            missing = NO_ADDRESS if address.rpartition("@")[2] in domains else NO_DOMAIN
            user_list.append({"email": address, "status": missing})
    return {"user_list": user_list}


ROUTES = (
    Route(
        "POST",
        "/open-apis/mail/v1/users/query",
        query,
        unconfirmed=(
            "a domain exists if a user's `enterprise_email` has it; no public mailboxes, groups, aliases",
            "an address that is not there has no `type`",
        ),
    ),
)
