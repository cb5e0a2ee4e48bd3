"""What the application is told by its environment. The client reads its own settings there by itself."""
# ruff: noqa: INP001 - programs, no package

from __future__ import annotations

import os


class Config:
    """Settings of the application."""

    GREETING = os.getenv("GREETING", "Hello from Flask!")
