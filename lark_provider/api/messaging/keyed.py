"""Send each message with a key only once: Lark recognizes its `uuid` for an hour, later the ledger its key.

An unavailable database never stops a message; a repeat is then only recognized within Lark's hour.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, TypeAlias, get_args

from lark_provider.protocol.arguments import check_choice
from lark_provider.protocol.calls import LarkResponse
from lark_provider.protocol.errors import LarkError, OutcomeUnknownError
from lark_provider.protocol.keys import check_key, make_key_uuid
from lark_provider.protocol.ledger_entry import LedgerEntry, LedgerState
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.store import with_store

OnUnknown: TypeAlias = Literal["fail", "resend", "skip"]
_POLICIES = get_args(OnUnknown)
logger = logging.getLogger(__name__)

UUID_SECONDS = 3600.0 - 180.0
"""How long Lark recognizes a `uuid`, less the time that a call may take."""
_KEPT = ("message_id", "chat_id", "msg_type", "create_time", "thread_id", "root_id", "parent_id")
"""The members of a message that are recorded: ids, and no content."""


def check_policy(on_unknown: str) -> None:
    """Check the policy for a message whose outcome is unknown.

    Args:
        on_unknown: The policy that the caller passed.

    Raises:
        InvalidRequestError: It is not one of the policies.
    """
    check_choice("on_unknown", on_unknown, _POLICIES, 230001)


def send_once(
    send: Callable[[str], Procedure[LarkResponse[Any]]],
    receiver: str,
    key: str,
    msg_type: str,
    on_unknown: OnUnknown,
) -> Procedure[LarkResponse[Any]]:
    """Send a message unless the ledger shows that it was sent.

    Args:
        send: Makes the procedure that sends it with a `uuid`.
        receiver: The receiver of the message, which is part of the key.
        key: The caller's key.
        msg_type: The message's type.
        on_unknown: What to do about an earlier attempt whose outcome is unknown after Lark's hour.

    Returns:
        Lark's answer; for a message that was sent before, the ids from the answer at that time.

    Raises:
        OutcomeUnknownError: An earlier attempt may have sent it, more than an hour ago.
        LarkError: As for any message.
    """
    uuid = make_key_uuid(receiver, check_key(key))
    outcome = yield from with_store(
        lambda store: store.messages.begin(receiver, key, uuid), wait_for_database=False
    )
    if outcome is None:
        return (yield from send(uuid))
    (entry,) = outcome
    if entry.state is LedgerState.DONE:
        return LarkResponse(0, "sent before", dict(entry.result))
    # Nothing was sent under a refused token, but Lark does not document how it treats a token whose message
    # it has refused.
    needs_token = entry.state is LedgerState.REFUSED
    if not needs_token and entry.age >= UUID_SECONDS:
        if on_unknown == "skip":
            logger.warning("Skipped a message that an earlier attempt may have sent")
            return LarkResponse(0, "skipped", {"message_id": "", "chat_id": "", "msg_type": msg_type})
        if on_unknown == "fail":
            raise _make_unknown_error(entry)
        needs_token = True
    if needs_token:
        entry = yield from _renew(entry, _make_next_token(receiver, key, entry))
        if entry.state is LedgerState.DONE:  # by another attempt, since this one has looked
            return LarkResponse(0, "sent before", dict(entry.result))
    return (yield from _send(send(entry.token), entry))


def _renew(entry: LedgerEntry, token: str) -> Procedure[LedgerEntry]:
    outcome = yield from with_store(
        lambda store: store.messages.resend(entry, token), wait_for_database=False
    )
    return replace(entry, token=token) if outcome is None else outcome[0]


def _send(sending: Procedure[LarkResponse[Any]], entry: LedgerEntry) -> Procedure[LarkResponse[Any]]:
    try:
        answer = yield from sending
    except OutcomeUnknownError:
        raise
    except LarkError:
        if entry.is_new:  # otherwise an earlier attempt may have sent it
            yield from with_store(lambda store: store.messages.refuse(entry), wait_for_database=False)
        raise
    kept = {name: answer.data[name] for name in _KEPT if name in answer.data}
    yield from with_store(lambda store: store.messages.mark_done(entry, kept), wait_for_database=False)
    return answer


def _make_next_token(receiver: str, key: str, entry: LedgerEntry) -> str:
    """Return the token after that of an entry, from which it is derived: all processes get the same one."""
    return make_key_uuid(receiver, f"{key}\0{entry.token}")


def _make_unknown_error(entry: LedgerEntry) -> LarkError:
    hours = entry.age / 3600
    return OutcomeUnknownError(
        f"Whether message {entry.id[:12]} was sent is unknown: an attempt {hours:.1f} h ago had no answer, "
        'and Lark recognizes a repeat for one hour. Next: look into the chat; then pass on_unknown="resend" '
        f'or "skip", or `lark-provider ledger forget {entry.id[:12]}` and send it again.'
    )
