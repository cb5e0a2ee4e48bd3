"""Find out what became of records that an interrupted run was about to create.

A request that was sent before the run was killed may be performed after this run has read the table. So the
intent is settled first: by a look at the table, by the same request with the same token, or by waiting until
no request can be under way any more.
"""

from __future__ import annotations

import logging
from typing import Any

import orjson

from lark_provider.api.clouddoc.sync.reading import INVALID_FILTER, batches, work
from lark_provider.api.clouddoc.sync.writing import Writer
from lark_provider.protocol.errors import LarkAPIError
from lark_provider.protocol.ledger import Intent
from lark_provider.protocol.operations import Procedure

logger = logging.getLogger(__name__)
_LOOKED_FOR = 20
"""Keys that are looked for; a batch is all-or-nothing, so that one of them is enough."""


def settle(writer: Writer) -> Procedure[str]:
    """Settle the intent that an earlier run has left.

    Args:
        writer: Has the table's lease.

    Returns:
        `standing` if the records are there, `unknown` if what is read next decides; empty without an intent.
    """
    intent = yield from writer.turn.intent()
    if intent is None:
        return ""
    found = _read(intent)
    outcome = "unknown"
    if found is not None and found["key_fields"] == writer.reader.comparison.keys.names:
        is_fresh = intent.age < writer.options.token_window
        if (yield from _stands(writer, found["token"], found["keys"], is_fresh=is_fresh)):
            outcome = "standing"
    if outcome == "unknown":
        yield from writer.turn.pause(writer.options.settle_after - intent.age)
    yield from writer.turn.settled()
    logger.info(
        "Interrupted sync settled",
        extra={
            "outcome": outcome,
            "age_s": round(intent.age, 1),
            "records": len(found["keys"]) if found else None,
        },
    )
    return outcome


def _read(intent: Intent) -> dict[str, Any] | None:
    if intent.text is None:
        return None
    try:
        found: dict[str, Any] = orjson.loads(intent.text)
    except orjson.JSONDecodeError:
        return None
    return found if {"token", "keys", "key_fields"} <= found.keys() else None


def _stands(writer: Writer, token: str, keys: list[str], *, is_fresh: bool) -> Procedure[bool]:
    """Return whether the records are known to be there; else nothing is known."""
    if (yield from _is_seen(writer, keys)):
        return True
    return is_fresh and (yield from _repeated(writer, token, keys))


def _is_seen(writer: Writer, keys: list[str]) -> Procedure[bool]:
    """Return whether one of the records is there; batches are all-or-nothing, so that then all are."""
    if not writer.reader.comparison.keys.has_filter:
        return False
    try:
        items = yield from writer.reader.found(batches(keys)[0][:_LOOKED_FOR])
    except LarkAPIError as error:
        if error.code != INVALID_FILTER:
            raise
        return False
    wanted = set(keys)
    fields = [item.get("fields") or {} for item in items]
    return any(key in wanted for key in writer.reader.comparison.keys.of_table(fields))


def _repeated(writer: Writer, token: str, keys: list[str]) -> Procedure[bool]:
    """Send the same request with the same token; return whether Lark has answered that it stands.

    The values are those of the source as it is now: what differs is found by comparing afterwards.
    """
    wire = yield from work(lambda: writer.reader.index.wire(keys))
    if any(key not in wire for key in keys):
        return False
    rows = [{"fields": writer.reader.comparison.created(wire[key])} for key in keys]
    try:
        yield from writer.create(rows, token, keys, is_repeat=True)
    except LarkAPIError as error:
        logger.info("Repeated request was refused; waiting instead: %s", error, extra={"code": error.code})
        return False
    return True
