"""`POST /contact/v3/users/batch_get_id`: user ids by e-mail address or mobile number."""

from __future__ import annotations

from typing import Any

from lark_provider.emulator import codes
from lark_provider.emulator.routing import Call, Route
from lark_provider.emulator.validation import json_object, text_list, user_id_type

MOST_PER_KIND = 50


def batch_get_id(call: Call) -> dict[str, Any]:
    """Answer with one entry per address asked for; unknown ones come back without `user_id`."""
    id_type = user_id_type(call)
    body = json_object(call, codes.CONTACT_PARAM)
    found: list[dict[str, Any]] = []
    for kind, member in (("email", "emails"), ("mobile", "mobiles")):
        for address in text_list(body, member, most=MOST_PER_KIND):
            entry: dict[str, Any] = {kind: address}
            user = next((u for u in call.world.users.values() if getattr(u, kind) == address), None)
            if user is not None:
                # The key is `user_id` whatever type of id was asked for.
                entry["user_id"] = user.id_for(call.app, id_type)
                if body.get("include_resigned"):
                    entry["status"] = {
                        "is_frozen": False,
                        "is_resigned": False,
                        "is_activated": True,
                        "is_exited": False,
                        "is_unjoin": False,
                    }
            found.append(entry)
    return {"user_list": found}


ROUTES = (
    Route(
        "POST",
        "/open-apis/contact/v3/users/batch_get_id",
        batch_get_id,
        unconfirmed=(
            "`status` is sent only with `include_resigned`",
            "mobile numbers match only as they are stored, with `+86`",
        ),
    ),
)
