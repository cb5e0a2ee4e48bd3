"""Every value of `lark.yaml` that cannot be meant is named, and none ends in an error of Python's own."""

from __future__ import annotations

import copy
import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lark_provider.api.routes.reading import read_routes
from lark_provider.errors import ConfigurationError

DOCS = Path(__file__).parents[2] / "docs" / "en"
MEMBERS = ("routes", "commands", "defaults", "people", "email_domains", "hold", "new_card_when_lost")
ODD: list[Any] = [
    None, True, 5, -1, 1e300, float("nan"), float("inf"), 10**30, "", "x", "\0", "💥", "22:00-07:00",
    "*" * 300, dt.date(2026, 1, 1), [], [None], [1], ["questions"], [[]], {}, {"a": 1}, {1: 2}, {"id": {}},
]  # fmt: skip


def read_samples() -> dict[str, Any]:
    """Return all route definitions that the documents show, merged into one file."""
    file: dict[str, Any] = {}
    for page in sorted(DOCS.rglob("*.md")):
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
            for name, value in (yaml.safe_load(block) or {}).items() if ": " in block else ():
                if name in MEMBERS:
                    file[name] = file.get(name, []) + value if isinstance(value, list) else value
    return file


def walk(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value in a nested structure, including the structure itself."""
    yield path
    if isinstance(node, dict | list):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield from walk(node[key], (*path, key))


SAMPLES = read_samples()


def list_entries() -> Iterator[dict[str, Any]]:
    """Yield a file for each entry of the samples that contains nothing else."""
    for member, value in SAMPLES.items():
        for entry in value if isinstance(value, list) else [value]:
            yield {member: [entry] if isinstance(value, list) else entry}


def test_each_value() -> None:
    raw, refused = list[str](), 0
    for entry in list_entries():
        for path in walk(entry):
            for odd in ODD if path else ():
                file = copy.deepcopy(entry)
                node = file
                for key in path[:-1]:
                    node = node[key]
                node[path[-1]] = odd
                try:
                    read_routes(yaml.safe_dump(file, allow_unicode=True))
                except ConfigurationError as error:
                    refused += 1
                    if "Next: " not in str(error):
                        raw.append(f"{path} = {odd!r}: {error}")
                except Exception as error:  # noqa: BLE001 - all are reported at the end
                    raw.append(f"{path} = {odd!r}: {type(error).__name__}: {error}")
    assert "\n".join(raw) == ""
    assert refused > 1000


def test_the_samples_have_all_members() -> None:
    assert set(SAMPLES) == set(MEMBERS)
    assert read_routes(yaml.safe_dump(SAMPLES, allow_unicode=True)).routes
