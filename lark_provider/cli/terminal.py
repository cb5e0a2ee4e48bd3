"""Standard input and output, each of which may be a terminal, a pipe, or closed."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

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


def prints_utf8() -> bool:
    """Return whether the encoding of standard output is UTF-8; also if it has none, and takes any text."""
    return codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name == "utf-8"


class _Pipe(io.FileIO):
    """A file that drops what is written to it once its reader has closed the pipe."""

    def write(self, data: Any, /) -> int:
        """Write a buffer of bytes, and return how many were taken."""
        try:
            return super().write(data)
        except BrokenPipeError:
            _discard(self.fileno())
            return super().write(data)


@contextmanager
def outlast_readers() -> Iterator[None]:
    """Print, and drop the rest once the reader closes the pipe, as `head` does after ten lines.

    A command whose reader leaves still does all its work, and its exit code is that of the work.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _tolerate(sys.stdout), _tolerate(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _tolerate(stream: TextIO) -> TextIO:
    """Return a stream like this one that no closed pipe can fail; itself if it is none of the system's."""
    if not isinstance(stream, io.TextIOWrapper):  # Such as None: it may be closed.
        return stream
    raw = getattr(stream.buffer, "raw", stream.buffer)
    if not isinstance(raw, io.FileIO):
        return stream
    pipe = _Pipe(raw.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        pipe if raw is stream.buffer else io.BufferedWriter(pipe),  # Python's -u leaves out the buffer.
        stream.encoding,
        stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def discard_output() -> None:
    """Keep Python from trying once more, at exit, to print what could not be printed."""
    try:
        sys.stdout.flush()
    except OSError:
        _discard(sys.stdout.fileno())


def _discard(descriptor: int) -> None:
    """Let a file descriptor lead nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
