"""What is raised about a file that cannot be read."""

from __future__ import annotations


class UnreadableError(ValueError):
    """A file that is not what its extension says."""
