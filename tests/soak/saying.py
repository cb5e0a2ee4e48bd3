"""What long programs print: each line at once, since it is read through a pipe while they run."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
