"""What is masked, and what stays readable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.protocol.redact import MASK, redact

SAID = "pg_dump: error: connection to server at db failed: FATAL: no such role; a1 is away, as is abc"


@given(secret=st.text(min_size=1, max_size=3))
def test_a_secret_of_a_letter_or_three_garbles_no_text(secret: str) -> None:
    assert redact(SAID, secret) == SAID


@pytest.mark.parametrize("secret", ["a", "abc"])
@pytest.mark.parametrize("where", ["password={}", "password: '{}'", "postgresql://lark:{}@db/x"])
def test_but_where_it_is_called_a_password_it_is_masked(secret: str, where: str) -> None:
    shown = redact(f"cannot use {where.format(secret)} here", secret)
    assert shown == f"cannot use {where.format(MASK)} here"


def test_a_word_is_masked_where_it_stands_alone() -> None:
    assert redact('"lark" at lark_service, larks, lark', "lark") == '"***" at lark_service, larks, ***'


@given(secret=st.text(min_size=8, max_size=40), before=st.text(), after=st.text())
def test_a_longer_secret_is_masked_wherever_it_stands(secret: str, before: str, after: str) -> None:
    assert secret not in redact(before + secret + after, secret).replace(MASK, "")
