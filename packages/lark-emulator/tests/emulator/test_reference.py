"""The reference of the control plane says what the code says, and names every operation that there is."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from lark_emulator.control.plane import OPERATIONS
from lark_emulator.settings import Settings

if TYPE_CHECKING:
    from lark_emulator import Emulator

_PACKAGE = Path(__file__).parents[2]


def _reference() -> Any:
    spec = importlib.util.spec_from_file_location("reference", _PACKAGE / "tests" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_reference_is_current(language: str) -> None:
    """If it is not: `python packages/lark-emulator/tests/reference.py`."""
    page = (_PACKAGE / "docs" / language / "control-plane.md").read_text("utf-8")
    assert page == _reference().render_page(language)
    assert set(re.findall(r"^### `(\w+) /_emulator/(.+)`$", page, re.MULTILINE)) == OPERATIONS.keys()
    for name in Settings().to_dict():
        assert f"| `{name}` |" in page


def test_what_the_reference_calls_readable_is(lark: Emulator) -> None:
    """Each GET of the page answers, or says which member it needs."""
    for method, path in OPERATIONS:
        if method == "GET":
            answer = httpx.get(f"{lark.base_url}/_emulator/{path}")
            assert answer.status_code == 200 or "error" in answer.json(), path
            assert answer.status_code in (200, 400), path
