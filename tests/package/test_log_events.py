"""The pages of log events list every event that the package logs, and none that is gone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / language / "reference" / "log-events.md" for language in ("en", "zh")]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
LOGGERS = {"logger", "_logger", "log", "_log"}
NO_FIELDS = {"extra", "exc_info", "stack_info", "stacklevel", "kind"}
"""Arguments of a log call that are not fields; any other is one, for Airflow's logger."""


def find_log_calls(code: str) -> Iterator[tuple[int, str, str | None]]:
    """Yield the calls of a logger's methods in source code.

    Args:
        code: A module's source.

    Yields:
        Line, level as in the page, and the message; None where the message is not a constant.
    """
    for node in ast.walk(ast.parse(code)):
        event = read_log_call(node)
        if event is not None:
            yield node.lineno, *event  # type: ignore[attr-defined] # a call has a line


def read_log_call(node: ast.AST) -> tuple[str, str | None] | None:
    """Return the level and the message of a call of a logger's method; None for anything else.

    `throttle.log(logger.warning, "Message", …)` is such a call as well.
    """
    if not isinstance(node, ast.Call):
        return None
    is_passed = is_throttled(node)
    method, arguments = (node.args[0], node.args[1:]) if is_passed else (node.func, node.args)
    if not _is_log_method(method):
        return None
    message = arguments[0] if arguments else None
    is_constant = isinstance(message, ast.Constant) and isinstance(message.value, str)
    level = "ERROR" if method.attr == "exception" else method.attr.upper()
    return level, message.value if is_constant else None  # type: ignore[union-attr]


def is_throttled(call: ast.Call) -> bool:
    """Return whether a call's first argument is a logger's method, as in those of a `Throttle`."""
    return bool(call.args) and _is_log_method(call.args[0])


def _is_log_method(of: ast.expr) -> TypeGuard[ast.Attribute]:
    return isinstance(of, ast.Attribute) and of.attr in LEVELS and _get_name(of.value) in LOGGERS


def _get_name(of: ast.expr) -> str:
    return of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""


class FieldReader:
    """Read which fields a module's log calls pass, where the code says so.

    That is: in a literal dict, in a union of dicts, in a variable that the same function, or one around it,
    assigns such a dict above the call, and in what a function of the module returns.

    Args:
        code: The module's source.
    """

    def __init__(self, code: str) -> None:
        self._tree = ast.parse(code)
        self._functions: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._functions.setdefault(node.name, []).append(node)

    def find(self) -> Iterator[tuple[str, str, set[str] | None]]:
        """Yield level, message and fields of each log call; None where the fields are not known."""
        yield from self._find_in(self._tree, [])

    def _find_in(self, node: ast.AST, around: list[ast.AST]) -> Iterator[tuple[str, str, set[str] | None]]:
        event = read_log_call(node)
        if event is not None and event[1] is not None:
            assert isinstance(node, ast.Call)
            parts = [self._read_argument(keyword, around) for keyword in node.keywords]
            added = {"suppressed"} if is_throttled(node) else set[str]()
            yield event[0], event[1], _unite([*parts, added])
        inner = [*around, node] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else around
        for child in ast.iter_child_nodes(node):
            yield from self._find_in(child, inner)

    def _read_argument(self, keyword: ast.keyword, around: list[ast.AST]) -> set[str] | None:
        """Return the fields that an argument passes: `extra={…}`, `**{…}` or `name=value`."""
        if keyword.arg is None or keyword.arg == "extra":
            return self._read(keyword.value, around)
        return set() if keyword.arg in NO_FIELDS else {keyword.arg}

    def _read(self, value: ast.expr, around: list[ast.AST]) -> set[str] | None:
        """Return the keys of a dict."""
        match value:
            case ast.Dict():
                entries = zip(value.keys, value.values, strict=True)
                parts = [
                    self._read(item, around) if key is None else {str(ast.literal_eval(key))}
                    for key, item in entries
                ]
                return _unite(parts)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return _unite([self._read(left, around), self._read(right, around)])
            case ast.IfExp(body=body, orelse=orelse):
                return _unite([self._read(body, around), self._read(orelse, around)])
            case ast.Name():
                return self._read_variable(value, around)
            case ast.Call(func=ast.Name(id=name)) if len(self._functions.get(name, ())) == 1:
                (function,) = self._functions[name]
                returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
                return _unite([self._read(item, [function]) if item else None for item in returned])
        return None

    def _read_variable(self, name: ast.Name, around: list[ast.AST]) -> set[str] | None:
        """Return the keys of the dict assigned last above a line, and those that were added to it."""
        for depth in range(len(around), 0, -1):
            keys: list[set[str] | None] = []
            for node in sorted(ast.walk(around[depth - 1]), key=lambda node: getattr(node, "lineno", 0)):
                if getattr(node, "lineno", name.lineno) >= name.lineno:
                    continue
                match node:
                    case (
                        ast.Assign(targets=[ast.Name(id=target)], value=assigned)
                        | ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as assigned)
                    ) if target == name.id:
                        keys = [self._read(assigned, around[:depth])]
                    case ast.AugAssign(target=ast.Name(id=target), value=added) if target == name.id:
                        keys.append(self._read(added, around[:depth]))
                    case ast.Assign(
                        targets=[ast.Subscript(value=ast.Name(id=target), slice=ast.Constant(value=key))]
                    ) if target == name.id:
                        keys.append({str(key)})
            if keys:
                return _unite(keys)
        return None


