"""Pseudonyms for what must not be readable in a recording: credentials, people, and ids of the tenant.

What is secret is found first, in all exchanges: by the names of members, and by the looks of ids, addresses
and numbers. Each value then has one pseudonym, and is replaced wherever it occurs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.masking import is_secret

if TYPE_CHECKING:
    from collections.abc import Callable

#: Members that name a person, or hold what is known about one.
_PERSON = frozenset(
    {
        *("user_id", "open_id", "union_id", "employee_no", "employee_id", "member_id", "leader_user_id"),
        *("operator_id", "owner_id", "creator_id", "sender_id", "receive_id", "job_title", "city", "station"),
        *("en_name", "nickname", "user_name", "enterprise_email", "email", "mobile", "phone", "work_station"),
        *(
            "avatar_url",
            "avatar_72",
            "avatar_240",
            "avatar_640",
            "avatar_origin",
            "avatar_big",
            "avatar_middle",
        ),
        *("avatar_thumb", "avatar_key", "birthday", "hire_date", "join_time"),
    }
)
_EMAILS = frozenset({"email", "enterprise_email"})
_MOBILES = frozenset({"mobile", "phone"})
#: An object with one of these is a person, and its `name` is that person's.
_WITH_NAME = ("open_id", "user_id", "union_id", "member_id")
_NAMES = ("name", "cn_name")
#: Other members of the tenant's own that differ from tenant to tenant.
_TENANT = frozenset({"tenant_key", "log_id", "request_id"})
_EMAIL = re.compile(r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_MOBILE = re.compile(r"\+\d[\d -]{6,18}\d|(?<![A-Za-z0-9])1[3-9]\d{9}(?![A-Za-z0-9])")
#: Ids of people, bots, chats, messages, apps and the like say their kind; those of documents are long.
_ID = re.compile(
    r"(?<![A-Za-z0-9])(?:ou|on|oc|om|omt|cli|img|file|od|rid|ca|evt)_[A-Za-z0-9][A-Za-z0-9_-]{3,}"
)
_TOKEN = re.compile(r"(?<![A-Za-z0-9])[tauc]r?-[0-9A-Za-z][0-9A-Za-z_.-]{7,}")
_LOOKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_EMAIL, "email"),
    (_TOKEN, "token"),
    (_ID, "id"),
    (_MOBILE, "mobile"),
)
#: Shorter values are replaced where they stand, and not in all other texts, which they would garble.
SHORTEST = 4


class Scrubber:
    """Finds what is secret, and replaces it.

    First `learn` from everything, then call `scrub_text` and `scrub_value`.
    """

    def __init__(self) -> None:
        self._pseudonyms: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._pattern: re.Pattern[str] | None = None

    def learn_secret(self, value: str, kind: str = "secret") -> None:
        """Note a value that must not be readable."""
        value = value.strip()
        if value:
            self._ensure_pseudonym(value, kind)

    def learn(self, value: Any, path: str = "") -> None:
        """Note all that is secret in a JSON value.

        Args:
            value: A body, or a query as an object.
            path: The path of the request, which decides what names are secret.
        """
        if isinstance(value, dict):
            is_person = any(isinstance(value.get(name), str) for name in _WITH_NAME)
            for name, inner in value.items():
                self._learn_text(name)
                kind = self._get_kind(name, path) or ("name" if is_person and name in _NAMES else "")
                if name == "code" and isinstance(inner, str):  # of a login; Lark's own is a number
                    kind = "secret"
                if kind:
                    self._learn_all(inner, kind)
                self.learn(inner, path)
        elif isinstance(value, list):
            for inner in value:
                self.learn(inner, path)
        elif isinstance(value, str):
            parsed = _parse_inner(value)
            if parsed is None:
                self._learn_text(value)
            else:
                self.learn(parsed, path)

    @staticmethod
    def _get_kind(name: str, path: str) -> str:
        lowered = name.lower()
        if is_secret(name, path):
            return "secret"
        if lowered in _EMAILS:
            return "email"
        if lowered in _MOBILES:
            return "mobile"
        if lowered in _PERSON:
            return "person"
        return "tenant" if lowered in _TENANT else ""

    def _learn_all(self, value: Any, kind: str) -> None:
        """Note each string below a member that is secret, whatever it looks like."""
        if isinstance(value, dict):
            for inner in value.values():
                self._learn_all(inner, kind)
        elif isinstance(value, list):
            for inner in value:
                self._learn_all(inner, kind)
        elif isinstance(value, str):
            self._learn_text(value)  # an id that says its kind has a pseudonym of that kind
            if value.strip() and value.strip() not in self._pseudonyms:
                self.learn_secret(value, kind)
        elif isinstance(value, int) and not isinstance(value, bool):
            self.learn_secret(str(value), "number")

    def _learn_text(self, text: str) -> None:
        for looks, kind in _LOOKS:
            for match in looks.finditer(text):
                self._ensure_pseudonym(match.group(), kind)

    def _ensure_pseudonym(self, value: str, kind: str) -> str:
        if value in self._pseudonyms:
            return self._pseudonyms[value]
        label = value.partition("_")[0] if kind == "id" else value[0] if kind == "token" else kind
        number = self._counts[label] = self._counts.get(label, 0) + 1
        pseudonym = self._pseudonyms[value] = _MAKERS.get(kind, _make_plain)(label, number)
        self._pattern = None
        return pseudonym

    def _get_pattern(self) -> re.Pattern[str]:
        if self._pattern is None:
            long = sorted(
                (secret for secret in self._pseudonyms if len(secret) >= SHORTEST), key=len, reverse=True
            )
            self._pattern = re.compile("|".join(map(re.escape, long)) or r"(?!)")
        return self._pattern

    def scrub_text(self, text: str) -> str:
        """Return a text with pseudonyms; one that is secret as a whole is replaced even if it is short."""
        whole = self._pseudonyms.get(text.strip())
        if whole is not None:
            return whole
        return self._get_pattern().sub(lambda match: self._pseudonyms[match.group()], text)

    def scrub_value(self, value: Any, path: str = "") -> Any:
        """Return a JSON value with pseudonyms, in the names of members and in JSON within strings as well."""
        if isinstance(value, dict):
            return {
                self._scrub_name(name): self._scrub_inner(name, inner, path) for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self.scrub_value(inner, path) for inner in value]
        if isinstance(value, str):
            parsed = _parse_inner(value)
            return (
                self.scrub_text(value)
                if parsed is None
                else orjson.dumps(self.scrub_value(parsed, path)).decode()
            )
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            # A number that is secret elsewhere, such as a mobile number.
            return self._scrub_number(value)
        return value

    def _scrub_name(self, name: str) -> str:
        # A name such as `user_id` stays, even if it is also the value of another member.
        return name if name.lower() in _PERSON or is_secret(name) else self.scrub_text(name)

    def _scrub_inner(self, name: str, value: Any, path: str) -> Any:
        if self._get_kind(name, path) and isinstance(value, int) and not isinstance(value, bool):
            return 0
        return self.scrub_value(value, path)

    def _scrub_number(self, value: float) -> float:
        text = str(value)
        return 0 if len(text) >= SHORTEST and self._get_pattern().search(text) else value


def _make_plain(label: str, number: int) -> str:
    return f"recorded_{label}_{number}"


_MAKERS: dict[str, Callable[[str, int], str]] = {
    "id": lambda label, number: f"{label}_recorded{number:04}",
    "token": lambda label, number: f"{label}-recorded{number:04}",
    "email": lambda _, number: f"person{number}@example.com",
    "mobile": lambda _, number: f"+861380000{number:04}",
}


def _parse_inner(text: str) -> Any:
    """Return the object or list that a string holds as JSON; None for any other string."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, (dict, list)) else None
