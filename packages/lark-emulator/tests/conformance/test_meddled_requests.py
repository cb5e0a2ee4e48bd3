"""Every emulated endpoint gets the official SDK's requests, each also malformed in many ways.

A proxy stands between the SDK and the emulator. Before it passes a request on, it sends variants of it, and
then puts back what the tenant held: a variant meets the very objects that the request itself is for.
"""

from __future__ import annotations

import copy
import http.client
import json
import random
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from lark_emulator import Emulator, persistence
from lark_emulator.routes import ROUTES, TABLE
from tests.conformance import (
    accounts,
    approvals,
    card_entities,
    conversations,
    documents,
    drive_and_tasks,
    offices,
    spreadsheets,
)
from tests.conformance import test_every_endpoint as others
from tests.emulator.test_whatever_is_sent import ODD, ODD_TEXTS, places, with_odd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from lark_emulator.lark import Lark
    from lark_emulator.routing import Route
    from tests.conformance.conftest import Sdk

#: Variants of one request, and requests of one endpoint of which there are variants.
VARIANTS, MEDDLED = 24, 2
_ODD_BODIES = (b"", b"[]", b"null", b'{"', b"\xff\xfe", b"[" * 2000, b"1" * 5000, b'{"a":1e400}')
_NOT_PASSED_ON = {"host", "content-length", "connection", "accept-encoding"}


