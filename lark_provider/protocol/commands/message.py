"""Recognize the events that are commands typed by a person."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from lark_provider.protocol.callbacks import Event
from lark_provider.protocol.callbacks.storable import is_id

RECEIVED = "im.message.receive_v1"
VERBS = ("run", "status", "runs", "help")
MAX_TEXT_LENGTH = 4000
"""Characters of a command; a longer text is cut, and refused when it is read."""
_MESSAGE_ID = re.compile(r"om_[A-Za-z0-9_-]{1,200}")
_KEY = re.compile(r"@_(?:user_\d+|all)")
_LEADING = re.compile(rf"(?:\s|{_KEY.pattern}(?!\d))*")
_VERB = re.compile(rf"/(?:{'|'.join(VERBS)})(?!\S)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MentionedPerson:
    """Who is mentioned in a message.

    Attributes:
        key: The placeholder of the mention in the text, e.g. `@_user_1`.
        open_id: The open_id of the person; empty where Lark does not say, as for everybody in the chat.
        name: The name of the person, as the chat shows it.
    """

    key: str
    open_id: str
    name: str


@dataclass(frozen=True, slots=True)
class CommandMessage:
    """A message that begins with the name of a command.

    Attributes:
        app_id: The app whose bot received it.
        message_id: The id of the message, `om_…`; two bots of a group receive the same one.
        tenant_key: The tenant of the app, and of the sender.
        open_id: The open_id of the sender.
        chat_id: The id of the chat.
        is_direct: Whether it was written to the bot alone.
        text: The text as Lark has it, with keys for mentions.
        mentions: The people and bots that the message mentions.
        sent_at: When the message was sent, in UTC.
    """

    app_id: str
    message_id: str
    tenant_key: str
    open_id: str
    chat_id: str
    is_direct: bool
    text: str
    mentions: tuple[MentionedPerson, ...]
    sent_at: datetime

    def mentions_person(self, open_id: str) -> bool:
        """Return whether a person or bot is mentioned by name, not with everybody."""
        return any(mention.open_id == open_id and mention.key != "@_all" for mention in self.mentions)

    def get_typed_text(self) -> str:
        """Return the command as it was typed, without the mentions before it, and with keys for others."""
        return _LEADING.sub("", self.text, count=1).strip()

    def insert_names(self, words: Iterable[str], own_open_id: str) -> tuple[str, ...]:
        """Return the words of the command with the names of the people in them, and without the bot's.

        A person chooses their own name, so it is inserted when the text is split: spaces and quotation marks
        in it make no further words, which could be arguments.

        Args:
            words: The words of `get_typed_text`.
            own_open_id: The open_id of the bot.
        """
        names = {
            mention.key: "" if mention.open_id == own_open_id else f"@{mention.name}"
            for mention in self.mentions
        }
        names["@_all"] = ""
        named = ((word, _KEY.sub(lambda match: names.get(match[0], match[0]), word)) for word in words)
        return tuple(name for word, name in named if name or not word)


def find_command(event: Event) -> CommandMessage | None:
    """Return the command that an event brings; None for every other event.

    A command is a new text message (not forwarded, not edited) of a person of the app's own tenant, which
    begins with the name of a command. In a group it mentions a person or bot: whether that is ours is decided
    where the bot's open_id is known.

    Args:
        event: The event, which is verified.
    """
    if event.type != RECEIVED:
        return None
    try:
        return _read_command(event)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        return None  # A message of another shape is not a command, and must reach the consumers of events.


def _read_command(event: Event) -> CommandMessage | None:
    message, sender = event.event["message"], event.event["sender"]
    own_tenant, sender_tenant = event.tenant_key, sender.get("tenant_key")
    if sender["sender_type"] != "user" or message["message_type"] != "text":
        return None
    if not own_tenant or sender_tenant != own_tenant:
        return None
    if message.get("upper_message_id") or _is_edited(message):
        return None
    text = orjson.loads(message["content"])["text"]
    if not isinstance(text, str) or not is_command(text):
        return None
    mentions = tuple(_read_mentions(message.get("mentions") or ()))
    is_direct = message["chat_type"] == "p2p"
    if not (is_direct or any(mention.open_id for mention in mentions)):
        return None
    command = CommandMessage(
        app_id=event.app_id or "",
        message_id=message["message_id"],
        tenant_key=own_tenant,
        open_id=sender["sender_id"]["open_id"],
        chat_id=message["chat_id"],
        is_direct=is_direct,
        text=text[: MAX_TEXT_LENGTH + 1],
        mentions=mentions,
        sent_at=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(message["create_time"])),
    )
    ids = (command.app_id, command.tenant_key, command.open_id, command.chat_id)
    # The id becomes part of a run's id.
    return command if all(map(is_id, ids)) and _MESSAGE_ID.fullmatch(command.message_id) else None


def is_command(text: str) -> bool:
    """Return whether a text begins with the name of a command, after mentions.

    Args:
        text: The text as Lark has it, with keys for mentions.
    """
    leading = _LEADING.match(text)
    return bool(_VERB.match(text, leading.end() if leading else 0))


def _is_edited(message: Mapping[str, Any]) -> bool:
    changed = message.get("update_time")
    return changed not in {None, "", "0", 0} and int(changed) != int(message["create_time"])


def _read_mentions(mentions: Sequence[Mapping[str, Any]]) -> list[MentionedPerson]:
    return [
        MentionedPerson(
            str(mention["key"]),
            str((mention.get("id") or {}).get("open_id") or ""),
            str(mention.get("name") or ""),
        )
        for mention in mentions
    ]
