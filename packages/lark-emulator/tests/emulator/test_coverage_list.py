from __future__ import annotations

from pathlib import Path

import pytest
from lark_emulator.coverage import main, render_markdown
from lark_emulator.routes import ROUTES
from lark_emulator.routing import load_documented

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_list_is_up_to_date(language: str) -> None:
    """If it is not: `python -m lark_emulator.coverage packages/lark-emulator/docs`."""
    assert (DOCS / language / "coverage.md").read_text("utf-8") == render_markdown(language)


def test_a_folder_that_is_not_that_of_the_documents_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match=r"/en is not a folder\. Next: "):
        main([str(tmp_path)])


def test_every_documented_page_belongs_to_a_route() -> None:
    assert set(load_documented()) <= {route.name for route in ROUTES}
