"""Standard input, which may be a terminal, something else, or closed."""

from __future__ import annotations

import sys


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def line() -> str:
    """The next line; empty if there is none."""
    return "" if sys.stdin is None else sys.stdin.readline()


def text() -> str:
    """All that is left."""
    return "" if sys.stdin is None else sys.stdin.read()
