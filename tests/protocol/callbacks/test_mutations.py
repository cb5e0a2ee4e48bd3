"""A genuine request, changed in any way, is refused, and by nothing else than a refusal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lark_provider.protocol.callbacks import CallbackKeys, CallbackRefusedError, CardClick, Incoming, receive
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.mutants import BODY, HEADERS, SIGNED_HEADERS, mutants
from tests.protocol.callbacks.sender import APP, KEY, NOW, TOKEN

KEYS = CallbackKeys(APP, KEY, TOKEN)


def is_refused(headers: dict[str, str], body: bytes) -> bool:
    try:
        receive(Incoming(headers, body), KEYS, NOW, accept_old_cards=True)
    except CallbackRefusedError as error:
        return 400 <= error.status < 500
    return False


def test_ten_thousand_mutations_of_a_click_are_refused() -> None:
    assert isinstance(receive(Incoming(HEADERS, BODY), KEYS, NOW), CardClick)
    for headers, body in mutants(10_000, seed=20261129):
        assert is_refused(headers, body), (headers, body)


@given(st.binary())
def test_any_bytes_as_a_body_are_refused(body: bytes) -> None:
    assert is_refused(HEADERS, body)
    assert is_refused(sender.make_headers(body), body)


@given(st.sampled_from(SIGNED_HEADERS), st.text(st.characters(codec=None)))
def test_any_text_as_a_header_is_refused(name: str, text: str) -> None:
    if text != HEADERS[name]:
        assert is_refused({**HEADERS, name: text}, BODY)


@given(st.dictionaries(st.text(), st.text()))
def test_any_other_headers_are_refused(headers: dict[str, str]) -> None:
    assert is_refused(headers, BODY)
