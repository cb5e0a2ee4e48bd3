"""Chinese pages say which English text they were written from, so that a change of it is noticed.

`python -m website.twins` says which pages are behind; `python -m website.twins docs/zh/how-to/sync.md`
records that this one says again what its English twin says.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

from website import markdown
from website.layout import ROOT, sources

_GENERATED = {"local-lark/control-plane.md", "local-lark/coverage.md", "reference/benchmarks.md"}
"""Committed pages that one command writes in both languages at once."""
_MARK = re.compile(r"\n*<!-- Says what the English page says: ([0-9a-f]{12}) -->\n*\Z")


def digest(page: str) -> str:
    """Return the digest of an English page; blanks at ends of lines and targets of links do not count."""
    text = markdown.with_links("\n".join(line.rstrip() for line in page.strip().split("\n")), lambda _: "")
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_digest(twin: str) -> str | None:
    """Return the digest that a Chinese page names, or None."""
    match = _MARK.search(twin)
    return match.group(1) if match else None


def without_mark(page: str) -> str:
    """Return a page without the line that names the digest."""
    return _MARK.sub("\n", page)


def behind() -> dict[str, str]:
    """Return what is wrong with twins, by name of the page."""
    english, chinese = sources("en"), sources("zh")
    wrong = dict.fromkeys(english.keys() - chinese.keys(), "has no Chinese twin")
    wrong |= dict.fromkeys(chinese.keys() - english.keys(), "has no English twin")
    for name in (english.keys() & chinese.keys()) - _GENERATED:
        mark = read_digest(chinese[name].read_text("utf-8"))
        if mark is None:
            wrong[name] = "names no digest of its English twin"
        elif mark != digest(english[name].read_text("utf-8")):
            wrong[name] = "is behind its English twin"
    return wrong


def renew(twin: Path) -> None:
    """Record in a Chinese page that it says what its English twin says now."""
    [name] = [name for name, path in sources("zh").items() if path == twin.resolve()]
    if name in _GENERATED:
        raise SystemExit(f"{twin} is generated, and names no digest. Next: run the command that writes it.")
    english = digest(sources("en")[name].read_text("utf-8"))
    text = without_mark(twin.read_text("utf-8")).rstrip("\n")
    twin.write_text(f"{text}\n\n<!-- Says what the English page says: {english} -->\n", "utf-8")


def main(arguments: list[str]) -> int:
    """Renew the named pages, then say which are behind."""
    for name in arguments:
        renew(Path(name))
    wrong = behind()
    for name, what in sorted(wrong.items()):
        path = sources("zh").get(name) or sources("en")[name]
        print(f"{path.relative_to(ROOT)} {what}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
