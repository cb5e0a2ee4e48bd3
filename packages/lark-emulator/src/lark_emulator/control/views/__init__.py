"""What the page and other programs ask for in windows, so that a million records are never sent at once."""

from __future__ import annotations
