"""The part of the control plane for long connections: to look at them, and to break them."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from lark_emulator.control.specs import read_count, read_text, refuse_unknown, require_known
from lark_emulator.websocket.faults import KINDS, MessageFault

if TYPE_CHECKING:
    from lark_emulator.lark import Lark
    from lark_emulator.websocket.links import Link

_WHICH = ("app_id", "connection_id")
_APPLICATION_CODES = range(3000, 5000)
_CODES = (*range(1000, 1004), *range(1007, 1015), *_APPLICATION_CODES)
#: Of a close frame, in bytes.
_MAX_REASON_LENGTH = 123


def list_all(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return the open connections, all or of one app (`app_id`), and the failures still to come."""
    refuse_unknown(spec, *_WHICH)
    return {
        "connections": [link.to_dict() for link in _choose(lark, spec)],
        "counts": dict(lark.links.counts),
        "faults": [fault.to_dict() for fault in lark.links.faults],
    }


def drop(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Drop connections: all, those of an app (`app_id`), or one (`connection_id`).

    Args:
        lark: The emulator whose connections are dropped.
        spec: Arguments by name: besides these, `code` and `reason` of a close frame; without a `code`, TCP
            breaks without one.

    Returns:
        `dropped`: how many there were.
    """
    refuse_unknown(spec, *_WHICH, "code", "reason")
    code, reason = spec.get("code"), read_text(spec, "reason")
    if code is None and reason:
        raise ValueError("a 'reason' needs a 'code'")
    if code is not None and (not isinstance(code, int) or isinstance(code, bool) or code not in _CODES):
        raise ValueError(
            f"'code' must be a close code that can be sent (1000, 1001, 3000 to 4999, …), not {code!r}"
        )
    if len(reason.encode()) > _MAX_REASON_LENGTH:
        raise ValueError(f"'reason' must have at most {_MAX_REASON_LENGTH} bytes")
    links = _choose(lark, spec)
    for link in links:
        if code is None:
            link.drop()
        else:
            link.close(code, reason)
    return {"dropped": len(links)}


def hang(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Silence connections, chosen as in `drop`: TCP stays, and nothing is sent, heard or answered any more.

    Returns:
        `hanging`: how many were silenced.
    """
    refuse_unknown(spec, *_WHICH)
    links = _choose(lark, spec)
    for link in links:
        link.hangs = True
    return {"hanging": len(links)}


def send(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Send something over connections, chosen as in `drop`, whatever it is.

    Args:
        lark: The emulator whose connections are used.
        spec: Arguments by name: besides `app_id` and `connection_id`, `data` (Base64 of a binary message) or
            `text` (a text message).

    Returns:
        `sent`: over how many.
    """
    refuse_unknown(spec, *_WHICH, "data", "text")
    if ("data" in spec) == ("text" in spec):
        raise ValueError("one of 'data' and 'text' must be there")
    try:
        data = base64.b64decode(read_text(spec, "data"), validate=True)
    except binascii.Error as error:
        raise ValueError(f"'data' must be Base64: {error}") from None
    links = _choose(lark, spec)
    for link in links:
        if "text" in spec:
            link.send_text(read_text(spec, "text"))
        else:
            link.send([data])
    return {"sent": len(links)}


def add_fault(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Plan a failure of messages that are still to be delivered.

    Args:
        lark: The emulator whose messages fail.
        spec: Arguments by name: `kind`, see `websocket.faults.KINDS`; `app_id` (absent = all apps); `times`
            (how many messages fail, 1 if absent); `skip` (how many pass first, 0 if absent).

    Returns:
        As `list_all`.
    """
    refuse_unknown(spec, "kind", "app_id", "times", "skip")
    kind, skip = read_text(spec, "kind"), spec.get("skip", 0)
    if kind not in KINDS:
        raise ValueError(f"'kind' must be one of {', '.join(KINDS)}, not {kind!r}")
    if not isinstance(skip, int) or isinstance(skip, bool) or skip < 0:
        raise ValueError(f"'skip' must be a number from 0, not {skip!r}")
    app_id = read_text(spec, "app_id")
    if app_id:
        require_known(lark.world.apps, "app", app_id)
    lark.links.faults.append(MessageFault(kind, app_id, read_count(spec, "times"), skip))
    return list_all(lark, {})


def clear_faults(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Forget all planned failures of messages."""
    lark.links.faults.clear()
    return {}


def _choose(lark: Lark, spec: dict[str, Any]) -> list[Link]:
    app_id, connection_id = read_text(spec, "app_id"), read_text(spec, "connection_id")
    if app_id:
        require_known(lark.world.apps, "app", app_id)
    links = lark.links.list_links(app_id) if app_id else lark.links.list_all()
    if connection_id:
        return [require_known({link.connection_id: link for link in links}, "connection", connection_id)]
    return links
