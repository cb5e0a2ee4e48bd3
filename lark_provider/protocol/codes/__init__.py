"""Lark's answer codes and what each means for the caller.

A code that is not listed here is an ordinary refusal. HTTP statuses say little: Bitable answers most failures
with 200, and IM answers all of them with 400.
"""

from __future__ import annotations

from lark_provider.protocol.codes.bitable import BITABLE
from lark_provider.protocol.codes.documents import DOCUMENTS
from lark_provider.protocol.codes.kinds import Code, CodeKind
from lark_provider.protocol.codes.messages import CARD_LOCKED, LOCK, MESSAGES
from lark_provider.protocol.codes.platform import PLATFORM, TOKENS

__all__ = ["CARD_GONE", "ITEM_GONE", "REPLAYED", "TABLE", "TOKENS", "Code", "CodeKind", "get_code"]

TABLE: dict[int, Code] = {**PLATFORM, **MESSAGES, **BITABLE, **DOCUMENTS}
REPLAYED = frozenset({1254608, 1255006})
"""Codes for a `client_token` that was used before; they do not tell whether the write happened."""
_UNKNOWN = Code(
    CodeKind.REFUSED, "look the code up in Lark's documentation; quote the log id to Lark's support"
)
ITEM_GONE = frozenset({1254042, 1254043, 1254044, 230011, 230110, 1061007, 1069605})
"""Codes for what a DELETE names and no longer exists, while its parents do: a view, record, field, message,
file, subscription."""
CARD_GONE = frozenset({230011, 230026, 230031, 230110, 230012, 230071})
"""Codes for a card that can no longer be updated: recalled, deleted, older than 14 days, of another app."""


def get_code(code: int, msg: str = "") -> Code:
    """Return what a code means.

    Args:
        code: The `code` of an answer, not 0.
        msg: Its `msg`, which says why a card was refused.

    Returns:
        Its kind and next step; a plain refusal for a code that is not in the table.
    """
    return CARD_LOCKED if LOCK in msg else TABLE.get(code, _UNKNOWN)
