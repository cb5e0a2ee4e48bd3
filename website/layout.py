"""Where the pages are, and what the site is called."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
IMAGES = DOCS / "images"
LOCAL_LARK = ROOT / "packages" / "lark-emulator" / "docs"
"""Pages of the local Lark, which is a distribution of its own; the site shows them as one more kind."""
REPOSITORY = "https://github.com/airflow-provider-lark/airflow-provider-lark"
SITE = "https://airflow-provider-lark.github.io/airflow-provider-lark"


class Language(NamedTuple):
    """A language of the site, and its name for each kind of pages."""

    code: str
    name: str
    locale: str
    home: str
    kinds: dict[str, str]


LANGUAGES = (
    Language(
        "en",
        "English",
        "en",
        "Home",
        {
            "tutorials": "Tutorials",
            "how-to": "How-to",
            "reference": "Reference",
            "explanation": "Explanation",
            "local-lark": "Local Lark",
        },
    ),
    Language(
        "zh",
        "中文",
        "zh",
        "首页",
        {
            "tutorials": "教程",
            "how-to": "操作指南",
            "reference": "参考",
            "explanation": "原理",
            "local-lark": "本地飞书",
        },
    ),
)
CODES = tuple(language.code for language in LANGUAGES)


class SiteError(Exception):
    """The site cannot be built from the pages as they are."""


def sources(language: str) -> dict[str, Path]:
    """Return the pages of a language that are written by hand, by their place in the site.

    Args:
        language: `en` or `zh`.

    Returns:
        Files by names such as `how-to/sync.md`.
    """
    pages = {path.relative_to(DOCS / language).as_posix(): path for path in (DOCS / language).rglob("*.md")}
    local = {f"local-lark/{path.name}": path for path in (LOCAL_LARK / language).glob("*.md")}
    return {**pages, **local}
