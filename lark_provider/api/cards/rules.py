"""Refuses before sending what Lark refuses to build, and names the place.

See https://open.feishu.cn/document/feishu-cards/card-json-v2-breaking-changes-release-notes
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from lark_provider.api.cards import shapes
from lark_provider.api.cards.text import MAX_CARD_BYTES, check_size, parse
from lark_provider.protocol.calls import encode
from lark_provider.protocol.errors import InvalidRequestError

_ELEMENT_ID = re.compile(shapes.ELEMENT_ID)
_FENCED = re.compile(r"^(`{3,}|~{3,}).*?(?:^\1|\Z)", re.MULTILINE | re.DOTALL)
_MARKDOWN_TABLE = re.compile(
    r"^[^\n|]*\|[^\n]*\n[ \t]*(?=[^\n]*\|)\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$",
    re.MULTILINE,
)
# The JSON encoder's own limit, with some room; no card comes near it.
_DEEPEST = 200
_INTEGERS = range(-(2**63), 2**64)


def check(card: Mapping[str, Any] | str, *, max_bytes: int = MAX_CARD_BYTES) -> None:
    """Check a card of JSON 2.0. Built cards are checked by themselves; this is for hand-written ones.

    Refused are: what is no JSON; a missing schema; unknown properties of known objects; tags that 2.0
    dropped; forms and tables elsewhere than at the body's root; containers nested too deep; fields of a form
    without names; names and element_ids that are malformed or used twice; too many tables, components or
    bytes. Components with an unknown tag may be newer than our table, and pass.

    Args:
        card: Card JSON as a dict or as text.
        max_bytes: What Lark takes. Documented are 30 KB.

    Raises:
        InvalidRequestError: With code 230099, or 230025 for the size; the text names the place.
    """
    parsed = parse(card)
    _check_json(parsed, "", 0)
    if parsed.get("schema") != "2.0":
        state = (
            f"is {parsed['schema']!r}" if "schema" in parsed else "is missing, so that Lark reads JSON 1.0"
        )
        raise _refused("schema", state, 'add "schema": "2.0"')
    _Reader().read("card", parsed, "")
    check_size(len(encode(parsed, "the card")), max_bytes)


class _Reader:
    """Walks through one card and remembers what may occur only once, or only so often."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.element_ids: dict[str, str] = {}
        self.containers: list[str] = []
        self.elements = self.tables = 0

    def read(self, kind: str, value: Any, path: str, shape: Mapping[str, str] | None = None) -> None:
        """Check an object of a known kind, and all that it holds."""
        shape = shapes.OBJECTS[kind] if shape is None else shape
        for name in _members(value, path):
            # A text in other languages stands beside the text itself.
            if name not in shape and not (kind != "card" and name.removeprefix("i18n_") in shape):
                raise _unknown(kind, name, _join(path, name), shape)
        if "element_id" in shape:
            self.element_id(value.get("element_id"), _join(path, "element_id"))
        if kind == "table":
            _check_columns(value.get("columns"), _join(path, "columns"))
        for name, inner in shape.items():
            if inner and value.get(name) is not None:
                self.member(inner, value[name], _join(path, name))

    def member(self, kind: str, value: Any, path: str) -> None:
        """Check what a property holds: one object or a list of them."""
        for item, place in _items(value, path) if kind.endswith("[]") else ((value, path),):
            one = kind.removesuffix("[]")
            if one in {"element", "column"}:
                self.element(item, place, only="column" if one == "column" else None)
            else:
                self.read(one, item, place)

    def element(self, value: Any, path: str, *, only: str | None = None) -> None:
        """Check a component, whatever its tag."""
        _members(value, path)
        tag = value.get("tag")
        if not (isinstance(tag, str) and tag):
            raise _refused(_join(path, "tag"), f"is {tag!r}", "name the component, e.g. 'markdown'")
        if tag in shapes.DROPPED_TAGS:
            raise _refused(
                _join(path, "tag"), f"is {tag!r}, which JSON 2.0 dropped", shapes.DROPPED_TAGS[tag]
            )
        if (tag == "column") != (only == "column"):
            raise _refused(path, f"is a {tag}", "put columns, and nothing else, into column_set.columns")
        self.count(tag, value, path)
        self.name(tag, value, path)
        if tag in shapes.CONTAINERS:
            self.containers.append(tag)
        if tag in shapes.COMPONENTS:
            self.read(tag, value, path, shapes.COMPONENTS[tag])
        else:
            self.unknown(value, path)
        if tag in shapes.CONTAINERS:
            self.containers.pop()

    def unknown(self, value: Mapping[str, Any], path: str) -> None:
        """Check what is sure about a component newer than our table: its id, and components inside."""
        self.element_id(value.get("element_id"), _join(path, "element_id"))
        if isinstance(value.get("elements"), list):
            self.member("element[]", value["elements"], _join(path, "elements"))

    def count(self, tag: str, value: Mapping[str, Any], path: str) -> None:
        """Count components, tables and levels, and refuse the first one too many."""
        self.elements += 1
        if self.elements > shapes.MAX_ELEMENTS:
            raise _refused(
                path, f"is component {self.elements}; Lark takes {shapes.MAX_ELEMENTS}", "send a second card"
            )
        if tag in shapes.ROOT_ONLY and not re.fullmatch(r"body\.elements\[\d+\]", path):
            raise _refused(path, f"is a {tag} inside another component", "put it straight into body.elements")
        if tag in shapes.CONTAINERS and len(self.containers) == shapes.MAX_NESTING:
            raise _refused(path, f"is nested deeper than {shapes.MAX_NESTING} levels", "flatten the layout")
        self.tables += _tables(tag, value)
        if self.tables > shapes.MAX_TABLES:
            raise _refused(
                path, f"has table {shapes.MAX_TABLES + 1} of the card", "send the rest in a second card"
            )

    def name(self, tag: str, value: Mapping[str, Any], path: str) -> None:
        """Check that a name is there where a form needs one, and unique in the card."""
        name, place = value.get("name"), _join(path, "name")
        if name is None or name == "":
            if tag == "form" or ("form" in self.containers and tag in shapes.NAMED_IN_FORM):
                raise _refused(
                    place, "is empty", f"name the {tag}: the callback brings its value under this name"
                )
        elif not isinstance(name, str):
            raise _refused(place, f"is a {type(name).__name__}", "pass a text")
        else:
            _only_once(self.names, name, place)

    def element_id(self, element_id: Any, path: str) -> None:
        """Check that an id has Lark's form and is unique in the card."""
        if element_id is None or element_id == "":
            return
        if not (isinstance(element_id, str) and _ELEMENT_ID.fullmatch(element_id)):
            raise _refused(
                path,
                f"is {element_id!r}",
                "use at most 20 letters, digits and underscores, a letter at the beginning",
            )
        _only_once(self.element_ids, element_id, path)


