"""Answers made from the response models of the official SDK: the right members and types, and made-up values.

The models are in `response_models.json`, which `scripts/response_models.py` wrote; the SDK is not needed.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.exchange import Answer, as_json

if TYPE_CHECKING:
    from lark_emulator.routing import Call

HEADER, VALUE = "X-Lark-Emulator", "fallback"
#: Models hold themselves, as departments do: deeper objects are left out.
DEEPEST = 4
_MAX_ECHO_LENGTH = 64 * 1024


@cache
def load_models() -> dict[str, Any]:
    """Load the models: `endpoints` (the number of a model, or null, by name) and `models`."""
    loaded: dict[str, Any] = json.loads(
        files(__package__).joinpath("response_models.json").read_text("utf-8")
    )
    return loaded


def is_known(name: str) -> bool:
    """Return whether the shape of an endpoint's answer is known, by method and path template."""
    return name in load_models()["endpoints"]


def shape_answer(call: Call) -> Answer | None:
    """Return an answer of the right shape; None if the shape is not known.

    A member has the value of the request's path, query or body that has the same name and type, else a value
    made up of its name.
    """
    known = load_models()["endpoints"]
    if call.route.name not in known:
        return None
    number = known[call.route.name]
    values = {**call.query, **_read_members(call.body), **call.params}
    data = {} if number is None else _Maker(values, call.world.clock.get_time()).make(number, 0)
    answer = as_json({"code": 0, "msg": "success", "data": data})
    answer.headers[HEADER] = VALUE
    return answer


def _read_members(body: bytes) -> dict[str, Any]:
    if not body or len(body) > _MAX_ECHO_LENGTH:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


_PYTHON: dict[str, type | tuple[type, ...]] = {"s": str, "i": int, "f": (int, float), "b": bool}


class _Maker:
    """Makes values of one answer.

    Args:
        values: The members of the request by name.
        now: The current time of the emulator, in seconds since the epoch.
    """

    def __init__(self, values: dict[str, Any], now: float) -> None:
        self._values = values
        self._now = now

    def make(self, number: int, depth: int) -> dict[str, Any]:
        """Return an object of a model."""
        shape: dict[str, Any] = load_models()["models"][number]
        pairs = ((name, self._make_value(name, kind, depth)) for name, kind in shape.items())
        return {name: value for name, value in pairs if value is not None}

    def _make_value(self, name: str, kind: Any, depth: int) -> Any:
        if isinstance(kind, list):
            item = self._make_value(name, kind[0], depth)
            return [] if item is None else [item]
        if isinstance(kind, int):
            return self.make(kind, depth + 1) if depth < DEEPEST else None
        value = self._values.get(name)
        if kind in _PYTHON and isinstance(value, _PYTHON[kind]) and isinstance(value, bool) == (kind == "b"):
            return value
        return self._make_fresh_value(name, kind)

    def _make_fresh_value(self, name: str, kind: str) -> Any:
        """Return a value that clients can work with: pages end, ids are not empty, times are of today."""
        if kind == "b":
            return False
        is_time = name.endswith(("_time", "_at", "timestamp"))
        if kind in ("i", "f"):
            return int(self._now) if is_time else 0
        if kind == "a":
            return None
        if name.endswith("page_token"):
            return ""
        if is_time:
            return str(int(self._now))
        if name == "id" or name.endswith(("_id", "_token", "_key", "_guid")) or name in ("token", "key"):
            return f"fallback_{name}"
        return "https://example.com/" if name.endswith("url") else ""
