"""docs/en/sheets-and-sharing.md: its examples run, and its settings are those that exist."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lark_emulator.document_settings import DocumentSettings
from lark_emulator.settings import Settings
from lark_emulator.sheet_settings import SHEET_CHOICES, SheetSettings
from tests.emulator.spreadsheet import Book

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

PAGE = (Path(__file__).parents[2] / "docs" / "en" / "sheets-and-sharing.md").read_text("utf-8")


def test_the_examples_run_one_after_the_other(api: Api, lark: Emulator) -> None:
    names: dict[str, Any] = {"lark": lark, "token": Book(api).token}
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        exec(compile(example, "sheets-and-sharing.md", "exec"), names)  # noqa: S102 - the page's own text
    assert lark.sheet(names["token"], "Data")["values"][1][0] == "by hand"


def test_the_page_names_all_settings_with_their_defaults_and_words() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| (.*) \|$", PAGE, re.MULTILINE)
    defaults = Settings().to_dict()
    named = {name: ast.literal_eval(value) for name, value, _ in rows}
    others = {field.name for field in fields(DocumentSettings)}  # those have a page of their own
    own = {field.name for field in fields(SheetSettings)} - others
    assert named == {name: defaults[name] for name in own}
    for name, value, text in rows:
        for word in SHEET_CHOICES.get(name, ()):
            assert f'"{word}"' in (value, *re.findall(r'"\w+"', text)), (name, word)
