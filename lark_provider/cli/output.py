"""Format what commands print: aligned tables and JSON."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import orjson

from lark_provider.cli.terminal import prints_utf8
from lark_provider.support.text import escape_texts

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def print_json(value: Any, *, one_line: bool = False) -> None:
    """Print a value for programs; times are ISO 8601, and bytes that are not UTF-8 are escaped.

    Args:
        value: What JSON has, or a time.
        one_line: Whether to print it without line breaks.
    """
    option = 0 if one_line else orjson.OPT_INDENT_2
    try:
        text = orjson.dumps(value, option=option).decode()
    except TypeError:
        text = orjson.dumps(escape_texts(value), option=option).decode()
    # In another encoding, characters would be lost, or be other ones to a program that reads UTF-8.
    print(text if prints_utf8() else _NOT_ASCII.sub(lambda character: json.dumps(character[0])[1:-1], text))


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Render a table, and truncate nothing in it.

    Args:
        head: The columns' names.
        rows: The cells.
    """
    lines = [[format_line(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(compute_width, column)) for column in zip(*lines, strict=True)]

    def draw_rule(left: str, middle: str, right: str) -> str:
        return left + middle.join("─" * (wide + 2) for wide in widths) + right

    def draw_line(cells: Sequence[str]) -> str:
        padded = (
            f" {cell}{' ' * (wide - compute_width(cell))} " for cell, wide in zip(cells, widths, strict=True)
        )
        return f"│{'│'.join(padded)}│"

    first, *rest = map(draw_line, lines)
    return "\n".join(
        [draw_rule("┌", "┬", "┐"), first, draw_rule("├", "┼", "┤"), *rest, draw_rule("└", "┴", "┘")]
    )


def compute_width(text: str) -> int:
    """Return how many columns a text takes on a terminal: two for a Chinese character, none for an accent."""
    return sum(
        2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
        if unicodedata.category(character) not in {"Mn", "Me", "Cf"}
    )


def format_line(text: str) -> str:
    """Return a text on one line, without control characters."""
    return "".join(character if character.isprintable() else " " for character in text)


def describe_seal(app_id: str, base_url: str) -> str:
    """Return the line that tells the operator to which base URL an app is bound."""
    where = format_line(base_url) if base_url else "no base URL of its own (each client's settings count)"
    return f"App {format_line(app_id)} is sealed with {where}."


def format_json(value: Any) -> str:
    """Return a value as JSON on one line."""
    return orjson.dumps(value).decode()