def _unite(parts: Iterable[set[str] | None]) -> set[str] | None:
    united = set[str]()
    for part in parts:
        if part is None:
            return None
        united |= part
    return united


def in_code() -> set[tuple[str, str, str]]:
    """Return the message, level and logger of every event in the package."""
    events = set()
    for path in sorted((ROOT / "lark_provider").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for line, level, message in find_log_calls(path.read_text()):
            assert message is not None, f"{path}:{line}: a log message must be a constant"
            assert "%" not in message, f"{path}:{line}: a log message must have fields, not arguments"
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parts[-3])
def test_the_page_lists_the_fields_that_are_logged(page: Path) -> None:
    listed = {
        (message, level, f"lark_provider.{module}"): set(re.findall(r"`(\w+)`", fields))
        for message, level, module, fields in re.findall(
            r"^\| `([^|]+)` \| ([A-Z]+)[^|]* \| `([\w.]+)` \| ([^|]*)\|",
            page.read_text("utf-8"),
            re.MULTILINE,
        )
    }
    logged: dict[tuple[str, str, str], list[set[str] | None]] = {}
    for path in sorted((ROOT / "lark_provider").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for level, message, fields in FieldReader(path.read_text("utf-8")).find():
            logged.setdefault((message, level, module), []).append(fields)
    read = {event: _unite(parts) for event, parts in logged.items()}
    assert sum(fields is not None for fields in read.values()) > len(read) * 0.8, "few fields could be read"
    wrong = {
        event: f"logged {sorted(fields)}, listed {sorted(listed[event])}"
        for event, fields in read.items()
        if fields is not None and event in listed and fields != listed[event]
    }
    assert wrong == {}


def test_fields_are_read_where_the_code_says_them() -> None:
    code = """
def warn(error):
    fields = {"a": 1} | ({"b": 2} if error else {})
    logger.info("some", extra=fields)
    fields["c"] = 3

    def log(suppressed):
        logger.info("all", extra={**fields, "suppressed": suppressed})

    throttle.log(logger.warning, "throttled", extra={"f": 6}, kind=error)
    self.log.warning("of Airflow's logger", g=7, **{"h": 8}, exc_info=True)
    logger.info("none")
    logger.info("returned", extra=make_fields() | {"e": 5})
    logger.info("unknown", extra=error.fields)


def make_fields():
    return {"d": 4}
"""
    assert {message: fields for _, message, fields in FieldReader(code).find()} == {
        "some": {"a", "b"},
        "all": {"a", "b", "c", "suppressed"},
        "throttled": {"f", "suppressed"},
        "of Airflow's logger": {"g", "h"},
        "none": set(),
        "returned": {"d", "e"},
        "unknown": None,
    }


def test_calls_are_found_whatever_the_logger_is_called() -> None:
    code = """logger.info("a")
self.log.warning(
    "b" "c %s", 1)
log.exception("d")
log.debug(text)
throttle.log(logger.error, "e")
"""
    assert list(find_log_calls(code)) == [
        (1, "INFO", "a"),
        (2, "WARNING", "bc %s"),
        (4, "ERROR", "d"),
        (5, "DEBUG", None),
        (6, "ERROR", "e"),
    ]
