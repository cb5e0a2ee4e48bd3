"""The project's language: phrases of the private idiom that code, log messages and documents must not use.

Phrases, and not plain English words: "found" and "nobody" are fine where they are meant.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pytest

from tests.package.parsing import parse_package

ROOT = Path(__file__).parents[2]
BANNED = (
    (
        r"(?:database|broker|server|RabbitMQ|PostgreSQL|Redis|Lark|it|that|they) "
        r"(?:is|are|was|were|being) away\b"
    ),
    r"\bgo(?:es|ing)? on without\b",
    r"\bwhoever waits\b",
    r"\bbury\b|\bburied\b|\bamong the dead\b|\bto the dead\b",
    r"\bfound by halves\b|\bby halves\b",
    r"\bunfit\b",
    r"\bnot kept, and said so\b",
    r"\bturned away\b",
    r"\bknown already\b",
    r"\bcrash a flight\b|\bland a flight\b",
    r"\bwho is who\b",
    r"\b(?:KnownPeople|KeepPeople)\b",
    r"\bvital\b",
    r"\btold of\b",
    (
        r"\b(?:is|are|was|were) no (?:text|dict|URL|number|whole|list|string|id|card|key|port|base64|JSON|"
        r"path|file|date|secret|row|command|chat command|error)\b"
    ),
    r"\b(?:takes?|taken) (?:it|them|that) away\b",
    r"\b(?:go|goes|went|gone) away\b",
    r"\b(?:has|have|had) (?:\w+ ){0,2}in hand\b",
    r"\bwhether\b.{0,40}\bcannot be told\b|\bIt cannot be told\b",
    r"\bis no (?:SQLite|app)\b",
    r"\bcannot be right\b",
    r"\banew\b",
    r"\bfor ever\b",
    r"\bof no use\b",
    r"\bas above\b",
    r"\bsomebody\b",
    r"\bstrangers\b",
    r"\brooms?\b(?! (?:for|is|in)\b)",
    r"\bwhat it costs\b",
    r"\bin trouble\b",
    r"\b(?:chunk|segment|rows?|records?|everything|nothing) (?:that )?(?:stands?|stood)\b",
)
"""Regular expressions, matched without regard to case in each line."""
BANNED_IN_PRODUCT = (
    r"\bwhat (?:became|becomes) of\b",
    r"\b(?:it|that) stood\b",
    r"\bit stands\b(?! for\b)",
    r"\bin vain\b",
    r"\bsays of\b",
    r"\bstands beside\b",
)
"""Phrases that tests may still have in their docstrings."""
_MIGRATED = ('"JSON: what became of it"', '"what became of it, decided once"')
"""Comments of columns, which stay as they were migrated."""
_NOT_PRODUCT = ("benchmarks/", "packages/lark-emulator/tests/", "tests/")
_KINDS = {".py", ".md", ".toml", ".sh", ".yml", ".yaml", ".mako", ".js", ".mjs", ".html", ""}
_LEFT_OUT = ("requirements-dev.lock", "LICENSE", "tests/package/test_language.py")
_OLD_NAME = re.compile(r"^\|[^|]*\|")
"""The first cell of a table in the changelog: a name or log message as it was, to be searched for."""
_DEFINITION = re.compile(r"\s*(?:async def|def|class) ")
_PATTERN = re.compile("|".join(f"(?:{phrase})" for phrase in BANNED), re.IGNORECASE)
_PRODUCT_PATTERN = re.compile(
    "|".join(f"(?:{phrase})" for phrase in (*BANNED, *BANNED_IN_PRODUCT)), re.IGNORECASE
)


def files() -> list[Path]:
    """Return what git tracks and a person reads."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    paths = [ROOT / name for name in listed.stdout.splitlines() if not name.endswith(_LEFT_OUT)]
    return [path for path in paths if path.suffix in _KINDS and path.is_file()]


def hits() -> list[str]:
    """Return the lines with a banned phrase: file, number, phrase."""
    problems, paths = [], files()
    for path in paths:
        is_product = not str(path.relative_to(ROOT)).startswith(_NOT_PRODUCT)
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            is_bound = is_product and not any(comment in line for comment in _MIGRATED)
            pattern = _PRODUCT_PATTERN if is_bound else _PATTERN
            words = line.replace("_", " ") if _DEFINITION.match(line) else line
            words = _OLD_NAME.sub("", words, count=1) if path.name == "CHANGELOG.md" else words
            problems += [
                f"{path.relative_to(ROOT)}:{number}: {match[0]!r} in: {line.strip()[:100]}"
                for match in pattern.finditer(words)
            ]
    problems += [
        str(path.relative_to(ROOT)) for path in paths if _PATTERN.search(path.stem.replace("_", " "))
    ]
    return problems


