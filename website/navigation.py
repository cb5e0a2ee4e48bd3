"""The menu of the site, from the lists of its index pages: a page that is in none of them is an error."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from website import markdown
from website.layout import Language, SiteError

_ENTRY = re.compile(r"^- \[([^\]]+)\]\(([^)#]+)\)")
_GROUP = re.compile(r"^## (.+)$")


def entries(index: str) -> list[tuple[str | None, list[tuple[str, str]]]]:
    """Return the groups of an index page: heading (None before the first), then title and target of each."""
    groups: list[tuple[str | None, list[tuple[str, str]]]] = [(None, [])]
    for line in markdown.prose(index).split("\n"):
        if heading := _GROUP.match(line):
            groups.append((heading.group(1), []))
        elif entry := _ENTRY.match(line):
            groups[-1][1].append((entry.group(1).replace("`", ""), entry.group(2)))
    return [(heading, links) for heading, links in groups if links]


def menu(language: Language, pages: dict[str, str]) -> list[dict[str, Any]]:
    """Return the menu as Zensical wants it.

    Args:
        language: Of the pages.
        pages: The text of every page, by name.

    Raises:
        SiteError: A page is missing in the index page of its kind, or listed twice.
    """
    nav: list[dict[str, Any]] = [{language.home: "index.md"}]
    listed = ["index.md"]
    for kind, title in language.kinds.items():
        index = f"{kind}/index.md"
        if index not in pages:
            raise SiteError(
                f"docs/{language.code}/{index} is missing. Next: write it; it lists the pages of its kind."
            )
        section: list[str | dict[str, Any]] = [index]
        listed.append(index)
        for heading, links in entries(pages[index]):
            paths = [(name, posixpath.normpath(f"{kind}/{target}")) for name, target in links]
            items = [{name: path} for name, path in paths if not path.startswith("..")]
            listed += [page for item in items for page in item.values()]
            section += [{heading: items}] if heading and items else items
        nav.append({title: section})
    if lost := sorted(pages.keys() - set(listed)):
        raise SiteError(
            f"No index page lists {', '.join(lost)} ({language.code}). "
            f"Next: add a line `- [Title](NAME.md): what it is for.` to index.md in the folder of each."
        )
    if twice := sorted({page for page in listed if listed.count(page) > 1}):
        raise SiteError(f"Listed twice: {', '.join(twice)} ({language.code}). Next: remove one of the lines.")
    return nav
