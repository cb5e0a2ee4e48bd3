"""A seed: what a tenant holds from the start, written by hand as TOML or JSON.

```toml
[[users]]
user_id = "dave"
email = "dave@example.com"

[[chats]]
name = "On call"
users = ["alice", "dave"]
bots = ["cli_1a2b3c4d5e6f0001"]
```

Each member but `settings` is a list, and each of its items is what the operation of the control plane takes.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.control import admin_api, documents, people, stubbing
from lark_emulator.control.seed_bases import add_base
from lark_emulator.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lark_emulator.lark import Lark


def _add_fault(lark: Lark, spec: dict[str, Any]) -> None:
    lark.faults.planned.append(Fault.from_plan(spec))


#: What a seed may hold, in the order in which it is put in: chats name users and apps, pages of a wiki bases.
_PARTS: dict[str, Callable[[Lark, dict[str, Any]], object]] = {
    "apps": admin_api.add_app,
    "change_apps": admin_api.change_app,
    "users": admin_api.add_user,
    "change_users": admin_api.change_user,
    "chats": admin_api.add_chat,
    "webhooks": admin_api.add_webhook,
    "bases": add_base,
    "documents": documents.add,
    "wiki_nodes": admin_api.add_wiki_node,
    "pages": people.plan_page,
    "faults": _add_fault,
    "stubs": stubbing.add,
}
_UNKNOWN = re.compile(r"unknown (?:member|setting) '([^']*)'")
_NAMED = re.compile(r"'([A-Za-z_][A-Za-z0-9_.]*)'")


@dataclass(frozen=True, slots=True)
class Seed:
    """A seed that was read.

    Args:
        name: The name of the file, for error messages.
        text: The file's text as it was read.
        content: The file's content, parsed.
        is_toml: Whether the file is TOML; otherwise it is JSON.
    """

    name: str
    text: str
    content: dict[str, Any]
    is_toml: bool

    @classmethod
    def read(cls, file: Path) -> Seed:
        """Read a file.

        Raises:
            OSError: it cannot be read.
            ValueError: it is neither TOML nor JSON, as its name says it is; or it holds an unknown member.
        """
        is_toml = file.suffix == ".toml"
        if not is_toml and file.suffix != ".json":
            raise ValueError(f"{file} is neither .toml nor .json. Next: give it the suffix of its format")
        try:
            text = file.read_bytes().decode()
            content: Any = tomllib.loads(text) if is_toml else orjson.loads(text)
        except (tomllib.TOMLDecodeError, orjson.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{file} is not {'TOML' if is_toml else 'JSON'}: {error}") from None
        if not isinstance(content, dict):
            raise ValueError(f"{file} must hold an object, not {content!r}")  # noqa: TRY004 - one kind of error
        seed = cls(str(file), text, content, is_toml)
        for name, part in content.items():
            if name != "settings" and name not in _PARTS:
                raise seed._make_error(
                    name, f"unknown member {name!r}; known: {', '.join(('settings', *_PARTS))}"
                )
            is_fit = isinstance(part, dict) if name == "settings" else _is_list_of_objects(part)
            if not is_fit:
                wanted = "an object" if name == "settings" else "a list of objects"
                raise seed._make_error(name, f"{name!r} must be {wanted}, not {part!r}")
        return seed

    def sow(self, lark: Lark) -> None:
        """Put it into an emulator.

        Raises:
            ValueError: a wrong member; the text names it and its line.
        """
        try:
            lark.settings.change(self.content.get("settings", {}))
        except ValueError as error:
            raise self._make_error("settings", str(error)) from None
        for name, add in _PARTS.items():
            for place, spec in enumerate(self.content.get(name, [])):
                try:
                    add(lark, dict(spec))
                except ValueError as error:
                    raise self._make_error(name, str(error), place) from None

    def _make_error(self, part: str, text: str, place: int = 0) -> ValueError:
        """Return an error that names the line of the member that it speaks of, or of the item."""
        where = f"{part}[{place}]" if part in _PARTS and _is_list_of_objects(self.content[part]) else part
        named = _UNKNOWN.search(text) or _NAMED.search(text)
        start = self._find_start(part, place)
        line = self._find_line(named.group(1), start) if named else None
        if line is None:
            line = self.text.count("\n", 0, start) + 1
        return ValueError(f"{self.name}, line {line}: {where}: {text}. Next: correct it")

    def _find_start(self, part: str, place: int) -> int:
        """Return where an item of a part begins in the text."""
        if self.is_toml:
            head = re.compile(rf"^\s*\[+\s*{part}\s*\]+", re.MULTILINE)
            heads = [match.start() for match in head.finditer(self.text)]
            if place < len(heads):
                return heads[place]
        at = self._find_key(part, 0)
        if at is None or self.is_toml or not place:
            return at or 0
        return _start_of_item(self.text, self.text.find("[", at), place)

    def _find_line(self, key: str, start: int) -> int | None:
        position = self._find_key(key, start)
        return None if position is None else self.text.count("\n", 0, position) + 1

    def _find_key(self, key: str, start: int) -> int | None:
        """Return where a key stands, at or behind `start`."""
        name = re.escape(key)
        pattern = rf'(?m)(?:^|[\s{{,.\[])("?){name}\1\s*[=\]]' if self.is_toml else rf'"{name}"\s*:'
        match = re.compile(pattern).search(self.text, start)
        return None if match is None else self.text.index(key, match.start())


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _start_of_item(text: str, start: int, place: int) -> int:
    """Return where an item of a JSON list begins, whose `[` is at `start`."""
    depth, number = 0, 0
    for at, piece in _iterate_brackets(text, start):
        if piece in "[{":
            depth += 1
            if depth == 2 and piece == "{":  # noqa: PLR2004 - the objects in the list
                if number == place:
                    return at
                number += 1
        elif piece in "]}":
            depth -= 1
            if not depth:
                break
    return start


def _iterate_brackets(text: str, start: int) -> Iterator[tuple[int, str]]:
    """Yield the brackets of a JSON text; those within strings are none."""
    for match in re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]').finditer(text, start):
        if not match.group().startswith('"'):
            yield match.start(), match.group()
