"""What the site needs to know of Markdown: fences, links, titles and anchors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()([^()\s]+(?:\([^()\s]*\)[^()\s]*)?)(\))")
_PICTURE = re.compile(r"^(!\[[^\]]*\]\((\S+)\))$")
_CODE = re.compile(r"(`+)(?:.+?)\1")
_HAN = r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
_MARKER = re.compile(r"(?:[-*]|\d+\.) +")
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def split_lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each line of a page, and whether it is code."""
    fence = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        mark = match.group(1) if match else ""
        if fence:
            yield line, True
            if mark.startswith(fence) and not line.strip().strip(mark[0]):
                fence = ""
        else:
            fence = mark
            yield line, bool(fence)


def _split_parts(text: str) -> Iterator[tuple[str, bool]]:
    """Yield code and prose in turn, each with its line breaks inside, and whether it is code."""
    parts: list[tuple[list[str], bool]] = []
    for line, is_code in split_lines(text):
        if not parts or parts[-1][1] is not is_code:
            parts.append(([], is_code))
        parts[-1][0].append(line)
    yield from (("\n".join(part), is_code) for part, is_code in parts)


def prose(text: str) -> str:
    """Return a page without its blocks of code."""
    return "\n".join(line for line, is_code in split_lines(text) if not is_code)


def find_title(text: str) -> str | None:
    """Return a page's title, without marks of code."""
    match = _TITLE.search(prose(text))
    return match.group(1).replace("`", "") if match else None


def with_links(text: str, change: Callable[[str], str]) -> str:
    """Return a page with every link's target changed by a function; code stays as it is."""

    def paragraph(part: str) -> str:
        codes = [match.span() for match in _CODE.finditer(part)]

        def replace(match: re.Match[str]) -> str:
            if any(start < match.start(2) < end for start, end in codes):
                return match.group()
            return f"{match.group(1)}{change(match.group(2))}{match.group(3)}"

        return _LINK.sub(replace, part)

    return "\n".join(part if is_code else paragraph(part) for part, is_code in _split_parts(text))


def with_large_pictures(text: str) -> str:
    """Return a page whose pictures lead to themselves, as on GitHub: a phone shows their text small."""
    return "\n".join(
        line if is_code else _PICTURE.sub(r"[\1](\2)", line) for line, is_code in split_lines(text)
    )


def join_lines(text: str) -> str:
    """Return a page without line breaks between Chinese characters, which a browser would show as blanks."""
    whole: list[str] = []
    code_before = True
    for line, is_code in split_lines(text):
        goes_on = not (is_code or code_before) and re.match(rf" *{_HAN}", line)
        if goes_on and re.search(rf"^(?!#|\|).*{_HAN}$", whole[-1]):
            whole[-1] += line.lstrip()
        else:
            whole.append(line)
        code_before = is_code
    return "\n".join(whole)


def indent_lists(text: str) -> str:
    """Return a page with four blanks before what belongs to an item of a list; GitHub takes less."""
    written: list[str] = []
    open_items: list[int] = []  # where the text of each begins, as it is written
    before, code_before = "", False
    for line, is_code in split_lines(text):
        stripped = line.lstrip(" ")
        lead = len(line) - len(stripped)
        marker = None if is_code else _MARKER.match(stripped)
        begins = marker or not before or stripped.startswith(("#", "|"))
        if stripped and begins and not (is_code and code_before):
            while open_items and lead < open_items[-1]:
                open_items.pop()
        beyond = max(0, lead - open_items[-1]) if open_items else lead
        written.append(" " * (4 * len(open_items) + beyond) + stripped if stripped else "")
        if marker:
            open_items.append(lead + len(marker.group()))
        before, code_before = stripped, is_code
    return "\n".join(written)
