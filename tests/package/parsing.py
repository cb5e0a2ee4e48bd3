"""Parse the package's own files."""

from __future__ import annotations

import ast
import gc
from functools import cache
from pathlib import Path


@cache
def parse_package(root: Path) -> dict[Path, ast.Module]:
    """Return the syntax trees of a package, by file.

    They are frozen, since each full garbage collection would search them for seconds. All of them take
    400 MB: clear the cache at the end of a module.
    """
    gc.disable()
    try:
        parsed = {path: ast.parse(path.read_text("utf-8")) for path in sorted(root.rglob("*.py"))}
        gc.freeze()
    finally:
        gc.enable()
    return parsed
