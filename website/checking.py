"""Check the site as it is served: all links, anchors and pictures; nothing may come from other hosts."""

from __future__ import annotations

import re
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADS = {"audio", "embed", "iframe", "img", "input", "object", "script", "source", "track", "video"}
_LINKS_THAT_LOAD = {
    "dns-prefetch",
    "icon",
    "manifest",
    "modulepreload",
    "preconnect",
    "prefetch",
    "preload",
    "stylesheet",
}
_STYLE_URL = re.compile(r"""(?:url\(\s*['"]?|@import\s+['"])(?!data:|#)([^'")]+)""")


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in _LOADS:
            self.loads += [values[name] for name in ("src", "data", "poster") if values.get(name)]
        if tag == "link" and set(values.get("rel", "").split()) & _LINKS_THAT_LOAD:
            self.loads.append(values["href"])
        self.loads += _STYLE_URL.findall(values.get("style", ""))


def wrong(site: Path) -> list[str]:
    """Return a sentence for each link that leads nowhere, and each thing that is loaded from another host."""
    site = site.resolve()  # as what links lead to is
    pages = {path: _Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    problems: dict[str, list[str]] = defaultdict(list)
    for path, page in pages.items():
        if path.name == "404.html":  # served for any address: it names its files by the site's own
            continue
        here = path.relative_to(site).as_posix()
        for target in page.links + page.loads:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if target in page.loads and parts.scheme != "data":
                    problems[here].append(f"loads {target} from another host")
                continue
            other = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if other.is_dir():
                other /= "index.html"
            if not other.exists() or not other.is_relative_to(site):
                problems[here].append(f"links to {target}, which is not there")
            elif parts.fragment and other.suffix == ".html":
                anchor = unquote(parts.fragment)
                if anchor not in pages[other].anchors and not anchor.startswith("__"):
                    problems[here].append(f"links to {target}, where there is no such anchor")
    for path in sorted(site.rglob("*.css")):
        for target in _STYLE_URL.findall(path.read_text("utf-8")):
            if urlsplit(target).netloc:
                problems[path.relative_to(site).as_posix()].append(f"loads {target} from another host")
    return [f"{page} {what}" for page, whats in problems.items() for what in dict.fromkeys(whats)]
