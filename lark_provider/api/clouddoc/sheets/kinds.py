"""Values that a cell may hold besides text, numbers, booleans and dates: formulas, links and people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lark_provider.api.clouddoc.cells import MisfitError

_URL = re.compile(r"(?:https?|ftp)://\S+|(?:mailto|tel):\S+", re.IGNORECASE)
_PERSON = {"ou_": "openId", "on_": "unionId"}


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula, which Lark computes. A str that begins with `=` stays text.

    Attributes:
        text: The formula, such as `=SUM(A1:A9)`.
    """

    text: str

    def to_cell(self) -> dict[str, Any]:
        """Return the cell as Lark takes it.

        Raises:
            MisfitError: The formula does not begin with `=`.
        """
        if not (isinstance(self.text, str) and self.text.startswith("=") and len(self.text) > 1):
            raise MisfitError("must be a formula that begins with =")
        return {"type": "formula", "text": self.text}


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads to a URL.

    Attributes:
        text: The text that is shown.
        url: The address that it opens: http, https, ftp, mailto or tel.
    """

    text: str
    url: str

    def to_cell(self) -> dict[str, Any]:
        """Return the cell as Lark takes it.

        Raises:
            MisfitError: The text or the URL is invalid.
        """
        if not (isinstance(self.text, str) and self.text):
            raise MisfitError("must be a Link with a text")
        if not (isinstance(self.url, str) and _URL.fullmatch(self.url)):
            raise MisfitError("must be a Link to an http, https, ftp, mailto or tel URL")
        return {"type": "url", "text": self.text, "link": self.url}


@dataclass(frozen=True, slots=True)
class Mention:
    """A person. Lark shows the name; nobody is notified unless `notify` is set.

    Attributes:
        id: `ou_…` (open_id), `on_…` (union_id) or the e-mail address of the person's account.
        notify: Whether Lark notifies the person.
    """

    id: str
    notify: bool = False

    def to_cell(self) -> dict[str, Any]:
        """Return the cell as Lark takes it.

        Raises:
            MisfitError: The id is of another kind.
        """
        if not is_person_id(self.id):
            raise MisfitError("must be a Mention of an open_id, a union_id or an e-mail address")
        return {
            "type": "mention",
            "text": self.id,
            "textType": _PERSON.get(self.id[:3], "email"),
            "notify": bool(self.notify),
            "grantReadPermission": False,
        }


def is_person_id(value: object) -> bool:
    """Return whether a value is an open_id, a union_id or an e-mail address."""
    return isinstance(value, str) and (value[:3] in _PERSON or "@" in value[1:])
