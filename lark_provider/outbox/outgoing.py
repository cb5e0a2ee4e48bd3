"""A message on its way: what the outbox holds of it, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from lark_provider.api.cards.airflow import failure
from lark_provider.api.cards.airflow.mentions import Mentions
from lark_provider.api.messaging.additions import mark_redirected, with_element
from lark_provider.protocol.incidents.shown import ShownIncident
from lark_provider.protocol.language import LANGUAGES
from lark_provider.support.members import select_members


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send, or the card that replaces it.

    Attributes:
        receiver: The chat or person.
        receiver_type: The kind of `receiver`; empty to derive it from its shape.
        msg_type: Lark's name for the type.
        content: Text, post or card.
        plain: The same with names instead of mentions, for when Lark refuses a mention; None if it has none.
        mentions: Ids of whom a text or post mentions at its end.
        emails: E-mail addresses of others, which Lark takes on cards only: their ids are looked up.
    """

    receiver: str
    receiver_type: str
    msg_type: str
    content: Any
    plain: Any = None
    mentions: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return it as JSON."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, text: str) -> Outgoing:
        """Return what `to_json` wrote; members that a newer version added are left out.

        Raises:
            ValueError: It is not JSON.
            TypeError: It lacks a value.
        """
        fields: Mapping[str, Any] = orjson.loads(text)
        lists = {name: tuple(fields.get(name) or ()) for name in ("mentions", "emails")}
        return cls(**select_members(fields, cls) | lists)


def build_message(
    receiver: str,
    receiver_type: str,
    msg_type: str,
    content: Any,
    mentions: Mentions,
    instead_of: str | None = None,
) -> Outgoing:
    """Return a message with its mentions.

    Args:
        receiver: The chat or person.
        receiver_type: Its kind, if its shape misleads; else empty.
        msg_type: Lark's name for the type.
        content: Text, post or card, without mentions.
        mentions: Whom it mentions.
        instead_of: The intended receiver, if all messages are redirected: it is marked, and mentions no user.
    """
    unnotified = mentions.by_name()
    if instead_of is not None:
        content = mark_redirected(content, msg_type, instead_of, unnotified.names)
        return Outgoing(receiver, receiver_type, msg_type, content)
    plain = None if mentions == unnotified else _with_mentions(content, msg_type, unnotified)
    full = _with_mentions(content, msg_type, mentions)
    if msg_type == "interactive":
        return Outgoing(receiver, receiver_type, msg_type, full, plain)
    return Outgoing(receiver, receiver_type, msg_type, full, plain, mentions.ids, mentions.emails)


def render_card_payload(shown: ShownIncident) -> str:
    """Return the outbox's payload for the card of an incident."""
    place = shown.place
    language = next((known for known in LANGUAGES if known == place.language), LANGUAGES[0])
    content = failure.make_card(shown.event, language, shown.incident, shown.key)
    outgoing = build_message(
        place.receiver,
        place.receiver_type,
        "interactive",
        content,
        Mentions(*shown.mentions),
        place.instead_of,
    )
    return outgoing.to_json()


def _with_mentions(content: Any, msg_type: str, mentions: Mentions) -> Any:
    if msg_type == "interactive":
        line = mentions.render_markdown()
        return with_element(content, line) if line else content
    words = _format_names(mentions.names)
    return f"{content} {words}" if words and isinstance(content, str) else content


def _format_names(names: Sequence[str]) -> str:
    return " ".join(f"@{name}" for name in names)
