"""Failures of the long connection on demand, one for each event or card callback that is delivered."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

#: What can go wrong with a message.
KINDS = {
    "lose": "it is not sent, and counts as sent",
    "drop_before": "the connection is dropped instead of sending it",
    "drop_after": "the connection is dropped right after it was sent",
    "hang": "from this message on the connection is silent, while its TCP connection stays",
    "garbage": "bytes that are not a frame come before it",
    "duplicate": "it is sent twice",
    "shuffle": "it comes in several frames, the last one first",
    "incomplete": "it comes in several frames, and the last one is lost",
    "card": "its type is `card`, which the official SDKs drop",
    "ignore_ack": "its acknowledgement is ignored",
}


@dataclass(slots=True)
class MessageFault:
    """One planned failure.

    Args:
        kind: The kind of failure, one of `KINDS`.
        app_id: The id of the app whose messages fail; empty = all apps.
        times: How many messages fail.
        skip: How many messages pass first.
    """

    kind: str
    app_id: str = ""
    times: int = 1
    skip: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return what is left of the plan, for the control plane."""
        return asdict(self)


def strike(planned: list[MessageFault], app_id: str) -> str:
    """Return the kind of the first fault that hits a message to an app, used up by one; empty if none."""
    for fault in planned:
        if fault.app_id not in ("", app_id):
            continue
        if fault.skip > 0:
            fault.skip -= 1
            continue
        fault.times -= 1
        if fault.times <= 0:
            planned.remove(fault)
        return fault.kind
    return ""
