"""Write Markdown: tables, and texts of docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_ITEM = re.compile(r"^(\s*)(?:[-*]|\d+\.) ")


def format_cell(text: str) -> str:
    """Return a text as a table's cell: one line, and no bar that would end it."""
    return " ".join(text.split()).replace("|", "\\|") or "–"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, or nothing if it has no rows."""
    lines = [f"| {' | '.join(map(format_cell, row))} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *lines])


def join_parts(*parts: str) -> str:
    """Return a page of its parts; those that are empty are left out."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def format_text(docstring: str) -> str:
    """Return the text of a docstring as Markdown: lists get the blank line that they need."""
    lines: list[str] = []
    for line in docstring.split("\n"):
        if _ITEM.match(line) and lines and lines[-1].strip() and not _ITEM.match(lines[-1]):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)
