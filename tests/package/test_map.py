"""CONTRIBUTING's map knows every folder and module at the top of the package, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_map_is_complete() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    block = (
        text.partition("## The map")[2]
        .partition("lark_provider/\n")[2]
        .partition("packages/lark-emulator/")[0]
    )
    named = set(re.findall(r"^  (?=\S)(\w+)(?:/|\.py)", block, re.MULTILINE))
    named |= set(re.findall(r"^  (?:\w+/, )(\w+)/", block, re.MULTILINE))  # two folders in one line
    named |= set(re.findall(r"(\w+)\.py(?=,|$)", block.strip().splitlines()[-1]))
    package = ROOT / "lark_provider"
    modules = {path.name for path in package.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    modules |= {path.stem for path in package.glob("*.py")}
    assert named == modules
