"""How an app opens a long connection: it asks for an address with a ticket, and shakes hands there."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson

from lark_emulator import codes
from lark_emulator.exchange import Answer, Upgrade, as_json, make_plain_answer
from lark_emulator.routing import Call, Route
from lark_emulator.world.apps import App

if TYPE_CHECKING:
    import asyncio

    from lark_emulator.codes import Code
    from lark_emulator.exchange import Connection

DISCOVERY = "/callback/ws/endpoint"
SOCKET = "/ws/v2"
SWITCHING, BAD_REQUEST, REFUSED = 101, 400, 403


def discover(call: Call) -> dict[str, Any] | Answer:
    """Answer `POST /callback/ws/endpoint`."""
    app = _authenticate_app(call)
    if not isinstance(app, App):
        return _refuse_discovery(call, app)
    ticket = call.links.issue(app)
    # The Node SDK reads `service_id` wrongly if it is the first parameter: it takes the address for a query.
    query = urlencode(
        {
            "fpid": "493",
            "aid": "552564",
            "device_id": ticket.device_id,
            "access_key": ticket.access_key,
            "service_id": ticket.service_id,
            "ticket": ticket.secret,
        }
    )
    host = call.request.headers.get("host", "")
    scheme = "wss" if call.request.secure else "ws"
    return {"URL": f"{scheme}://{host}{SOCKET}?{query}", "ClientConfig": call.links.make_client_config()}


def _authenticate_app(call: Call) -> App | Code:
    try:
        body = orjson.loads(call.body)
    except orjson.JSONDecodeError:
        return codes.CONNECTION_NO_CREDENTIAL
    credentials = [body.get(name) for name in ("AppID", "AppSecret")] if isinstance(body, dict) else []
    texts = [value for value in credentials if isinstance(value, str) and value]
    if len(texts) != 2:  # noqa: PLR2004 - id and secret
        return codes.CONNECTION_NO_CREDENTIAL
    app = call.world.apps.get(texts[0])
    if app is None or not secrets.compare_digest(app.secret.encode(), texts[1].encode()):
        return codes.CONNECTION_BAD_CREDENTIAL
    if app.store:
        return codes.CONNECTION_FORBIDDEN
    is_off = app.event_mode == app.callback_mode == "http"
    if not app.enabled or (is_off and call.settings.connect_when_off == "1000040345"):
        return codes.CONNECTION_BAD_CREDENTIAL
    if call.settings.connection_limit_at == "discovery" and _is_full(call, app.app_id):
        return codes.CONNECTIONS_EXCEEDED
    return app


def _is_full(call: Call, app_id: str) -> bool:
    return len(call.links.list_links(app_id)) >= call.settings.connection_limit


def _refuse_discovery(call: Call, code: Code) -> Answer:
    call.links.count("refused")
    data: dict[str, Any] = {"data": {}} if call.settings.refusal_data == "empty" else {}
    return as_json({"code": code.number, "msg": code.msg, **data})


def connect(call: Call) -> Answer:
    """Answer the handshake of the WebSocket, `GET /ws/v2`."""
    if not call.request.upgrade:
        return make_plain_answer(BAD_REQUEST, "a WebSocket is opened here")
    ticket = call.links.find_ticket(call.query.get("ticket", ""), call.query.get("device_id", ""))
    app = None if ticket is None else call.world.apps.get(ticket.app_id)
    if ticket is None or app is None:
        return _refuse_handshake(call, codes.CONNECTION_AUTH_FAILED, codes.CONNECTION_BAD_CREDENTIAL)
    if not app.enabled:
        return _refuse_handshake(call, codes.CONNECTION_FORBIDDEN)
    if _is_full(call, app.app_id):
        return _refuse_handshake(call, codes.CONNECTION_AUTH_FAILED, codes.CONNECTIONS_EXCEEDED)

    from lark_emulator.websocket import link  # takes tens of milliseconds to load

    protocol, response = link.shake_hands(call.request.path, call.request.headers)
    if response.status_code != SWITCHING:
        return make_plain_answer(response.status_code, bytes(response.body or b"").decode())
    call.links.use(ticket)
    links = call.links

    def start(transport: asyncio.Transport, trailing_data: bytes, connections: set[Connection]) -> Connection:
        opened = link.WebSocketLink(links, ticket, protocol, transport, connections)
        opened.start(response, trailing_data)
        return opened

    return Upgrade(SWITCHING, b"", code=0, start=start)


def _refuse_handshake(call: Call, code: Code, detail: Code | None = None) -> Answer:
    """Refuse a handshake; the reason is in the headers, and the SDKs want all of them to be there."""
    call.links.count("refused")
    why = detail or code
    answer = make_plain_answer(REFUSED, why.msg)
    answer.headers |= {"Handshake-Status": str(code.number), "Handshake-Msg": why.msg}
    if detail is not None:
        answer.headers["Handshake-Autherrcode"] = str(detail.number)
    return answer


_DISCOVERY_GUESSES = (
    "that `data` is absent when it refuses (settable, `refusal_data`: empty); a store app gets 403; a "
    "disabled app gets 1000040345, as does one with both modes `http` (settable, `connect_when_off`: allowed)"
)
_SOCKET_GUESSES = (
    "HTTP status of a refused handshake: 403; a ticket that is unknown or was used gets 514 with 1000040345; "
    "whether too many connections are refused here alone (settable, `connection_limit_at`), and from which "
    "one on (settable, `connection_limit`)"
)
ROUTES = (
    Route(
        "POST",
        DISCOVERY,
        discover,
        token=False,
        unconfirmed=(_DISCOVERY_GUESSES, "`ClientAssertion` is not emulated"),
    ),
    Route(
        "GET",
        SOCKET,
        connect,
        token=False,
        unconfirmed=(_SOCKET_GUESSES, "compression is not offered"),
    ),
)
