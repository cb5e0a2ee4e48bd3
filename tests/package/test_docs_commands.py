"""Every command of ours that the documents show exists, with the options that they show."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lark_provider.cli.__main__ import make_parser

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "README.zh.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
)
_COMMAND = re.compile(r"(?:^|[\s`/(])(?:lark-provider|python -m lark_provider\.cli) ([a-z][^`\n)]*)")
_END = {"|", "||", "&&", ";", ">", ">>", "<", "&"}


def blocks(page: str) -> Iterator[str]:
    """Yield where commands stand: lines of code blocks that are typed, and code within sentences."""
    parts = re.split(r"^```.*$", page, flags=re.MULTILINE)
    for block in parts[1::2]:
        typed = re.findall(r"^\$ (.*(?:\n> .*)*)$", block, re.MULTILINE)
        yield from typed if "$ " in block else block.splitlines()
    for text in parts[::2]:
        yield from re.findall(r"`[^`\n]+`", text)


def commands(page: str) -> Iterator[list[str]]:
    """Yield the words of each command of ours on a page."""
    for block in blocks(page):
        for command in _COMMAND.findall(block):
            try:
                words = shlex.split(command, comments=True)
            except ValueError:  # a quotation that goes on in the next line
                words = command.split()
            end = next((n for n, word in enumerate(words) if word in _END), len(words))
            yield words[:end]


def wrong(words: Sequence[str]) -> str | None:
    """Return the first word of a command that its parser does not know; None if it knows all."""
    current = make_parser()
    for word in words:
        children = next((a for a in current._actions if isinstance(a, argparse._SubParsersAction)), None)
        if word.startswith("--"):
            if word.partition("=")[0] not in current._option_string_actions:
                return word
        elif children is not None:
            for name in word.split("|"):  # `serve|listen` names both
                if name not in children.choices:
                    return name
            current = children.choices[word.split("|")[0]]
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_exist(page: Path) -> None:
    results = [(words, wrong(words)) for words in commands(page.read_text("utf-8"))]
    assert [(words, word) for words, word in results if word is not None] == []


def test_commands_are_found_and_wrong_ones_told() -> None:
    page = """
Run `lark-provider db upgrade`, or `lark-provider nothing`.

```console
$ X=1 lark-provider app add --name 'a b' | lark-provider app show --jason
prints lark-provider made up
$ /opt/venv/bin/lark-provider callbacks dead purge --all > file
```
"""
    parsed = list(commands(page))
    assert parsed == [
        ["app", "add", "--name", "a b"],
        ["callbacks", "dead", "purge", "--all"],
        ["db", "upgrade"],
        ["nothing"],
    ]
    assert [wrong(words) for words in parsed] == [None, None, None, "nothing"]
    assert wrong(["app", "show", "--jason"]) == "--jason"
    assert wrong(["callbacks", "dead", "burn"]) == "burn"
    assert sum(len(list(commands(page.read_text("utf-8")))) for page in PAGES) > 100
