"""Check which scopes an app lacks for chat commands."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from lark_provider.api.routes.commands import DIRECT, CommandRule
from lark_provider.protocol.commands.message import RECEIVED

_DIRECT_SCOPES = ("im:message.p2p_msg:readonly", "im:message.p2p_msg")
_GROUP_SCOPES = (
    "im:message.group_at_msg:readonly",
    "im:message.group_at_msg",
    "im:message.group_at_msg.include_bot:readonly",
    "im:message.group_msg",
    "im:message.group_msg:readonly",
)
"""One of each is enough; the first is the one to apply for."""
SUBSCRIPTION = (
    f"Lark does not tell an app its events: {RECEIVED} must be added in the developer console under Events & "
    "callbacks, and a version be published"
)


def list_missing_scopes(rules: Iterable[CommandRule], having: Collection[str]) -> list[str]:
    """Return the scopes to apply for, so that the bot hears the commands that rules allow.

    Args:
        rules: The rules of one app.
        having: The scopes granted.
    """
    chats = {chat for rule in rules for chat in rule.chats}
    wanted: list[tuple[str, ...]] = [_DIRECT_SCOPES] if DIRECT in chats else []
    if chats - {DIRECT}:
        wanted.append(_GROUP_SCOPES)
    return [one_of[0] for one_of in wanted if not set(one_of).intersection(having)]
