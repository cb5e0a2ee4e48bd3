"""Read members of `lark.yaml`, and collect every mistake with its line instead of stopping at the first."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar
from zoneinfo import ZoneInfo

from lark_provider.api.routes.yaml_text import Members, Value
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.redact import redact

V = TypeVar("V")
_MAX_SHOWN = 20  # mistakes
_MAX_CHARACTERS = 250
"""The most characters of a name: as many as Airflow's ids have."""
_SECRET_NAME = re.compile(
    r"(?i)secret|passw|token|credential|private|signature|ticket|webhook|(?:encrypt|api|sign|access)[_-]?key|^key$"
)
_WEBHOOK = re.compile(r"/hook/|^\s*[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_TOKEN = re.compile(r"(?i)\beyJ[A-Za-z0-9_-]{10,}|\bbearer\s|(?:secret|password|token)\s*[:=]")
_LARK_TOKEN = re.compile(r"[tua]-[A-Za-z0-9]{20,}")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")


class Mistakes:
    """The mistakes found so far."""

    def __init__(self) -> None:
        self._mistakes: list[tuple[int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._mistakes)

    def add(self, line: int, text: str) -> None:
        """Add a mistake.

        Args:
            line: The line of the file where the mistake is, from 1.
            text: `<thing> must be …, got …. Next: <step>.`
        """
        self._mistakes.append((line, text))

    def check(self) -> None:
        """Raise if there are any.

        Raises:
            ConfigurationError: Names all of them, in the order of their lines.
        """
        if not self._mistakes:
            return
        mistakes = sorted(dict.fromkeys(self._mistakes))
        lines = [f"Line {line}: {text}" for line, text in mistakes[:_MAX_SHOWN]]
        if len(mistakes) > _MAX_SHOWN:
            lines.append(f"… and {len(mistakes) - _MAX_SHOWN} more mistakes. Next: correct these first.")
        raise ConfigurationError("\n".join(lines))

    def refuse_secrets(self, value: Value) -> None:
        """Add a mistake for each value that is a secret, by its name or its form; none is quoted.

        Args:
            value: The value of the whole file.
        """
        for name, member in _walk(value):
            by_name = bool(_SECRET_NAME.search(name)) and not name.startswith("ou_")
            if by_name or _is_secret(member.text):
                what = f"{name[:80]!r}" if by_name else "a secret or a URL"
                self.add(
                    member.line,
                    f"{what} must not be in this file, which many can read. Next: remove it; set it in the "
                    "environment, the registry of apps or an Airflow connection; and replace the secret if "
                    "others could read it here.",
                )


def _walk(value: Value, name: str = "") -> Iterator[tuple[str, Value]]:
    if isinstance(value.plain, dict):
        for key, member in value.plain.items():
            if not isinstance(member.plain, dict | list) or _SECRET_NAME.search(key):
                yield key, member
            yield from _walk(member, key) if isinstance(member.plain, dict | list) else ()
    elif isinstance(value.plain, list):
        for entry in value.plain:
            if isinstance(entry.plain, dict | list):
                yield from _walk(entry)
            else:
                yield "", entry
    elif not name:
        yield "", value


class MemberReader:
    """Reads the members of one mapping, with defaults for missing and wrong ones; records what is wrong.

    Args:
        value: The mapping.
        where: What the mapping is, for errors, e.g. `routes`.
        known: The names that the members may have.
        mistakes: The collector to which mistakes are added.
    """

    def __init__(self, value: Value, where: str, known: Collection[str], mistakes: Mistakes) -> None:
        self.line, self.where, self.mistakes = value.line, where, mistakes
        self._members: Members = value.plain if isinstance(value.plain, dict) else {}
        if not isinstance(value.plain, dict):
            mistakes.add(
                value.line,
                f"{where} must be members, got {format_value(value)}. Next: write `name: value`, with names "
                f"of: {', '.join(known)}.",
            )
        for name, member in self._members.items():
            if name not in known and not _SECRET_NAME.search(name):
                mistakes.add(
                    member.line,
                    f"{name[:80]!r} must be a member of {where}, and is not. Next: use one of: "
                    f"{', '.join(known)}.",
                )

    def get(self, name: str) -> Value | None:
        """Return a member; None if it is missing or null."""
        member = self._members.get(name)
        return None if member is None or member.plain is None else member

    def add_mistake(self, name: str, wanted: str, value: Value, step: str) -> None:
        """Add a mistake about a member."""
        self.mistakes.add(value.line, f"{name} must be {wanted}, got {format_value(value)}. Next: {step}.")

    def read_text(self, name: str, default: V) -> str | V:
        """Return a text; digits are text as well."""
        value = self.get(name)
        return default if value is None else self.as_text(name, value) or default

    def as_text(self, name: str, value: Value) -> str | None:
        """Return a value as a text; None, and a mistake, if it is not one."""
        is_text = isinstance(value.plain, str | int | float) and not isinstance(value.plain, bool)
        text = value.text.strip() if is_text else ""
        if not text or len(text) > _MAX_CHARACTERS or not text.isprintable():
            self.add_mistake(
                name, f"a text of 1 to {_MAX_CHARACTERS} characters", value, "write one, in quotes"
            )
            return None
        return text

    def read_texts(self, name: str) -> tuple[str, ...]:
        """Return a text, or a list of them, each once; empty if the member is missing."""
        value = self.get(name)
        if value is None:
            return ()
        values = value.plain if isinstance(value.plain, list) else [value]
        if not values:
            self.add_mistake(name, "a text or a list of them", value, "name at least one, or remove it")
        return tuple(dict.fromkeys(filter(None, (self.as_text(name, entry) for entry in values))))

    def read_flag(self, name: str) -> bool:
        """Return a boolean, by default false."""
        value = self.get(name)
        if value is None:
            return False
        if not isinstance(value.plain, bool):
            self.add_mistake(name, "true or false", value, "write one of them, without quotes")
            return False
        return value.plain

    def read_choice(self, name: str, choices: Collection[str], default: V) -> str | V:
        """Return one of several words."""
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value.plain, str) or value.plain not in choices:
            self.add_mistake(name, f"one of {', '.join(choices)}", value, "write one of these")
            return default
        return value.plain

    def read_number(self, name: str, highest: float) -> float | None:
        """Return a number of 0 or more; None if the member is missing or wrong."""
        value = self.get(name)
        if value is None:
            return None
        is_number = isinstance(value.plain, int | float) and not isinstance(value.plain, bool)
        if not is_number or not 0 <= value.plain <= highest:
            self.add_mistake(
                name, f"a number of seconds from 0 to {highest:g}", value, "write one, without a unit"
            )
            return None
        return float(value.plain)

    def check(self, name: str, default: V, fits: Callable[[str], object], wanted: str, step: str) -> str | V:
        """Return a text that satisfies a condition."""
        text = self.read_text(name, None)
        if text is None:
            return default
        if not fits(text):
            self.add_mistake(name, wanted, self._members[name], step)
            return default
        return text


def is_zone(name: str) -> bool:
    """Return whether a name is one of the IANA's time zones."""
    if not _ZONE.fullmatch(name):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError for a folder of zones, such as `America`
        return False
    return True


def _is_secret(text: str) -> bool:
    return bool(_WEBHOOK.search(text) or _TOKEN.search(text) or _LARK_TOKEN.fullmatch(text.strip()))


def format_value(value: Value) -> str:
    """Return a value for an error: short, and masked if it looks like a secret."""
    if isinstance(value.plain, dict | list):
        return "members" if isinstance(value.plain, dict) else "a list"
    if value.plain is None:
        return "nothing"
    if _is_secret(value.text):
        return "a URL or a token"
    return repr(redact(value.text[:_MAX_CHARACTERS])[:80])