def _tables(tag: str, value: Mapping[str, Any]) -> int:
    """Count the tables that a component adds; those written in Markdown count as well."""
    content = value.get("content")
    if tag == "markdown" and isinstance(content, str) and "|" in content:
        return len(_MARKDOWN_TABLE.findall(_FENCED.sub("", content)))
    return int(tag == "table")


def _check_columns(columns: Any, path: str) -> None:
    """Check the names of a table's columns, which are the keys of its rows."""
    seen: dict[str, str] = {}
    for column, place in _items(columns, path) if columns is not None else ():
        name = _members(column, place).get("name")
        if not (isinstance(name, str) and name):
            raise _refused(_join(place, "name"), f"is {name!r}", "name the column by its key in the rows")
        _only_once(seen, name, _join(place, "name"))


def _check_json(value: Any, path: str, depth: int) -> None:
    """Find the first value that JSON cannot carry as it is, e.g. a date, which the encoder lets pass."""
    if depth > _DEEPEST:
        raise _refused(path[:80] + "…", "is nested without end", "pass a card that does not contain itself")
    if isinstance(value, dict):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise _refused(_join(path, repr(name)), "is no text", "use texts as property names")
            _check_json(inner, _join(path, name), depth + 1)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _check_json(inner, f"{path}[{index}]", depth + 1)
    elif isinstance(value, str):
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise _refused(path, "has half of a character pair, which is no Unicode", "decode the text anew")
    elif isinstance(value, float) and not isfinite(value):
        raise _refused(path, f"is {value}", "pass a finite number, or leave it out")
    elif isinstance(value, int) and value not in _INTEGERS:
        raise _refused(path, "is a whole number that JSON readers cannot hold", "pass it as text")
    elif not (value is None or isinstance(value, (int, float))):
        raise _refused(path, f"is a {type(value).__name__}, which JSON has not", "pass it as text or number")


def _members(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _refused(path, f"is a {type(value).__name__}, not an object", "pass a dict")
    return value


def _items(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    if not isinstance(value, (list, tuple)):
        raise _refused(path, f"is a {type(value).__name__}, not a list", "pass a list")
    return ((item, f"{path}[{index}]") for index, item in enumerate(value))


def _only_once(seen: dict[str, str], value: str, path: str) -> None:
    first = seen.setdefault(value, path)
    if first is not path:
        raise _refused(path, f"is {value!r}, as is {first}", "give each its own")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _unknown(kind: str, name: str, path: str, shape: Mapping[str, str]) -> InvalidRequestError:
    from difflib import get_close_matches  # noqa: PLC0415 - only failures pay for it

    step = shapes.DROPPED_PROPERTIES.get((kind, name))
    if step is None:
        close = get_close_matches(name, shape, n=1)
        known = "it has " + ", ".join(sorted(shape))
        step = f"write {close[0]!r}" if close else f"leave it out; {known}"
    return _refused(path, f"is unknown to Lark in a {kind}", step)


def _refused(path: str, what: str, step: str) -> InvalidRequestError:
    return InvalidRequestError(f"The card's {path} {what}. Next: {step}.", code=230099)
