"""One card per key: sent once, and updated by whoever runs again under its key."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from lark_provider.api.messaging.additions import mark_redirected
from lark_provider.api.receivers import make_receiver
from lark_provider.errors import ConflictError
from lark_provider.protocol.keys import make_key_uuid
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.store import with_store

if TYPE_CHECKING:
    from lark_provider.api.messaging import OnUnknown
    from lark_provider.client import LarkServiceClient
    from lark_provider.hooks.receivers import NamedReceiver

logger = logging.getLogger(__name__)
_MAX_CARDS = 5
"""Cards per receiver and key: one that was recalled, or is older than two weeks, is followed by a new one."""


def put_card(
    client: LarkServiceClient,
    to: NamedReceiver,
    card: Any,
    *,
    key: str,
    on_unknown: OnUnknown,
    is_first: bool = False,
) -> dict[str, str]:
    """Send a card, or update the one that was sent under its key before.

    Args:
        client: The client.
        to: The receiver.
        card: The card.
        key: The idempotency key of the card.
        on_unknown: What to do if an earlier attempt may or may not have sent it: `fail`, `resend` or `skip`.
        is_first: Whether no card can have been sent under this key, so that there is nothing to update.

    Returns:
        `{"message_id": …, "chat_id": …}`, empty texts if it was skipped.

    Raises:
        ConflictError: Each of several cards was recalled, or is too old to be updated.
        LarkError: Lark refused it, or was not reached.
    """
    if to.instead_of is not None:
        card = mark_redirected(card, "interactive", to.instead_of)
    for _ in range(_MAX_CARDS):
        sent = client.messaging.send(
            to.id,
            card,
            msg_type="interactive",
            receiver_id_type=to.id_type,
            idempotency_key=key,
            on_unknown=on_unknown,
        ).data
        message_id, chat_id = sent["message_id"], sent.get("chat_id", "")
        # Without an id, an earlier attempt may have sent it, and on_unknown="skip".
        if is_first or not message_id:
            return {"message_id": message_id, "chat_id": chat_id}
        try:
            # Whether this or an earlier attempt has sent it, the card then shows what this one has read.
            client.messaging.update_card(message_id, card)
        except ConflictError as error:
            fields = {"message_id": message_id, "error": str(error)}
            logger.warning("Card cannot be updated; sending a new one", extra=fields)
            key = f"{key}\nafter {message_id}"
            continue
        return {"message_id": message_id, "chat_id": chat_id}
    raise ConflictError(
        f"{_MAX_CARDS} cards with this key were recalled or cannot be updated. Next: pass another key."
    )


def find_card(to: NamedReceiver, key: str) -> Procedure[bool]:
    """Return whether the ledger knows of a card that was, or may have been, sent under a key.

    Args:
        to: The receiver.
        key: The idempotency key of the card.

    Returns:
        False as well without a database, or while it is unavailable: only the ledger can tell.
    """
    receiver = make_receiver(to.id, to.id_type).id
    outcome = yield from with_store(
        lambda store: store.messages.begin(receiver, key, make_key_uuid(receiver, key)),
        wait_for_database=False,
    )
    if outcome is None:
        return False
    (entry,) = outcome
    if entry.is_new:  # Nothing is sent under it now, which a later attempt has to know.
        yield from with_store(lambda store: store.messages.refuse(entry), wait_for_database=False)
        return False
    return entry.state is not LedgerState.REFUSED
