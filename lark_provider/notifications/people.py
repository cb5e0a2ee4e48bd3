"""Whom a notification names: owners and ids, as Lark wants them mentioned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lark_provider.notifications.excerpt import escape

OWNER = "owner"
_ID = re.compile(r"o[un]_[A-Za-z0-9_-]+|all")
_USER_ID = re.compile(r"[A-Za-z0-9_-]+")
_EMAIL = re.compile(r"[^\s<>\"'@,]+@[^\s<>\"'@,]+")


@dataclass(frozen=True, slots=True)
class People:
    """Those to be mentioned.

    Attributes:
        ids: Open_ids, union_ids, or `all`.
        emails: Of those known by e-mail; only cards can mention them.
        names: Of those whom Lark knows under no id that we have.
    """

    ids: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def markdown(self) -> str:
        """A line for a card that mentions them; empty if there is nobody."""
        tags = [f"<at id={one}></at>" for one in self.ids] + [f"<at email={one}></at>" for one in self.emails]
        return " ".join([*tags, *(escape(f"@{name}") for name in self.names)])

    def by_name(self) -> People:
        """The same, without reaching anybody."""
        return People(names=(*self.ids, *self.emails, *self.names))

    def words(self) -> str:
        """Those whom a text cannot mention, by name."""
        return " ".join(f"@{one}" for one in (*self.emails, *self.names))


def people(
    mentions: str | Sequence[str],
    owners: Iterable[str],
    known: Mapping[str, Any],
    *,
    user_ids: bool = False,
) -> People:
    """Find out whom to mention.

    Args:
        mentions: `owner`, names of owners, open_ids, e-mail addresses, or `all`; one or several.
        owners: Those of the task or DAG, for `owner`.
        known: The connection's `owners`: names to an open_id or e-mail address, or a list of them.
        user_ids: Whether what looks like none of these may be a user_id; an owner's bare name is none.

    Returns:
        They, each once, in order.
    """
    ids: list[str] = []
    emails: list[str] = []
    names: list[str] = []
    for word in [mentions] if isinstance(mentions, str) else mentions:
        for name in map(str, owners if word == OWNER else [word]):
            entry = known.get(name, name)
            for one in [entry] if isinstance(entry, str) else entry if isinstance(entry, list) else [name]:
                found = str(one).strip()
                an_id = _USER_ID if user_ids and (word != OWNER or found != name) else _ID
                kind = ids if an_id.fullmatch(found) else emails if _EMAIL.fullmatch(found) else names
                kind.append(found if kind is not names else name)
    return People(*(tuple(dict.fromkeys(filter(None, kind))) for kind in (ids, emails, names)))


def unheard_of(found: People) -> set[str]:
    """Names without an id that this process has not been asked about before; once is enough for the log."""
    new = set(found.names) - _heard_of
    _heard_of.update(new)
    return new


_heard_of: set[str] = set()
