"""What an answer code can mean, and the next steps that several APIs share."""

from __future__ import annotations

import enum
from typing import NamedTuple


class CodeKind(enum.Enum):
    """What a code says about the request."""

    REFUSED = enum.auto()
    """Not done; nothing more is known."""
    TOKEN = enum.auto()
    """Not done, because the token was rejected; one retry with a new token."""
    RATE = enum.auto()
    """Not done, because of a rate limit; the same request will succeed after a wait."""
    BUSY = enum.auto()
    """Not done, because another operation is running; the same request may succeed after a wait."""
    AMBIGUOUS = enum.auto()
    """A server error after which the request may have been performed: retried only if idempotent."""
    REPLAYED = enum.auto()
    """The idempotency token was used before: probably by an earlier attempt if one got no answer, and by
    another write if this is the first attempt."""
    GONE = enum.auto()
    """The thing named no longer exists; a repeated removal has succeeded."""
    UNCHANGED = enum.auto()
    """Nothing to change: a success."""
    NOT_EMULATED = enum.auto()
    """Lark has the endpoint, but the local Lark does not."""
    PERMISSION = enum.auto()
    NOT_FOUND = enum.auto()
    INVALID = enum.auto()
    CONFLICT = enum.auto()


class Code(NamedTuple):
    """What a code means.

    Attributes:
        kind: Its kind.
        step: The next step to show along with Lark's own message.
        wait: Seconds to wait at least before a retry, where Lark says how long the reason can last.
    """

    kind: CodeKind
    step: str
    wait: float | None = None


WAIT = "wait and call again, or send less at a time"
SCOPE = "ask the tenant's admin to grant the scope in the developer console and publish the app"
CHAT = "add the bot to the chat, or check that the chat id is right"
SHARE = "share the document with the app (… → more → add document app) with edit rights"
LIMIT = "stay within the limit named and split the request"
