"""Docstrings name what exists: the arguments of their function, and classes and functions of the package."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.package.parsing import parse_package

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "lark_provider", ROOT / "packages" / "lark-emulator" / "src" / "lark_emulator")
_SECTION = re.compile(r"^Args:\n((?:    .*\n?|\n)*)", re.MULTILINE)
_ARGUMENT = re.compile(r"^    (\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: \([^)]*\))?:", re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def _forget_trees() -> Iterator[None]:
    yield
    parse_package.cache_clear()
    find_classes.cache_clear()


def list_documented(docstring: str) -> list[str]:
    """Return the names in the section `Args:` of a docstring.

    Args:
        docstring: The docstring, without the indentation of its code.
    """
    section = _SECTION.search(docstring)
    lines = _ARGUMENT.findall(section[1]) if section else []
    return [name.lstrip("*") for line in lines for name in line.split(", ")]


def list_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the names of a function's parameters."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {argument.arg for argument in (*named, arguments.vararg, arguments.kwarg) if argument is not None}


@cache
def find_classes(package: Path) -> dict[str, ast.ClassDef]:
    """Return the classes of a package by their names, each of which is used once."""
    nodes = (node for tree in parse_package(package).values() for node in tree.body)
    return {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}


def list_class_parameters(node: ast.ClassDef, package: Path) -> set[str]:
    """Return what a class is made with: parameters of its constructor and fields, also of its ancestors."""
    parameters: set[str] = set()
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name in {"__init__", "__new__"}:
            parameters |= list_parameters(member)
        elif isinstance(member, ast.AnnAssign):
            parameters.add(ast.unparse(member.target))
    for base in node.bases:
        ancestor = find_classes(package).get(ast.unparse(base).partition("[")[0])
        if ancestor is not None:
            parameters |= list_class_parameters(ancestor, package)
    return parameters


def find_unknown_arguments(tree: ast.Module, package: Path) -> Iterator[tuple[int, str]]:
    """Yield the documented arguments that a function or class does not take, with their lines.

    Args:
        tree: A module.
        package: The package of the module.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parameters = list_parameters(node)
        elif isinstance(node, ast.ClassDef):
            parameters = list_class_parameters(node, package)
        else:
            continue
        for name in list_documented(ast.get_docstring(node) or ""):
            if name not in parameters:
                yield node.lineno, f"{node.name}: {name}"


def test_documented_arguments_are_parameters() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for package in PACKAGES
        for path, tree in parse_package(package).items()
        for line, name in find_unknown_arguments(tree, package)
    ]
    assert wrong == []


_QUOTED = re.compile(r"`([^`\n]+)`")
_OWN_NAME = re.compile(r"_[a-z]\w+|[A-Z][a-z]+(?:[A-Z][A-Za-z0-9]*)+|\w+(?=\(\)$)")
_SEE = re.compile(r"\b[Ss]ee `(\w+)`")
_DOTTED = re.compile(r"(?:\w+\.)*(\w+)\.(\w+)(?:\(.*\))?")
_OF_LARK = frozenset({"drive", "event", "events", "file", "lark", "message"})
"""Modules whose names are also first words of Lark's events, of files and of metrics, as in `lark.yaml`."""
_OF_OTHERS = frozenset(
    {"AsyncCallback", "SyncCallback", "MessageQueueTrigger", "cached_app", "ExtraAdder", "ProcessorFormatter"}
)
"""Names of Airflow and structlog."""
_WORD = re.compile(r"\w+")


def read_module(path: Path) -> tuple[list[tuple[int, str]], set[str]]:
    """Read what a module says of itself, and the words of its code.

    Args:
        path: The module's file.

    Returns:
        Comments and docstrings with their lines; the words in all the rest, strings included.
    """
    said, words = [], set[str]()
    begins_statement = True
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and begins_statement):
                said.append((token.start[0], token.string))
            elif token.type not in {tokenize.NL, tokenize.INDENT, tokenize.DEDENT}:
                words.update(_WORD.findall(token.string))
                begins_statement = token.type == tokenize.NEWLINE
    return said, words


def find_stale_names(package: Path) -> Iterator[str]:
    """Yield the names in backticks that look like the package's own and are not in its code."""
    modules = {path: read_module(path) for path in parse_package(package)}
    everywhere = set[str]().union(*(words for _, words in modules.values()))
    in_module: dict[str, set[str]] = {}
    for path, (_, words) in modules.items():
        for name in (path.stem, path.parent.name):
            in_module.setdefault(name, set()).update(words)
    for path, (said, _) in modules.items():
        for line, text in said:
            for quoted in _QUOTED.findall(text):
                dotted = _DOTTED.fullmatch(quoted)
                own = _OWN_NAME.match(quoted)
                if dotted and dotted[1] in in_module and dotted[1] not in _OF_LARK:
                    is_there = dotted[2] in in_module[dotted[1]] | set(in_module)
                elif dotted and dotted[1] in find_classes(package):
                    is_there = dotted[2] in everywhere
                else:
                    is_there = own is None or own[0] in everywhere | _OF_OTHERS
                if not is_there:
                    yield f"{path.relative_to(ROOT)}:{line}: {quoted}"
            for name in _SEE.findall(text):
                if name not in everywhere:
                    yield f"{path.relative_to(ROOT)}:{line}: see {name}"


def test_names_in_backticks_exist() -> None:
    assert [name for package in PACKAGES for name in find_stale_names(package)] == []
