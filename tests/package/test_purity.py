"""`protocol` and `api` describe what Lark can do: they have no clock, no randomness and no I/O of their own.

What such a step needs it asks for by an effect of `lark_provider/protocol/effects.py` (`Now`, `NewKey`,
`Random`, `ReadFile`, …), which a driver performs. A contract of import-linter forbids modules by name; here
every import that is allowed is listed, so that any other module is refused, and clocks within allowed modules
are, too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = ("lark_provider/protocol", "lark_provider/api")
ALLOWED = frozenset(
    {
        "__future__",
        "abc",
        "base64",
        "binascii",
        "collections",
        "collections.abc",
        "contextlib",
        "copy",
        "csv",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "email.utils",
        "enum",
        "fnmatch",
        "fractions",
        "functools",
        "hashlib",
        "hmac",
        "inspect",
        "io",
        "itertools",
        "json",
        "logging",  # what a handler writes is the program's affair
        "math",
        "numbers",
        "operator",
        "orjson",
        "re",
        "struct",
        "types",
        "typing",
        "unicodedata",
        "urllib.parse",
        "zlib",
        "zoneinfo",  # reads the system's table of time zones, which is constant
    }
)
"""The modules that may be imported: they compute from what they are given."""

EXCEPTIONS = {
    # Types, and the text of a path: nothing is opened.
    "lark_provider/protocol/effects.py": {"concurrent.futures.Future", "os.PathLike"},
    "lark_provider/api/messaging/files.py": {"os.PathLike", "os.fspath", "pathlib.PurePath"},
    # A UUID that is made of given bytes or of a `NewKey`, or the type of one.
    "lark_provider/protocol/keys.py": {"uuid.UUID"},
    "lark_provider/api/clouddoc/sheets/values.py": {"uuid.UUID"},
    "lark_provider/api/clouddoc/sync/writing.py": {"uuid.UUID"},
    # Decryption of what Lark has encrypted.
    "lark_provider/protocol/callbacks/proof.py": {"cryptography.hazmat.primitives.ciphers"},
    # Parsing of a text that was read elsewhere.
    "lark_provider/api/routes/yaml_text.py": {"yaml"},
}
"""What else a file may use, by full name."""

FORBIDDEN = frozenset(
    {
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "email.utils.formatdate",
        "email.utils.localtime",
        "email.utils.make_msgid",
        "hashlib.file_digest",
        "io.FileIO",
        "io.open",
        "io.open_code",
    }
)
"""The clock and the files of modules that are allowed."""

BUILTINS = frozenset({"__import__", "breakpoint", "eval", "exec", "input", "open", "print"})


class _Uses(ast.NodeVisitor):
    """Lists what a module imports and uses of other modules, and of builtins, by full name."""

    def __init__(self) -> None:
        self.uses: list[tuple[int, str]] = []
        self._names = {name: name for name in BUILTINS}

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.uses.append((node.lineno, alias.name))
            root = alias.name.partition(".")[0]
            self._names[alias.asname or root] = alias.name if alias.asname else root

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            self.uses.append((node.lineno, full))
            self._names[alias.asname or alias.name] = full

    def visit_Attribute(self, node: ast.Attribute) -> None:
        parts: list[str] = []
        value: ast.expr = node
        while isinstance(value, ast.Attribute):
            parts.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name) and value.id in self._names:
            self.uses.append((node.lineno, ".".join([self._names[value.id], *reversed(parts)])))
        else:
            self.visit(value)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and node.id in self._names:
            self.uses.append((node.lineno, self._names[node.id]))


def _is_within(name: str, modules: Iterable[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def find_impure(code: str, file: str) -> list[str]:
    """Return the imports and uses that a pure module must not have."""
    uses = _Uses()
    uses.visit(ast.parse(code))
    listed = EXCEPTIONS.get(file, set())
    modules = {name.rpartition(".")[0] for name in listed}  # `import os`, for `os.PathLike`
    return [
        f"{file}:{line} {name}"
        for line, name in uses.uses
        if name in FORBIDDEN
        or not (_is_within(name, {*ALLOWED, *listed, "lark_provider"}) or name in modules)
    ]


def test_protocol_and_api_have_no_clock_no_randomness_and_no_io() -> None:
    files = [path for folder in PURE for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 150
    impure = [line for path in files for line in find_impure(path.read_text(), str(path.relative_to(ROOT)))]
    assert not impure, "\n".join(impure)


def test_every_exception_is_needed() -> None:
    for file, names in EXCEPTIONS.items():
        uses = _Uses()
        uses.visit(ast.parse((ROOT / file).read_text()))
        for name in names:  # `os` alone, where `os.PathLike` stands in an annotation
            assert any(_is_within(used, {name}) or _is_within(name, {used}) for _, used in uses.uses), name


@pytest.mark.parametrize(
    "code",
    [
        "import datetime as dt\nx = dt.datetime.now(dt.UTC)",
        "from datetime import datetime\nx = datetime.utcnow()",
        "import datetime\nx = datetime.date.today()",
        "import datetime as dt\nread = dt.datetime.now",  # handed on, and called elsewhere
        "import time",
        "from time import monotonic as tick",
        "import random",
        "import uuid",
        "from uuid import uuid4",
        "import os",
        "from os import environ",
        "import urllib.request",
        "import urllib.parse\nx = urllib.request.urlopen",
        "import requests",
        "import aiohttp",
        "import redis",
        "import tempfile",
        "import concurrent.futures",
        "from pathlib import Path",
        "import io\nx = io.open('a')",
        "def read():\n    return open('a').read()",
        "print(1)",
    ],
)
def test_an_impure_line_is_found(code: str) -> None:
    assert find_impure(code, "lark_provider/api/new.py")


def test_an_exception_allows_what_it_names_alone() -> None:
    file = "lark_provider/api/messaging/files.py"
    assert not find_impure("import os\nfrom pathlib import PurePath\nx = os.fspath('a')", file)
    assert find_impure("import os\nx = os.environ", file)
    assert find_impure("from pathlib import Path", file)
