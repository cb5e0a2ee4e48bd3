"""No object is made from ten values whose meaning only their order tells."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST = 9
"""Arguments by position; what takes any number of one kind, as a table its columns, may have more."""
ANY_NUMBER = {"Table", "sa.select", "refuse_unknown"}


def long_calls(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of each call with more arguments by position."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and len(node.args) > MOST:
            name = ast.unparse(node.func)
            if name not in ANY_NUMBER:
                yield node.lineno, name


def test_ten_arguments_have_names() -> None:
    folders = (ROOT / "lark_provider", ROOT / "packages/lark-emulator/src")
    calls = [
        (str(path.relative_to(ROOT)), *call)
        for folder in folders
        for path in folder.rglob("*.py")
        for call in long_calls(path.read_text("utf-8"))
    ]
    assert calls == []


def test_the_rule_sees_such_a_call() -> None:
    assert list(long_calls(f"\nRow({', '.join('abcdefghij')})")) == [(2, "Row")]
