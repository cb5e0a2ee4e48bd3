"""Text on a card is shown as it is: no sign of it acts as markup."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.api.cards.airflow.markup import escape


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("manual__2026-11-26T10:00_1", "manual__2026-11-26T10:00_1"),
        ("'__version__'", "'&#95;&#95;version&#95;&#95;'"),
        ("_private_ and snake_case", "&#95;private&#95; and snake_case"),
        ("*<at id=all></at>*", "&#42;&#60;at id=all&#62;&#60;/at&#62;&#42;"),
    ],
)
def test_what_would_act_as_markup_is_escaped(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@given(st.text("_a 中'*<&#95;"))
def test_an_escaped_text_reads_as_before_and_has_underscores_inside_words_only(text: str) -> None:
    escaped = escape(text)
    assert html.unescape(escaped) == text
    assert re.search(r"(?<!\w)_|_(?!\w)", re.sub(r"&#\d+;", " ", escaped)) is None
