from __future__ import annotations

import pytest

from lark_provider.protocol import moments


@pytest.mark.parametrize(
    ("text", "is_wall"),
    [
        ("2025-06-10 19:19", True),
        ("", False),
        ("2025-06-10", False),
        ("2025-06-10T19:19", False),
        ("2025-06-10 19:19:30", False),
        ("2025-06-10 19:19+00:00", False),
        ("2025-02-30 19:19", False),
    ],
)
def test_what_a_picker_shows_is_told_from_other_texts(text: str, is_wall: bool) -> None:
    assert moments.is_wall_time(text) is is_wall
