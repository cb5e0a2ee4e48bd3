"""The exchanges of a run without anything that a tenant, an app or a person could be recognised by.

Only what the probes themselves wrote is kept as it is: of every other string in an answer no more than its
length remains. So a new kind of id or name needs no rule of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from lark_provider.protocol.redact import mask_addresses, redact
from lark_provider.verify.probe import Reply, Request

_HIDDEN = "…"
_SHORTEST = 4
_MAX_TEXT_LENGTH = 500  # characters; longer texts are cut, or only counted
#: Ids, tokens, request ids: at least 8 letters and digits, with both among them; and long words of any case.
_ID = re.compile(r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{8,}|\b[A-Za-z0-9_-]{20,}\b|\d{10,}")
_SMALL = 10_000_000
"""Greater numbers may be times or ids."""


@dataclass(slots=True)
class Corpus:
    """Collects exchanges.

    Args:
        secrets: Values that appear in no text: the app's id and secret, named chats, folders, people.
    """

    secrets: tuple[str, ...] = field(repr=False)
    entries: list[dict[str, Any]] = field(default_factory=list)
    _ours: set[str] = field(default_factory=set)
    _theirs: set[str] = field(default_factory=set)

    def add(self, probe: str, request: Request, reply: Reply) -> None:
        """Record an exchange of a probe."""
        entry: dict[str, Any] = {
            "probe": probe,
            "method": request.method,
            "path": self._mask_path(request.path),
            "status": reply.status,
            "code": reply.code,
            "msg": self.scrub(reply.msg),
        }
        if not request.private:
            if request.body is not None:
                self._learn(request.body, self._ours)
                entry["request"] = self._mask_value(request.body)
            self._learn(reply.data, self._theirs)
            entry["data"] = self._mask_value(reply.data)
        self.entries.append(entry)

    def scrub(self, text: str) -> str:
        """Return a text of Lark's without ids, addresses, and whatever came from the tenant before."""
        text = text[:_MAX_TEXT_LENGTH]
        for known in sorted((*self.secrets, *self._theirs - self._ours), key=len, reverse=True):
            if len(known) >= _SHORTEST:
                text = text.replace(known, _HIDDEN)
        return _ID.sub(_HIDDEN, mask_addresses(redact(text)))

    def _mask_path(self, path: str) -> str:
        """Return a path whose ids are placeholders: the parts with a digit or a capital letter."""
        parts = (part if re.fullmatch(r"[a-z_]*|v\d", part) else ":id" for part in path.split("/"))
        known = {*self.secrets, *self._theirs} - {""}
        return "/".join(":id" if part in known else part for part in parts)

    def _learn(self, value: Any, into: set[str]) -> None:
        if isinstance(value, dict):
            for inner in value.values():
                self._learn(inner, into)
        elif isinstance(value, list):
            for inner in value:
                self._learn(inner, into)
        elif isinstance(value, str) and not (into is self._ours and value in self._theirs):
            into.add(value)

    def _mask_value(self, value: Any) -> Any:
        """Return a value whose strings are those of the probes, or placeholders."""
        if isinstance(value, dict):
            return {
                (name if re.fullmatch(r"[A-Za-z0-9_ ]{1,40}", name) else _HIDDEN): self._mask_value(inner)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self._mask_value(inner) for inner in value]
        if isinstance(value, str):
            is_plain = value in self._ours and len(value) <= _MAX_TEXT_LENGTH and self.scrub(value) == value
            return value if is_plain else f"<{len(value)} characters>"
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) >= _SMALL:
            return 0
        return value
