"""Pages of the reference that are generated from the code."""

from __future__ import annotations

from website.layout import Language


def pages(language: Language) -> dict[str, str]:
    """Return the generated pages of a language, by name."""
    del language
    return {}
