"""Every row of the guide's checklist that is built has a test here, which its name numbers."""

from __future__ import annotations

import re
from pathlib import Path

ROWS = {*range(4, 11), 12, 15, *range(20, 25), *range(27, 56), *range(58, 75)}


def test_every_row_has_a_test() -> None:
    files = Path(__file__).parent.glob("test_*.py")
    found = {
        int(number)
        for file in files
        for number in re.findall(r"^(?:async )?def test_guide_(\d\d)_", file.read_text("utf-8"), re.MULTILINE)
    }
    assert found == ROWS
