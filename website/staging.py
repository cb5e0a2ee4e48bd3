"""Bring the pages of a language into one folder; their links lead within the site, or to the repository."""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path

from website import markdown, twins
from website.layout import CODES, DOCS, IMAGES, REPOSITORY, ROOT, SITE, SiteError, sources

_OTHER_LANGUAGE = re.compile(r"^\[(?:English|中文)\]\([^)]+\)\n\n?", re.MULTILINE)
"""The line that leads to a page's twin on GitHub; the site has a menu for that."""


def places() -> dict[Path, tuple[str, str]]:
    """Return language and name of every page of the site, by its file."""
    return {path: (code, name) for code in CODES for name, path in sources(code).items()}


class Links:
    """Where the links of a page lead, once it is part of the site.

    Args:
        language: Of the page.
        name: The page, such as `how-to/sync.md`.
        source: Its file; None if it is generated.
        known: `places()`.
    """

    def __init__(
        self, language: str, name: str, source: Path | None, known: dict[Path, tuple[str, str]]
    ) -> None:
        self._language, self._name, self._source, self._known = language, name, source, known
        self.wrong: list[str] = []
        """Links that lead nowhere."""

    def __call__(self, target: str) -> str:
        """Return the target of a link in the site; one that leads nowhere is noted, and stays."""
        if target.startswith(SITE):
            language, _, rest = target.removeprefix(SITE).lstrip("/").partition("/")
            path, mark, anchor = rest.partition("#")
            path = path or "index.html"
            if language == self._language and path.endswith(".html"):
                return self._relative(path.removesuffix(".html") + ".md") + mark + anchor
            return self._within(language, path) + mark + anchor
        if re.match(r"[a-z]+:|#", target):
            return target
        path, mark, anchor = target.partition("#")
        if self._source is None:
            return self._resolve_link(path) + mark + anchor
        file = (self._source.parent / path).resolve()
        if not file.exists() or not file.is_relative_to(ROOT):
            self.wrong.append(f"{self._source.relative_to(ROOT)} links to {target}, which does not exist")
            return target
        if file in self._known:
            language, name = self._known[file]
            if language == self._language:
                return self._relative(name) + mark + anchor
            return self._within(language, name.removesuffix(".md") + ".html") + mark + anchor
        if file.is_relative_to(DOCS / self._language):
            return self._relative(file.relative_to(DOCS / self._language).as_posix())
        if file.is_relative_to(IMAGES):
            return self._relative(f"images/{file.relative_to(IMAGES).as_posix()}")
        kind = "tree" if file.is_dir() else "blob"
        return f"{REPOSITORY}/{kind}/main/{file.relative_to(ROOT).as_posix()}{mark}{anchor}"

    def _resolve_link(self, path: str) -> str:
        """Return where a link of a generated page leads: to the English page while there is no twin of it."""
        name = posixpath.normpath(posixpath.join(posixpath.dirname(self._name), path))
        written = self._known.values()
        if (self._language, name) not in written and ("en", name) in written:
            return self._within("en", name.removesuffix(".md") + ".html")
        return path

    def _relative(self, name: str) -> str:
        return posixpath.relpath(name, posixpath.dirname(self._name) or ".")

    def _within(self, language: str, path: str) -> str:
        """Return the way to a page as it is served, from one language to the other, too."""
        return posixpath.relpath(f"{language}/{path}", posixpath.dirname(f"{self._language}/{self._name}"))


def stage(language: str, folder: Path, generated: dict[str, str]) -> dict[str, str]:
    """Write the pages of a language into a folder, with the pictures.

    Args:
        language: `en` or `zh`.
        folder: An empty folder.
        generated: Pages that are not written by hand, by name.

    Returns:
        The text of every page, by name.

    Raises:
        SiteError: A link leads nowhere, or a page exists twice.
    """
    known, written = places(), sources(language)
    if both := written.keys() & generated.keys():
        raise SiteError(
            f"{', '.join(sorted(both))} are written and generated. Next: remove the written pages."
        )
    pages: dict[str, str] = {}
    wrong: list[str] = []
    for name in [*written, *generated]:
        source = written.get(name)
        text = generated[name] if source is None else twins.without_mark(source.read_text("utf-8"))
        links = Links(language, name, source, known)
        linked = markdown.with_links(_OTHER_LANGUAGE.sub("", text, count=1), links)
        pages[name] = markdown.indent_lists(markdown.join_lines(markdown.with_large_pictures(linked)))
        wrong += links.wrong
    if wrong:
        raise SiteError("\n".join([*wrong, "Next: correct these links."]))
    for name, text in pages.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    for file in (DOCS / language).rglob("*"):
        if file.is_file() and file.suffix != ".md":
            shutil.copy(file, folder / file.relative_to(DOCS / language))
    shutil.copytree(IMAGES, folder / "images")
    return pages
