"""`GET /user/v1/batch_get_id`: the API that was there before `/contact/v3/users/batch_get_id`."""

from __future__ import annotations

from typing import Any

from lark_emulator.contact.users import MAX_PER_KIND, RANGE, by_address, may_see
from lark_emulator.routing import Call, Route
from lark_emulator.validation import refuse_parameter


def batch_get_id(call: Call) -> dict[str, Any]:
    """Answer `GET /user/v1/batch_get_id`: both ids by address; a member is absent where it would be empty."""
    answer: dict[str, Any] = {}
    for kind in ("email", "mobile"):
        name = f"{kind}s"
        addresses = [value for key, value in call.query_pairs if key == name and value]
        if len(addresses) > MAX_PER_KIND:
            refuse_parameter(name, len(addresses), f"the max len is {MAX_PER_KIND}")
        for address in addresses:
            user = by_address(call, kind, address)
            if user is None or user.status == "resigned":
                answer.setdefault(f"{name}_not_exist", []).append(address)
                continue
            ids = {"open_id": user.get_id(call.app, "open_id")}
            if may_see(call.app, "user_id"):
                ids["user_id"] = user.user_id
            answer.setdefault(f"{kind}_users", {})[address] = [ids]
    return answer


ROUTES = (
    Route(
        "GET",
        "/open-apis/user/v1/batch_get_id",
        batch_get_id,
        unconfirmed=(
            "members that would be empty are left out, as published clients expect; 99992402 beyond 50",
            "who has resigned does not exist",
            RANGE,
        ),
        evidence="documentation",
    ),
)
