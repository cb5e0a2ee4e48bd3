"""Every row of the guide's checklist has a test here, which its name numbers."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
ROWS = {int(line[:2]): line[3:] for line in (HERE / "rows.txt").read_text("utf-8").splitlines()}
"""What holds for each row: `rows.txt`, a line for each, which begins with its number."""
TEST = re.compile(r"^(?:async )?def test_guide_(\d\d)_\w+\(", re.MULTILINE)


def rows_with_a_test() -> set[int]:
    """Return the numbers of the rows that have a test."""
    files = HERE.glob("test_*.py")
    return {int(number) for file in files for number in TEST.findall(file.read_text("utf-8"))}


def test_the_checklist_is_whole() -> None:
    assert list(ROWS) == list(range(1, 75))
    assert all(ROWS.values())


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    tested = rows_with_a_test()
    assert tested - ROWS.keys() == set()
    assert {number: ROWS[number] for number in ROWS.keys() - tested} == {}
