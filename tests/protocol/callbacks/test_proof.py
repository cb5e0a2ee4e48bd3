"""The vectors of Lark's documents, and two ciphers that must agree."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress

import pytest
from Crypto.Cipher import AES
from hypothesis import given
from hypothesis import strategies as st
from lark_oapi.core.utils import AESCipher

from lark_provider.protocol.callbacks.incoming import SignatureHeaders
from lark_provider.protocol.callbacks.proof import (
    compute_old_card_signature,
    compute_signature,
    decrypt,
    matches_secret,
)
from tests.protocol.callbacks.sender import seal

LAST = st.integers(0, 18)
ENDINGS = st.builds(lambda block, last: block + bytes([last]), st.binary(min_size=15, max_size=15), LAST) | (
    LAST.map(lambda last: bytes([last]) * 32)
)
BLOCKS = st.integers(0, 6).flatmap(lambda n: st.binary(min_size=16 * n, max_size=16 * n))


def test_lark_s_own_example_is_opened() -> None:
    assert decrypt("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=", "test key") == b"hello world"


def test_the_signature_of_the_documented_parts() -> None:
    signed = SignatureHeaders("1700000000", "nonce1", "")
    expected = "2eca4f3ac5376c6dded4e69a1f13ac45d96702061f87c3bdd5d361cc3fabf644"
    assert compute_signature(signed, "ekey", b'{"encrypt":"abc"}') == expected


def test_the_signature_of_an_old_card() -> None:
    # sha1 of "1700000000nonce1vtoken{}", by sha1sum
    assert (
        compute_old_card_signature(SignatureHeaders("1700000000", "nonce1", ""), "vtoken", b"{}")
        == "edc71b69af661bc64cbd7191ad566724ba051297"
    )


@given(st.binary(max_size=300), st.text(min_size=1), st.binary(min_size=16, max_size=16))
def test_what_another_library_sealed_is_opened(plain: bytes, key: str, iv: bytes) -> None:
    assert decrypt(seal(plain, key, iv), key) == plain


def test_a_body_of_any_length_is_opened() -> None:
    """Each length of the last block, and so each length of the padding."""
    for length in range(33):
        plain = b"x" * length
        assert decrypt(seal(plain, "key", bytes(16)), "key") == plain


@given(BLOCKS | ENDINGS | st.binary(max_size=100))
def test_both_libraries_agree_on_what_cannot_be_opened(inside: bytes) -> None:
    """Also where blocks are whole and only the padding is wrong."""
    data = inside
    if len(inside) % 16 == 0:
        data = bytes(16) + AES.new(hashlib.sha256(b"key").digest(), AES.MODE_CBC, bytes(16)).encrypt(inside)
    theirs: bytes | None = None
    ours: bytes | None = None
    with suppress(ValueError):
        theirs = AESCipher("key").decrypt(data)
    with suppress(ValueError):
        ours = decrypt(base64.b64encode(data).decode(), "key")
    assert ours == theirs


@pytest.mark.parametrize("change", ["{}\n", " {}", "{}=", "{}AAAA", "é{}", "A{}", "_{}"])
def test_what_is_not_quite_base64_is_a_value_error(change: str) -> None:
    sealed = "P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk="
    with pytest.raises(ValueError):  # noqa: PT011 - the caller looks at the type alone
        decrypt(change.format(sealed), "test key")


@given(st.text(st.characters(codec=None)) | st.none() | st.integers() | st.lists(st.text()))
def test_only_the_same_text_is_the_same(given: object) -> None:
    assert matches_secret(given, "secret") == (given == "secret")
    assert not matches_secret(given, "secret\ud800")
    assert matches_secret("secret\ud800", "secret\ud800")
