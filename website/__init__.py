"""The project's site: pages of docs/ and a reference that is generated from the code, in two languages."""

from __future__ import annotations
