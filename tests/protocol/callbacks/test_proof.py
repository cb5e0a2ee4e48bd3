"""The vectors of Lark's documents, and two ciphers that must agree."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark_oapi.core.utils import AESCipher

from lark_provider.protocol.callbacks.incoming import Signed
from lark_provider.protocol.callbacks.proof import decrypt, old_card_signature, same, signature
from tests.protocol.callbacks.sender import seal

BLOCKS = st.integers(0, 6).flatmap(lambda n: st.binary(min_size=16 * n, max_size=16 * n))


def test_lark_s_own_example_is_opened() -> None:
    assert decrypt("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=", "test key") == b"hello world"


def test_the_signature_of_the_documented_parts() -> None:
    signed = Signed("1700000000", "nonce1", "")
    expected = "2eca4f3ac5376c6dded4e69a1f13ac45d96702061f87c3bdd5d361cc3fabf644"
    assert signature(signed, "ekey", b'{"encrypt":"abc"}') == expected


def test_the_signature_of_an_old_card() -> None:
    # sha1 of "1700000000nonce1vtoken{}", by sha1sum
    assert (
        old_card_signature(Signed("1700000000", "nonce1", ""), "vtoken", b"{}")
        == "edc71b69af661bc64cbd7191ad566724ba051297"
    )


@given(st.binary(max_size=300), st.text(min_size=1), st.binary(min_size=16, max_size=16))
def test_what_another_library_sealed_is_opened(plain: bytes, key: str, iv: bytes) -> None:
    assert decrypt(seal(plain, key, iv), key) == plain


@given(BLOCKS | st.binary(max_size=100))
def test_both_libraries_agree_on_what_cannot_be_opened(data: bytes) -> None:
    theirs: bytes | None = None
    ours: bytes | None = None
    with suppress(ValueError):
        theirs = AESCipher("key").decrypt(data)
    with suppress(ValueError):
        ours = decrypt(base64.b64encode(data).decode(), "key")
    assert ours == theirs


@pytest.mark.parametrize(
    "sealed",
    ["", "=", "not base64", "P37w", "P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=\n", "é" * 64, "A" * 65],
)
def test_what_is_no_base64_of_blocks_is_a_value_error(sealed: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller looks at the type alone
        decrypt(sealed, "key")


@given(st.text(st.characters(codec=None)) | st.none() | st.integers() | st.lists(st.text()))
def test_only_the_same_text_is_the_same(given: object) -> None:
    assert same(given, "secret") == (given == "secret")
    assert not same(given, "secret\ud800")
    assert same("secret\ud800", "secret\ud800")
