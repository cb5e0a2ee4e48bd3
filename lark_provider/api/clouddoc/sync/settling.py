"""Find out whether the records exist that an interrupted run was about to create.

A request that was sent before the run was killed may be performed after this run has read the table. So the
intent is settled first: by a look at the table, by the same request with the same token, or by waiting until
no request can be in flight any more.
"""

from __future__ import annotations

import logging

import orjson

from lark_provider.api.clouddoc.sync.index_work import work
from lark_provider.api.clouddoc.sync.reading import INVALID_FILTER, make_batches
from lark_provider.api.clouddoc.sync.turn import CreateIntent
from lark_provider.api.clouddoc.sync.writing import SyncWriter
from lark_provider.protocol.errors import LarkAPIError
from lark_provider.protocol.ledger import Intent
from lark_provider.protocol.operations import Procedure

logger = logging.getLogger(__name__)
_LOOKED_FOR = 20
"""Keys that are looked for; a batch is all-or-nothing, so that one of them is enough."""


def settle(writer: SyncWriter) -> Procedure[str]:
    """Settle the intent that an earlier run has left.

    Args:
        writer: Has the table's lease.

    Returns:
        `written` if the records are there, `unknown` if what is read next decides; empty without an intent.
    """
    intent = yield from writer.turn.read_intent()
    if intent is None:
        return ""
    recorded = _decode(intent)
    outcome = "written" if (yield from _is_written(writer, recorded)) else "unknown"
    if outcome == "unknown":
        yield from writer.turn.pause(writer.options.settle_after - intent.age)
    yield from writer.turn.forget_intent()
    logger.info(
        "Interrupted sync settled",
        extra={
            "outcome": outcome,
            "age_s": round(intent.age, 1),
            "records": len(recorded["keys"]) if recorded else None,
        },
    )
    return outcome


def _decode(intent: Intent) -> CreateIntent | None:
    if intent.text is None:
        return None
    try:
        recorded: CreateIntent = orjson.loads(intent.text)
    except orjson.JSONDecodeError:
        return None
    return recorded if {"token", "keys", "key_fields"} <= recorded.keys() else None


def _is_written(writer: SyncWriter, recorded: CreateIntent | None) -> Procedure[bool]:
    """Return whether the records are known to exist; if not, they may still exist."""
    if recorded is None or recorded["key_fields"] != writer.reader.comparison.keys.names:
        return False
    return (yield from _is_seen(writer, recorded["keys"])) or (yield from _repeat(writer, recorded))


def _is_seen(writer: SyncWriter, keys: list[str]) -> Procedure[bool]:
    """Return whether one of the records is there: batches are all-or-nothing, so that one is enough."""
    if not writer.reader.comparison.keys.has_filter:
        return False
    try:
        items = yield from writer.reader.find(make_batches(keys)[0][:_LOOKED_FOR])
    except LarkAPIError as error:
        if error.code != INVALID_FILTER:
            raise
        return False
    wanted = set(keys)
    fields = [item.get("fields") or {} for item in items]
    return any(key in wanted for key in writer.reader.comparison.keys.of_table(fields))


def _repeat(writer: SyncWriter, recorded: CreateIntent) -> Procedure[bool]:
    """Send the same request with the same token; return whether Lark has answered that it is written.

    The values are those of the source as it is now: what differs is found by comparing afterwards.
    """
    keys = recorded["keys"]
    wire = yield from work(writer.reader.index.read_wire, keys)
    if any(key not in wire for key in keys):
        return False
    intent = yield from writer.turn.read_intent()  # again, for its age
    token_age = recorded.get("token_age", 0.0) + (intent.age if intent else 0.0)
    if token_age >= writer.options.token_window:
        return False
    rows = [{"fields": writer.reader.comparison.to_create(wire[key])} for key in keys]
    try:
        yield from writer.create(rows, recorded["token"], keys, token_age)
    except LarkAPIError as error:
        fields = {"code": error.code, "error": str(error)}
        logger.info("Repeated request was refused; waiting instead", extra=fields)
        return False
    return True
