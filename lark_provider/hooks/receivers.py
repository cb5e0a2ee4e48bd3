"""Who gets a message in the end: names from the connection, and one place for all in a test environment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lark_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from lark_provider.api.receivers import ReceiverIdType


class Receiver(NamedTuple):
    """Where a message goes.

    Attributes:
        id: The id that Lark is told.
        id_type: Its kind, if its shape misleads.
        instead_of: Who was to get it, if the connection sends everything elsewhere.
    """

    id: str
    id_type: ReceiverIdType | None = None
    instead_of: str | None = None

    def key(self, idempotency_key: str) -> str:
        """A key of one message that stays one for each receiver, though they share a place now."""
        return idempotency_key if self.instead_of is None else f"{idempotency_key}\n{self.instead_of}"


def resolve(
    name: str,
    id_type: ReceiverIdType | None = None,
    *,
    aliases: Mapping[str, Any],
    redirect: str,
) -> Receiver:
    """Find out where a message goes.

    Args:
        name: An id, or an alias.
        id_type: The id's kind, if its shape misleads.
        aliases: Names to ids.
        redirect: An id or an alias that gets everything; empty if none does.
    """
    if redirect:
        return Receiver(str(aliases.get(redirect, redirect)), None, name)
    return Receiver(str(aliases[name])) if name in aliases else Receiver(name, id_type)


def mapping(value: Any, extra: str, conn_id: str) -> dict[str, Any]:
    """An extra that holds a JSON object, or its text, as Airflow's form stores it.

    Raises:
        ConfigurationError: It is something else.
    """
    found = value
    if isinstance(found, str):
        try:
            found = json.loads(found) if found.strip() else None
        except ValueError:
            found = value
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise ConfigurationError(
            f"Extra {extra!r} of connection {conn_id!r} is no JSON object. Next: write "
            '{"name": "oc_… or ou_… or an e-mail address"}.'
        )
    return dict(found)


def marked(content: Any, msg_type: str, instead_of: str, mentions: Sequence[str] = ()) -> Any:
    """A redirected message that says who was to get it, and mentions nobody.

    Args:
        content: As for the operator.
        msg_type: Lark's name for its type.
        instead_of: Who was to get it.
        mentions: Who was to be mentioned; named without reaching them.

    Returns:
        The content with a mark; a type that holds no text, and a card made elsewhere, as they are.
    """
    mark = f"[→ {' '.join([instead_of, *(f'@{who}' for who in mentions)])}]"
    if msg_type == "interactive":
        return with_element(content, _escaped(mark), first=True)
    if msg_type == "text" and isinstance(content, str):
        return f"{mark} {content}"
    if msg_type == "post":
        if isinstance(content, str):
            return f"{_escaped(mark)} {content}"
        line = [{"tag": "text", "text": mark}]
        return {
            language: {**one, "content": [line, *one["content"]]}
            if isinstance(one, Mapping) and isinstance(one.get("content"), list)
            else one
            for language, one in content.items()
        }
    return content


def with_element(card: Any, text: str, *, first: bool = False) -> Any:
    """A card with a Markdown element more.

    Args:
        card: Card JSON, as a dict or as text.
        text: The element's content.
        first: Whether it comes first, not last.

    Returns:
        The new card; the old one if it has no elements of its own, or is no card.
    """
    found = card
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            return card  # the client says better what is wrong with it
    if not isinstance(found, Mapping):
        return card
    element = {"tag": "markdown", "content": text}
    body = found.get("body")
    holder = body if isinstance(body, Mapping) else found
    elements = holder.get("elements", [] if holder is body else None)
    if not isinstance(elements, list):
        return card
    longer = {**holder, "elements": [element, *elements] if first else [*elements, element]}
    return {**found, "body": longer} if holder is body else longer


def _escaped(text: str) -> str:
    return "".join(f"&#{ord(one)};" if one in "<>*`&~" else one for one in text)
