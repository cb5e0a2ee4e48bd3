"""Standard input and output, each of which may be a terminal, a pipe, or closed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lark_provider.cli.arguments import WrongUseError


def can_ask() -> bool:
    """Return whether standard input is a terminal, so that a user can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirm(question: str) -> bool:
    """Ask a user, and return whether they agree.

    Args:
        question: What is asked.

    Raises:
        WrongUseError: Standard input is not a terminal.
    """
    if not can_ask():
        raise WrongUseError("Standard input must be a terminal to confirm this. Next: pass --yes.")
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def read_line() -> str:
    """Return the next line of standard input; empty at its end."""
    return "" if sys.stdin is None else sys.stdin.readline()


def read_all() -> str:
    """Return the rest of standard input."""
    return "" if sys.stdin is None else sys.stdin.read()


def can_print(text: str) -> bool:
    """Return whether the encoding of standard output has the characters of a text."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def until_pipe_closes() -> Iterator[None]:
    """Print, and stop quietly when the reader closes the pipe, as `head` does after ten lines."""
    try:
        yield
    except BrokenPipeError:
        discard_output()


def discard_output() -> None:
    """Keep Python from trying once more, at exit, to print what could not be printed."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
