"""Values of a request, and fresh ones, put into the answer of a stub: `{{path.id}}`, `{{now}}`."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_KNOWN = re.compile(
    r"(?:path|query)\.[^.\s]+|header\.[A-Za-z0-9-]+|body(?:\.[^.\s]+)*|counter|now|now_ms|id(?:\.\w+)?"
)
KNOWN = (
    "{{path.NAME}}, {{query.NAME}}, {{header.NAME}}, {{body}}, {{body.NAME.NAME}}, {{counter}}, {{now}}, "
    "{{now_ms}}, {{id}} and {{id.PREFIX}}"
)


@dataclass(slots=True)
class Values:
    """What the placeholders of one answer stand for.

    Args:
        path: The values of the path's `:name` segments, by name.
        query: The query parameters, by name.
        headers: The request headers, by name in lower case.
        body: The request body, parsed as JSON.
        counter: How many times the stub has answered, this time included.
        now: The current time of the emulator, in seconds since the epoch.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    counter: int
    now: float
    _ids: dict[str, str] = field(default_factory=dict)

    def find(self, name: str) -> Any:
        """Return the value of a placeholder; None if the request has none."""
        kind, _, rest = name.partition(".")
        match kind:
            case "path":
                return self.path.get(rest)
            case "query":
                return self.query.get(rest)
            case "header":
                return self.headers.get(rest.lower())
            case "body":
                return _inside(self.body, rest.split(".") if rest else [])
            case "counter":
                return self.counter
            case "now":
                return int(self.now)
            case "now_ms":
                return int(self.now * 1000)
            case _:  # the same id wherever it is used in one answer
                return self._ids.setdefault(rest, rest + secrets.token_hex(16))


def _inside(value: Any, names: list[str]) -> Any:
    for name in names:
        if isinstance(value, str):
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError:
                return None
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and len(name) < 6:  # noqa: PLR2004
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    return value


def check(template: Any) -> None:
    """Check the placeholders of an answer.

    Raises:
        ValueError: one that is not known.
    """
    for name in _iterate_names(template):
        if _KNOWN.fullmatch(name) is None:
            raise ValueError(
                f"unknown placeholder {{{{{name}}}}}. Next: use {KNOWN}, or 'template': false to answer it "
                "unchanged"
            )


def _iterate_names(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield from _PLACE.findall(template)
    elif isinstance(template, dict):
        for name, inner in template.items():
            yield from _PLACE.findall(name)
            yield from _iterate_names(inner)
    elif isinstance(template, list):
        for inner in template:
            yield from _iterate_names(inner)


def fill(template: Any, values: Values) -> Any:
    """Return an answer with its values.

    Args:
        template: The answer as JSON. A string that is nothing but a placeholder becomes the value itself,
            with its type (null if there is none); within a longer string it becomes text.
        values: The values of the placeholders for one request.
    """
    if isinstance(template, str):
        whole = _PLACE.fullmatch(template)
        return values.find(whole.group(1)) if whole else fill_text(template, values)
    if isinstance(template, dict):
        return {fill_text(name, values): fill(inner, values) for name, inner in template.items()}
    if isinstance(template, list):
        return [fill(inner, values) for inner in template]
    return template


def fill_text(template: str, values: Values) -> str:
    """Return a text with its values."""
    return _PLACE.sub(lambda match: _as_text(values.find(match.group(1))), template)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
