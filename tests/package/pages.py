"""The pages of docs/, as tests run what they show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs" / "en"
LINK = "https://example.feishu.cn/base/bascn…?table=tbl…"


def python(page: str) -> list[str]:
    """Return the blocks of Python on a page.

    Args:
        page: Its path below docs/en.
    """
    return re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def run(page: str, code: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a block, and return what it defines.

    Args:
        page: Where it stands, for tracebacks.
        code: The block.
        names: What blocks before it have defined; it adds to them.
    """
    names = {"__name__": "page"} if names is None else names
    exec(compile(code, page, "exec"), names)  # noqa: S102 - the page's own text
    return names
