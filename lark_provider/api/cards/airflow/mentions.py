"""Resolve the owners and ids that a notification mentions to what Lark can mention."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lark_provider.api.cards.airflow.markup import escape
from lark_provider.protocol.arguments import check_list

OWNER = "owner"
_ID = re.compile(r"o[un]_[A-Za-z0-9_-]+|all")
_UNION = "on_"
_USER_ID = re.compile(r"[A-Za-z0-9_-]+")
_EMAIL = re.compile(r"[^\s<>\"'@,]+@[^\s<>\"'@,]+")


@dataclass(frozen=True, slots=True)
class Mentions:
    """The people to mention, by what Lark knows them by.

    Attributes:
        ids: Open_ids, union_ids, or `all`; a card names people with a union_id without a notification.
        emails: E-mail addresses; only cards can mention by them.
        names: Names of people without a known id, who are named without a notification.
    """

    ids: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def render_markdown(self) -> str:
        """Return the Markdown that mentions them on a card; empty if there are none."""
        # Lark refuses a card that mentions a person by their union_id.
        unions = [name for name in self.ids if name.startswith(_UNION)]
        tags = [f"<at id={name}></at>" for name in self.ids if name not in unions]
        tags += [f"<at email={email}></at>" for email in self.emails]
        return " ".join([*tags, *(escape(f"@{name}") for name in (*unions, *self.names))])

    def by_name(self) -> Mentions:
        """Return the same people, to be named without a notification."""
        return Mentions(names=(*self.ids, *self.emails, *self.names))

    def format_names(self) -> str:
        """Return the names of those whom a text cannot mention."""
        return " ".join(f"@{name}" for name in (*self.emails, *self.names))


def resolve(
    mentions: str | Sequence[str],
    owners: Iterable[str],
    known: Mapping[str, Any],
    *,
    user_ids: bool = False,
) -> Mentions:
    """Return whom to mention, each once and in order.

    Args:
        mentions: `owner`, names of owners, open_ids, e-mail addresses, or `all`; one or several. None in a
            list is left out.
        owners: Those of the task or DAG, for `owner`.
        known: The connection's `owners`: an open_id or e-mail address by name, or a list of them.
        user_ids: Whether any other word is taken for a user_id. The name of an owner without an entry in
            `known` never is.

    Raises:
        InvalidRequestError: `mentions` is neither a str nor a list.
    """
    example = "'owner', an open_id or an e-mail address"
    words = [mentions] if isinstance(mentions, str) else check_list("mentions", mentions, example)
    ids: list[str] = []
    emails: list[str] = []
    names: list[str] = []
    for word in words:
        if word is None:
            continue
        for name in map(str, owners if word == OWNER else [word]):
            entry = known.get(name, name)
            for person in [entry] if isinstance(entry, str) else entry if isinstance(entry, list) else [name]:
                mention = str(person).strip()
                an_id = _USER_ID if user_ids and (word != OWNER or mention != name) else _ID
                kind = ids if an_id.fullmatch(mention) else emails if _EMAIL.fullmatch(mention) else names
                kind.append(mention if kind is not names else name)
    return Mentions(*(tuple(dict.fromkeys(filter(None, kind))) for kind in (ids, emails, names)))