def _pack_state(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    return {"state": persistence.pack(lark)}


def _put_back(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    state = persistence._Unpickler(spec["state"].partition(b"\n")[2], lark.clock).load()
    vars(lark.world).update(state["world"])
    vars(lark.tokens).update(state["tokens"] | {"_settings": lark.settings})
    lark.connect()
    return {}


class Meddled(Emulator):
    """An emulator that clients reach through a proxy, which spoils their requests first."""

    def __enter__(self) -> Self:
        self.start()
        self.direct = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.failures: list[str] = []
        self.sent = 0
        self.meddled: Counter[str] = Counter()
        self._chance = random.Random(16)  # noqa: S311 - a test's
        handler = type("Bound", (_Handler,), {"emulator": self})
        self._proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._serving = threading.Thread(target=self._proxy.serve_forever, daemon=True)
        self._serving.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._proxy.shutdown()
        self._serving.join()
        self._proxy.server_close()
        self.direct.close()
        self.stop()

    @property
    def base_url(self) -> str:
        """Return the URL at which the proxy listens."""
        return f"http://127.0.0.1:{self._proxy.server_address[1]}"

    def meddle(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        """Send variants of a request, and put back what they changed."""
        match = TABLE.match(method, target.partition("?")[0])
        if match is None or self.meddled[match[0].name] >= MEDDLED:
            return
        self.meddled[match[0].name] += 1
        variants = list(_variants(method, target, headers, body, match[1]))
        variants = self._chance.sample(variants, min(VARIANTS, len(variants)))
        variants += ((method, target, headers, odd_body) for odd_body in _reshape(body))
        saved = self._do(_pack_state, {})
        for variant in variants:
            self.sent += 1
            try:
                status = self.ask(*variant)[0]
            except (http.client.HTTPException, OSError) as error:
                self.failures.append(f"{variant}: {error!r}")
                self.direct.close()
                continue
            if status == http.client.INTERNAL_SERVER_ERROR:
                self.failures.append(f"{variant}")
        self._do(_put_back, saved)

    def ask(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send a request to the emulator itself, and return its answer."""
        self.direct.request(method, target, body, headers)
        answer = self.direct.getresponse()
        return answer.status, answer.getheaders(), answer.read()


class _Handler(BaseHTTPRequestHandler):
    emulator: Meddled
    protocol_version = "HTTP/1.1"
    _lock = threading.Lock()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
        with self._lock:
            self.emulator.meddle(self.command, self.path, headers, body)
            status, answer_headers, content = self.emulator.ask(self.command, self.path, headers, body)
        self.send_response_only(status)
        for name, value in answer_headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815 - names of the library

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - of the library
        """Print nothing."""


def _variants(
    method: str, target: str, headers: dict[str, str], body: bytes, params: dict[str, str]
) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    path, _, query = target.partition("?")
    for value in params.values():
        for odd in (*ODD_TEXTS, "%", "\xff"):
            yield method, target.replace(quote(value), quote(odd[:200], safe=""), 1), headers, body
    pairs = parse_qsl(query, keep_blank_values=True)
    for place, (name, _) in enumerate(pairs):
        for odd in ODD_TEXTS:
            changed = [*pairs[:place], (name, odd), *pairs[place + 1 :]]
            yield method, f"{path}?{urlencode(changed)}", headers, body
        yield method, f"{path}?{urlencode(pairs[:place] + pairs[place + 1 :])}", headers, body
    for name in ("page_size", "page_token", "user_id_type", "client_token", "department_id_type"):
        for odd in (*ODD_TEXTS, "cGFnZTotNQ==", "cGFnZTrCsg=="):
            yield method, f"{path}?{urlencode([*pairs, (name, odd)])}", headers, body
    for odd_body in (*_ODD_BODIES, body[: len(body) // 2], body[:-1], body * 2):
        yield method, target, headers, odd_body
    for odd_type in ("", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"):
        yield method, target, {**headers, "Content-Type": odd_type}, body
    try:
        held = json.loads(body)
    except ValueError:
        return
    for place_ in places(held):
        for odd_value in ODD:
            yield method, target, headers, json.dumps(with_odd(held, place_, odd_value)).encode()
    yield from ((method, target, headers, json.dumps(variant).encode()) for variant in _inside(held))


def _reshape(body: bytes) -> Iterator[bytes]:
    """Yield a body with a list, an object and a number in the place of each of its values."""
    try:
        held = json.loads(body)
    except ValueError:
        return
    for place in places(held):
        shapes: tuple[Any, ...] = ([{}], {"a": []}, 7)
        for shape in shapes:
            yield json.dumps(with_odd(held, place, shape)).encode()


def _inside(held: Any) -> Iterator[Any]:
    """Yield a body with odd values in the JSON that its strings hold, such as the content of a message."""
    for place in places(held):
        value = held
        for key in place:
            value = value[key]
        if not isinstance(value, str) or value[:1] not in ("{", "["):
            continue
        try:
            inner = json.loads(value)
        except ValueError:
            continue
        for inner_place in places(inner):
            for odd in ODD:
                yield with_odd(copy.deepcopy(held), place, json.dumps(with_odd(inner, inner_place, odd)))


def _drive_people(lark: Emulator, sdk: Sdk, client: Any) -> None:
    _drive_accounts(lark, sdk, client)
    _drive_talk(lark, sdk, client)
    lark.settings(rate_limits=False)
    _drive_office(lark, sdk, client)


def _drive_content(lark: Emulator, sdk: Sdk, client: Any) -> None:
    _drive_tables(lark, sdk, client)
    _drive_papers(lark, sdk, client)


def _drive_accounts(lark: Emulator, sdk: Sdk, client: Any) -> None:
    accounts.tokens(lark, sdk, client)
    accounts.store_tokens(lark, sdk, client)
    accounts.user_tokens(lark, sdk, client)
    accounts.scopes(sdk, client)
    accounts.bot(sdk, client)


def _drive_talk(lark: Emulator, sdk: Sdk, client: Any) -> None:
    others.messages(sdk, client)
    others.files(sdk, client)
    others.card_update(lark, sdk, client)
    others.chats(sdk, client)
    conversations.drive(lark, sdk, client)
    card_entities.drive(sdk, client)


def _drive_tables(lark: Emulator, sdk: Sdk, client: Any) -> None:
    others.bitable(sdk, client)
    spreadsheets.drive(sdk, client)


def _drive_papers(lark: Emulator, sdk: Sdk, client: Any) -> None:
    others.wiki(lark, sdk, client)
    documents.drive(sdk, client)
    drive_and_tasks.drive(lark, sdk, client)
    lark.settings(rate_limits=False)
    drive_and_tasks.task(lark, sdk, client)


def _drive_office(lark: Emulator, sdk: Sdk, client: Any) -> None:
    accounts.contact(sdk, client)
    offices.drive(lark, sdk, client)


#: What drives endpoints, and whose endpoints it drives, all of them.
AREAS: dict[str, tuple[Callable[[Emulator, Sdk, Any], None], tuple[str, ...]]] = {
    "people": (
        _drive_people,
        (
            *("application", "auth", "authen", "bot", "calendar", "cardkit", "contact", "event", "im"),
            *("interactive", "mail", "message", "minutes", "task", "tenant"),
        ),
    ),
    "content": (_drive_content, ("bitable", "docx", "drive", "sheets", "wiki")),
    "approvals": (approvals.drive, ("approval",)),
}
#: Which are driven elsewhere: the long connection, downloads by a link, an endpoint of before.
_ELSEWHERE = ("ws", "api", "callback", "user", "v2")


@pytest.mark.parametrize("area", AREAS)
def test_malformed_requests_to_every_endpoint_are_answered(sdk: Sdk, area: str) -> None:
    drive, parts = AREAS[area]
    with Meddled(settings={"rate_limits": False, "write_ms": 0, "sheet_write_ms": 0}) as lark:
        drive(lark, sdk, sdk.client(lark))
        assert not lark.failures, "\n".join(lark.failures[:20])
        assert lark.state(summary=True)["crashes"] == 0
        own = {route.name for route in ROUTES if route.path.split("/")[2] in parts and _is_driven(route)}
        assert own - lark.meddled.keys() == set()
        assert lark.sent > 10 * len(own)


def _is_driven(route: Route) -> bool:
    return route.evidence == "sdk + documentation"


def test_no_area_is_missing() -> None:
    known = {*_ELSEWHERE, *(part for _, parts in AREAS.values() for part in parts)}
    assert {route.name for route in ROUTES if route.path.split("/")[2] not in known} == set()
