from __future__ import annotations

from pathlib import Path

from lark_emulator.coverage import markdown
from lark_emulator.routes import ROUTES
from lark_emulator.routing import documented

LIST = Path(__file__).parents[2] / "docs" / "coverage.md"


def test_the_list_is_up_to_date() -> None:
    assert LIST.read_text("utf-8") == markdown()


def test_every_documented_page_belongs_to_a_route() -> None:
    assert set(documented()) <= {route.name for route in ROUTES}
