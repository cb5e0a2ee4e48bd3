"""The control plane: `/_emulator/…`, and the same operations for Python callers in this process."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import orjson

from lark_provider.emulator import furnishing, snapshot
from lark_provider.emulator.exchange import Answer, as_json
from lark_provider.emulator.faults import Fault
from lark_provider.emulator.specs import only, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_provider.emulator.dispatch import Lark
    from lark_provider.emulator.exchange import Request

PREFIX = "/_emulator/"


def handle(lark: Lark, request: Request) -> Answer:
    """Answer a request under `/_emulator/`; bad input gets 400."""
    operation = OPERATIONS.get((request.method, request.path.removeprefix(PREFIX)))
    if operation is None:
        known = sorted(f"{method} {PREFIX}{path}" for method, path in OPERATIONS)
        return as_json({"error": f"no {request.method} {request.path}", "known": known}, 404)
    try:
        body = orjson.loads(request.body) if request.body else dict(request.query)
        if not isinstance(body, dict):
            return as_json({"error": "the body must be a JSON object"}, 400)
        return as_json(operation(lark, body))
    except ValueError as error:  # orjson.JSONDecodeError is one, too
        return as_json({"error": str(error)}, 400)


def state(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return everything the emulator holds; without records and messages if `summary` is 1."""
    lark.clock.ring()
    return snapshot.of(lark, summary=spec.get("summary") == "1")


def requests(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Return the request log and its counters."""
    return lark.log.as_dict()


def reset(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Return to the state of a fresh emulator."""
    lark.reset()
    return {}


def settings(lark: Lark, changes: dict[str, Any]) -> dict[str, Any]:
    """Change settings, all or none, and return them all."""
    lark.settings.change(changes)
    return lark.settings.as_dict()


def faults(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Return the failures still to come."""
    return {"faults": [fault.as_dict() for fault in lark.faults.planned]}


def add_fault(lark: Lark, plan: dict[str, Any]) -> dict[str, Any]:
    """Plan a failure, see `faults.Fault`."""
    lark.faults.planned.append(Fault.made_from(plan))
    return faults(lark, {})


def clear_faults(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Forget all planned failures."""
    lark.faults.planned.clear()
    return {}


def revoke_tokens(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Make tokens invalid at once: of one app (`app_id`), of one tenant (`tenant_key`), or all."""
    only(spec, "app_id", "tenant_key")
    return {"revoked": lark.tokens.revoke(text(spec, "app_id") or None, text(spec, "tenant_key") or None)}


def move_clock(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Move the clock forward by `advance` seconds, and return the time."""
    only(spec, "advance")
    seconds = spec.get("advance")
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not math.isfinite(seconds):
        raise ValueError(f"'advance' must be a number of seconds, not {seconds!r}")
    lark.clock.advance(seconds)
    lark.clock.ring()
    return {"now": lark.clock.now()}


OPERATIONS: dict[tuple[str, str], Callable[[Lark, dict[str, Any]], dict[str, Any]]] = {
    ("GET", "state"): state,
    ("GET", "requests"): requests,
    ("POST", "reset"): reset,
    ("GET", "settings"): lambda lark, _: settings(lark, {}),
    ("POST", "settings"): settings,
    ("GET", "faults"): faults,
    ("POST", "faults"): add_fault,
    ("DELETE", "faults"): clear_faults,
    ("POST", "tokens/revoke"): revoke_tokens,
    ("POST", "clock"): move_clock,
    ("POST", "apps"): furnishing.add_app,
    ("POST", "apps/change"): furnishing.change_app,
    ("POST", "users"): furnishing.add_user,
    ("POST", "users/change"): furnishing.change_user,
    ("POST", "chats"): furnishing.add_chat,
    ("POST", "webhooks"): furnishing.add_webhook,
    ("POST", "bases/share"): furnishing.share_base,
    ("POST", "wiki/nodes"): furnishing.add_wiki_node,
}
