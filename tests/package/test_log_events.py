"""The pages of log events list every event that the package logs, and none that is gone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / language / "reference" / "log-events.md" for language in ("en", "zh")]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
LOGGERS = {"logger", "_logger", "log", "_log"}


def find_log_calls(code: str) -> Iterator[tuple[int, str, str | None]]:
    """Yield the calls of a logger's methods in source code.

    Args:
        code: A module's source.

    Yields:
        Line, level as in the page, and the message; None where the message is not a constant.
    """
    for node in ast.walk(ast.parse(code)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        of = node.func.value
        name = of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""
        if name not in LOGGERS or node.func.attr not in LEVELS:
            continue
        message = node.args[0] if node.args else None
        is_constant = isinstance(message, ast.Constant) and isinstance(message.value, str)
        level = "ERROR" if node.func.attr == "exception" else node.func.attr.upper()
        yield node.lineno, level, message.value if is_constant else None  # type: ignore[union-attr]


def in_code() -> set[tuple[str, str, str]]:
    """Return the message, level and logger of every event in the package."""
    events = set()
    for path in sorted((ROOT / "lark_provider").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for line, level, message in find_log_calls(path.read_text()):
            assert message is not None, f"{path}:{line}: a log message must be a constant"
            events.add((message, level, module))
    return events


def in_page(page: Path) -> set[tuple[str, str, str]]:
    """Return the first three columns of a page's tables: message, level, logger."""
    rows = re.findall(
        r"^\| `([^|]+)` \| ([A-Z]+)[^|]* \| `([\w.]+)` \|", page.read_text("utf-8"), re.MULTILINE
    )
    return {(message, level, f"lark_provider.{module}") for message, level, module in rows}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parts[-3])
def test_the_page_lists_every_event_and_no_other(page: Path) -> None:
    code, listed = in_code(), in_page(page)
    assert sorted(code - listed) == [], f"missing in {page}"
    assert sorted(listed - code) == [], f"in {page}, but no longer logged"


def test_the_fields_are_the_same_in_both_languages() -> None:
    english, chinese = (
        re.findall(
            r"^\| `([^|]+)` \| ([A-Z]+)[^|]* \| `[\w.]+` \| ([^|]*)\|", page.read_text("utf-8"), re.MULTILINE
        )
        for page in PAGES
    )
    names = [
        [(message, level, re.findall(r"`\w+`", fields)) for message, level, fields in rows]
        for rows in (english, chinese)
    ]
    assert names[0] == names[1]


def test_calls_are_found_whatever_the_logger_is_called() -> None:
    code = 'logger.info("a")\nself.log.warning(\n    "b" "c %s", 1)\nlog.exception("d")\nlog.debug(text)\n'
    assert list(find_log_calls(code)) == [
        (1, "INFO", "a"),
        (2, "WARNING", "bc %s"),
        (4, "ERROR", "d"),
        (5, "DEBUG", None),
    ]