def test_code_and_documents_use_the_words_of_the_field() -> None:
    assert hits() == []


_PARTICIPLE = re.compile(
    r"_*(?:[a-z]{3,}ed|begun|bought|brought|built|caught|chosen|done|drawn|forgotten|found|frozen|given|gone|grown|"
    r"heard|hidden|held|kept|known|laid|left|lost|made|meant|met|paid|resent|said|seen|sent|shown|sold|sought|spent|taken|taught|"
    r"thought|told|understood|undone|withdrawn|won|written)"
)
_ALLOWED = frozenset({"stubbed", "_embed", "need", "feed"})
"""A name of the local Lark's public API, and verbs."""

_NOUN = re.compile(
    r"(?!test_|_*is_)\w+_of|_*(?:body|cells?|columns?|content|errors?|events?|fields?|headers?|ids?|items?|"
    r"keys?|kinds?|lines?|members?|message|names?|numbers?|options?|pages?|parts?|people|person|receiver|"
    r"refusal|rows?|seconds|text|texts|title|token|types?|unknown|urls?|values|words)"
)
_PUBLIC_NOUNS = frozenset(
    {"application", "database", "options", "receiver", "registry", "sheet", "settings", "state", "value"}
)
"""Functions and methods that documents name, which users call by these names."""


_ROOTS = (ROOT / "lark_provider", ROOT / "packages" / "lark-emulator" / "src")
_BESIDE = tuple(
    ROOT / name
    for name in (
        "benchmarks",
        "migrations",
        "packages/lark-emulator/benchmarks",
        "packages/lark-emulator/tests",
        "scripts",
        "tests",
        "website",
    )
)


@pytest.fixture(scope="module", autouse=True)
def _forget_trees() -> Iterator[None]:
    yield
    parse_package.cache_clear()


def find_functions(pattern: re.Pattern[str], roots: Iterable[Path], allowed: frozenset[str]) -> list[str]:
    """Return the functions whose names match; properties and fixtures are named after what they are."""
    names = []
    for path, tree in chain.from_iterable(parse_package(root).items() for root in roots):
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name in allowed:
                continue
            decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
            if pattern.fullmatch(node.name) and not re.search("property|fixture", decorators):
                names.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}")
    return names


def test_functions_are_named_by_verbs() -> None:
    """`settle` and `find`, not `settled` and `found`."""
    assert find_functions(_PARTICIPLE, (*_ROOTS, *_BESIDE), _ALLOWED) == []


def test_no_function_has_the_name_of_what_it_returns() -> None:
    """`read_rows` and `find_app`, not `rows` and `app_of`; then a variable may be named `rows`."""
    assert find_functions(_NOUN, _ROOTS, _PUBLIC_NOUNS) == []
    assert find_functions(_NOUN, _BESIDE, frozenset()) == []


def test_a_class_has_a_name_of_its_own() -> None:
    """`LoadWriter` and `TableWriter`, not `Writer` twice; what a module keeps to itself may be short."""
    for root in _ROOTS:
        defined = Counter(
            node.name
            for tree in parse_package(root).values()
            for node in tree.body
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        )
        assert [name for name, count in defined.items() if count > 1] == []


_HOLDS_ANYTHING = frozenset({"asked", "each", "found", "given", "made", "one", "there", "told"})
"""Once the names of thousands of variables, of as many kinds."""


def test_a_variable_says_what_it_holds() -> None:
    """`for record in records`, not `for one in found`; what a test is parametrized with may be `given`."""
    wrong = []
    for root in (*_ROOTS, *_BESIDE):
        for path, tree in parse_package(root).items():
            for node in ast.walk(tree):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    name = node.id
                elif isinstance(node, ast.arg) and root in _ROOTS:
                    name = node.arg
                elif isinstance(node, ast.MatchAs | ast.MatchStar | ast.ExceptHandler):
                    name = node.name or ""
                else:
                    continue
                if name in _HOLDS_ANYTHING:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {name}")
    assert wrong == []


def test_an_alias_of_a_type_has_one_meaning() -> None:
    """`SyncMode` and `SheetMode`, not `Mode` for both."""
    for root in _ROOTS:
        meanings: dict[str, set[str]] = {}
        for tree in parse_package(root).values():
            for node in tree.body:
                if isinstance(node, ast.ClassDef):
                    meanings.setdefault(node.name, set()).add("a class")
                elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
                    meanings.setdefault(ast.unparse(node.target), set()).add(ast.unparse(node.value or node))
        assert {name: said for name, said in meanings.items() if len(said) > 1} == {}


if __name__ == "__main__":
    lines = hits()
    print("\n".join(lines))  # noqa: T201 - run by hand and before commits
    sys.exit(1 if lines else 0)
