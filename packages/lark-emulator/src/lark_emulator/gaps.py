"""Lark's endpoints that are not emulated: they answer 501, and say so, so that no client takes it for Lark's.

Only paths that Lark does not have get its own 404. The list also keeps a documented path such as
`chats/search` from being taken for `chats/:chat_id`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.exchange import Answer, as_json
from lark_emulator.routing import FOLDER, Route, get_path_shape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark_emulator.routing import Call

CODE = -501
"""Lark's codes are positive, but for a few -1."""
HEADER, VALUE = "X-Lark-Emulator", "not-emulated"
_LIST = "known_endpoints.txt"


def list_known() -> list[tuple[str, str]]:
    """Return method and path of the endpoints that Lark has, as far as they are known."""
    lines = FOLDER.joinpath(_LIST).read_text("utf-8").splitlines()
    split = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return [(method, path) for path, _, method in split]


def list_gaps(routes: Iterable[Route]) -> list[Route]:
    """Return a route for each known endpoint that is not among the emulated ones.

    Args:
        routes: The routes of the emulated endpoints.
    """
    emulated = {(route.method, get_path_shape(route.path)) for route in routes}
    gaps: dict[tuple[str, str], Route] = {}
    for method, path in list_known():
        key = (method, get_path_shape(path))
        if key not in emulated:
            # No token is asked for: what is missing is said to everybody.
            gaps.setdefault(key, Route(method, path, _not_emulated, token=False, emulated=False))
    return list(gaps.values())


def describe_gap(route: Route) -> str:
    """Return what is missing, and how a test can answer it."""
    match = f'{{"method": "{route.method}", "path": "{route.path}"}}'
    return (
        f"not emulated: {route.name}; stub it with POST /_emulator/stubs "
        f'{{"match": {match}, "answer": {{"json": {{"code": 0, "data": {{}}}}}}}}, or turn on the setting '
        "fallback_answers"
    )


def _not_emulated(call: Call) -> dict[str, Any] | Answer:
    if call.settings.fallback_answers:
        # It loads a large table, which others need not load.
        from lark_emulator.fallback.answers import shape_answer

        fallback = shape_answer(call)
        if fallback is not None:
            return fallback
    answer = as_json({"code": CODE, "msg": describe_gap(call.route)}, 501)
    answer.headers[HEADER] = VALUE
    return answer
