"""docs/en/loads-and-syncs.md: its examples run, and its settings are those that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lark_emulator.settings import Settings

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Sheet

PAGE = (Path(__file__).parents[2] / "docs" / "en" / "loads-and-syncs.md").read_text("utf-8")


def test_the_examples_run_one_after_the_other(sheet: Sheet, lark: Emulator) -> None:
    names: dict[str, Any] = {
        "lark": lark,
        "app_token": sheet.app["app_token"],
        "table_id": sheet.app["default_table_id"],
    }
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) >= 4
    for example in examples:
        exec(compile(example, "loads-and-syncs.md", "exec"), names)  # noqa: S102 - the page's own text
    assert lark.state(summary=True)["crashes"] == 0


def test_each_fault_of_the_page_can_be_planned(lark: Emulator) -> None:
    rows = re.findall(r"^\| [^|]+ \| `((?:drop|status|code|delay_ms)=[^`]+)`", PAGE, re.MULTILINE)
    assert len(rows) == 9
    for row in rows:
        call = ast.parse(f"plan({row})", mode="eval").body
        assert isinstance(call, ast.Call)
        lark.fault(**{keyword.arg or "": ast.literal_eval(keyword.value) for keyword in call.keywords})


def test_the_settings_and_their_defaults_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", PAGE, re.MULTILINE)
    defaults = Settings().to_dict()
    assert {name: ast.literal_eval(value) for name, value in rows} == {
        name: defaults[name] for name, _ in rows
    }
    assert len(rows) == 18
