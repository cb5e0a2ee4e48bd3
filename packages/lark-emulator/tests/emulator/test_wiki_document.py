"""docs/en/documents-and-wiki.md: its examples run, and its settings are those that exist."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lark_emulator.document_settings import DOCUMENT_CHOICES, DocumentSettings
from lark_emulator.settings import Settings

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

PAGE = (Path(__file__).parents[2] / "docs" / "en" / "documents-and-wiki.md").read_text("utf-8")


def test_the_examples_run_one_after_the_other(api: Api, lark: Emulator) -> None:
    document = api.data("POST", "/docx/v1/documents", {"title": "Plan"})["document"]
    names: dict[str, Any] = {"lark": lark, "token": document["document_id"]}
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        exec(compile(example, "documents-and-wiki.md", "exec"), names)  # noqa: S102 - the page's own text
    assert [page["title"] for page in lark.wiki_spaces()[1]["pages"]] == ["Plan", "Minutes"]


def test_the_page_names_all_settings_with_their_defaults_and_words() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| (.*) \|$", PAGE, re.MULTILINE)
    defaults = Settings().to_dict()
    named = {name: ast.literal_eval(value) for name, value, _ in rows}
    assert named == {field.name: defaults[field.name] for field in fields(DocumentSettings)}
    for name, value, text in rows:
        for word in DOCUMENT_CHOICES.get(name, ()):
            assert f'"{word}"' in (value, *re.findall(r'"\w+"', text)), (name, word)
