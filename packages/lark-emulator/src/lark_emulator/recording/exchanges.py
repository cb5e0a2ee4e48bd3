"""What was recorded, as stubs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lark_emulator.masking import is_secret
from lark_emulator.recording.scrub import Scrubber
from lark_emulator.stubs.matching import parse, read_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark_emulator.exchange import Request

#: Members that differ each time a program runs: they tell no request from another.
_FRESH = frozenset({"uuid", "client_token", "timestamp", "nonce", "sign", "request_id"})
_CREDENTIALS = ("authorization", "cookie", "x-lark-signature")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer, as they were."""

    request: Request
    status: int
    content_type: str
    body: bytes


def make_stubs(exchanges: Iterable[Exchange]) -> list[dict[str, Any]]:
    """Return the stubs that give these answers again, without anything secret.

    Requests that are equal are answered in the order of the recording, the last answer from then on. The body
    is matched where it alone tells requests from each other.
    """
    recorded = list(exchanges)
    scrubber = Scrubber()
    for exchange in recorded:
        _learn(scrubber, exchange)
    groups: dict[str, list[tuple[dict[str, Any], dict[str, Any], Any]]] = {}
    for exchange in recorded:
        match, body = _match(scrubber, exchange)
        groups.setdefault(repr(sorted(match.items(), key=repr)), []).append(
            (match, _answer(scrubber, exchange), body)
        )
    return [stub for group in groups.values() for stub in _make_group_stubs(group)]


def _make_group_stubs(group: list[tuple[dict[str, Any], dict[str, Any], Any]]) -> list[dict[str, Any]]:
    bodies = {repr(body) for _, _, body in group}
    by_body: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for match, answer, body in group:
        full_match = {**match, "body": body} if len(bodies) > 1 and body is not None else match
        by_body.setdefault(repr(body), []).append((full_match, answer))
    # A stub without a body matches them all, so that it comes last.
    ordered = sorted(by_body.values(), key=lambda same: "body" not in same[0][0])
    return [stub for same in ordered for stub in _in_turn(same)]


def _in_turn(same: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for match, answer in same:
        if turns and turns[-1]["answer"] == answer:
            turns[-1]["times"] += 1
        else:
            turns.append({"match": match, "answer": answer, "times": 1})
    turns[-1].pop("times")
    return turns


def _learn(scrubber: Scrubber, exchange: Exchange) -> None:
    request = exchange.request
    for name in _CREDENTIALS:
        value = request.headers.get(name, "")
        scrubber.learn_secret(value.partition(" ")[2] if value.startswith("Bearer ") else value)
    scrubber.learn(_query(request), request.path)
    scrubber.learn(request.path)
    if "/bot/v2/hook/" in request.path:
        scrubber.learn_secret(request.path.rpartition("/")[2])
    for body in (read_body(request), parse(exchange.body)):
        scrubber.learn(body, request.path)
    for raw in (request.body, exchange.body):
        if parse(raw) is None:
            scrubber.learn(raw.decode("utf-8", "replace"))


def _query(request: Request) -> dict[str, list[str]]:
    query: dict[str, list[str]] = {}
    for name, value in request.query:
        query.setdefault(name, []).append(value)
    return query


def _match(scrubber: Scrubber, exchange: Exchange) -> tuple[dict[str, Any], Any]:
    request = exchange.request
    path = "/".join(scrubber.scrub_text(unquote(part)) for part in request.path.split("/"))
    query = {
        scrubber.scrub_text(name): scrubber.scrub_text(value)
        for name, value in request.query
        if not is_secret(name, request.path)
    }
    # What would be a parameter, a wildcard or the end of a path in a stub stands for one segment of any kind.
    path = "/".join(
        "*" if part.startswith(":") or set("*?#") & set(part) else part for part in path.split("/")
    )
    match: dict[str, Any] = {"method": request.method, "path": path}
    if query:
        match["query"] = query
    body = read_body(request) if request.method not in ("GET", "HEAD") else None
    return match, _select_telling(scrubber.scrub_value(body, request.path), request.path)


def _select_telling(value: Any, path: str) -> Any:
    """Return of a body what tells a request from others: neither credentials nor what is new each time.

    JSON within strings is unfolded, so that white space in it tells nothing.
    """
    if isinstance(value, dict):
        kept = {
            name: _select_telling(inner, path)
            for name, inner in value.items()
            if name not in _FRESH and not is_secret(name, path)
        }
        return kept or None
    if isinstance(value, list):
        return [_select_telling(inner, path) for inner in value]
    unfolded = parse(value) if isinstance(value, str) and value[:1] in ("{", "[") else None
    return value if unfolded is None else _select_telling(unfolded, path)


def _answer(scrubber: Scrubber, exchange: Exchange) -> dict[str, Any]:
    answer: dict[str, Any] = {"status": exchange.status, "template": False}
    value = parse(exchange.body)
    if value is not None:
        answer["json"] = scrubber.scrub_value(value, exchange.request.path)
    elif exchange.body:
        answer["text"] = scrubber.scrub_text(exchange.body.decode("utf-8", "replace"))
        answer["headers"] = {"Content-Type": exchange.content_type or "text/plain"}
    return answer
