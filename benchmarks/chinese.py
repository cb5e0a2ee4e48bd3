"""The Chinese twin of the document, derived from the English one, so that both have the same figures."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_TEXTS = tomllib.loads((Path(__file__).parent / "chinese.toml").read_text("utf-8"))
_NUMBER = re.compile(r"\d(?:[\d,]*\d)?")


def label(text: str) -> str | None:
    """Return the Chinese label of a row or column; None if it has no translation.

    Args:
        text: The English label.
    """
    translation: str | None = _TEXTS["labels"].get(_NUMBER.sub("#", text))
    if translation is None:
        return None
    numbers = iter(_NUMBER.findall(text))
    return re.sub("#", lambda _: next(numbers), translation)


def translate_document(english: str) -> str:
    """Return the Chinese document.

    Args:
        english: The English one, as `benchmarks.table.write` writes it.
    """
    machine, table = english.rsplit("\n\n", 1)
    lines = [_translate_line(line) for line in table.strip().splitlines()]
    described = _translate(machine.rsplit("\n", 1)[-1])
    return "\n\n".join([_TEXTS["heading"].strip(), described, "\n".join(lines)]) + "\n"


def _translate_line(line: str) -> str:
    if line.startswith("|-"):
        return line
    cells = [cell.strip() for cell in line.strip("|").split(" | ")]
    return f"| {' | '.join(label(cell) or _translate(cell) for cell in cells)} |"


def _translate(text: str) -> str:
    for pattern, chinese in _TEXTS["phrases"].items():
        text = re.sub(pattern, chinese, text)
    return text
