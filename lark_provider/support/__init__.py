"""Small mechanisms that import nothing else of this package."""

from __future__ import annotations
