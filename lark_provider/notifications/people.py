"""Whom a notification names: owners and ids, as Lark wants them mentioned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lark_provider.notifications.excerpt import escape

OWNER = "owner"
_ID = re.compile(r"o[un]_[A-Za-z0-9_-]+|all")
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


def people(mentions: str | Sequence[str], owners: Iterable[str], known: Mapping[str, Any]) -> People:
    """Find out whom to mention.

    Args:
        mentions: `owner`, names of owners, open_ids, e-mail addresses, or `all`; one or several.
        owners: Those of the task or DAG, for `owner`.
        known: The connection's `owners`: names to an open_id or e-mail address, or a list of them.

    Returns:
        They, each once, in order.
    """
    wanted = [mentions] if isinstance(mentions, str) else list(mentions)
    named = [one for word in wanted for one in (owners if word == OWNER else [word])]
    ids: list[str] = []
    emails: list[str] = []
    names: list[str] = []
    for name in map(str, named):
        entry = known.get(name, name)
        for one in map(
            str, [entry] if isinstance(entry, str) else entry if isinstance(entry, list) else [name]
        ):
            found = one.strip()
            kind = ids if _ID.fullmatch(found) else emails if _EMAIL.fullmatch(found) else names
            kind.append(found if kind is not names else name)
    return People(*(tuple(dict.fromkeys(filter(None, kind))) for kind in (ids, emails, names)))
