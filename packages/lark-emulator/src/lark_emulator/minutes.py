"""`/minutes/v1/minutes`: what is known about a recording; the control plane adds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes_office
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_user_id_type

if TYPE_CHECKING:
    from lark_emulator.world.documents import Minute

TOKEN_LENGTH = 24


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /minutes/v1/minutes/:minute_token`: times are milliseconds in strings."""
    id_type = read_user_id_type(call)
    token = call.params["minute_token"]
    if len(token) != TOKEN_LENGTH:
        raise RefusedError(codes_office.MINUTE_PARAM)
    minute: Minute | None = call.world.minutes.get(token)
    if minute is None:
        raise RefusedError(codes_office.MINUTE_UNKNOWN)
    owner = call.world.users[minute.owner]
    if not call.app.sees(owner.user_id):
        raise RefusedError(codes_office.MINUTE_DENIED)
    return {
        "minute": {
            "token": minute.token,
            "owner_id": owner.get_id(call.app, id_type),
            "create_time": str(minute.create_time),
            "title": minute.title,
            "cover": f"https://emulator.invalid/minutes/{minute.token}.png",
            "duration": str(minute.duration),
            "url": f"https://emulator.invalid/minutes/{minute.token}",
            "note_id": "",
        }
    }


ROUTES = (
    Route(
        "GET",
        "/open-apis/minutes/v1/minutes/:minute_token",
        get,
        unconfirmed=("an app may read those whose owner it sees",),
    ),
)
