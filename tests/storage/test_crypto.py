"""The operator's keys, and the boxes that only an app's own secret opens."""

from __future__ import annotations

import base64
import subprocess

import pytest
from cryptography.fernet import Fernet, InvalidToken
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lark_provider.core.storage.crypto import KEY_VARIABLE, Keys, TokenBox, generate_key
from lark_provider.core.storage.errors import DecryptionError
from lark_provider.errors import ConfigurationError

raw_keys = st.binary(min_size=32, max_size=32)
texts = st.text(min_size=1, max_size=300)


def standard(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def urlsafe(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


@given(raw=raw_keys, text=texts)
def test_a_key_is_good_in_either_alphabet(raw: bytes, text: str) -> None:
    for one, other in ((standard, urlsafe), (urlsafe, standard)):
        sealed = Keys(one(raw)).encrypt(text)
        assert text not in sealed or len(text) < 4
        assert Keys(f" {other(raw)}\n").decrypt(sealed, "it") == text


def test_a_key_of_openssl() -> None:
    for _ in range(5):
        command = ["openssl", "rand", "-base64", "32"]  # as the guide has it
        made = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - fixed
        keys = Keys(made.stdout)
        assert keys.decrypt(keys.encrypt("secret"), "it") == "secret"
    assert {"+", "/"} & set(standard(b"\xfb\xff" * 16))
    keys = Keys(standard(b"\xfb\xff" * 16))
    assert keys.decrypt(keys.encrypt("密"), "it") == "密"


def test_a_key_of_ours_is_a_fernet_key() -> None:
    made = generate_key()
    Fernet(made)
    assert Keys(made).encrypt("x")
    assert generate_key() != made


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not set"),
        (" , ,", "is not set"),
        ("3yX9kL2mP5nQ8rT1uV4wZ6aB7cD0eF1g==", "24 bytes|no base64 text"),  # the guide's sample
        ("3yX9kL2mP5nQ8rT1uV4wZ6aB7cD0eF1g", "24 bytes"),  # and without what is too much in it
        (standard(b"x" * 16), "16 bytes"),
        (standard(b"x" * 31), "31 bytes"),
        (standard(b"x" * 33), "33 bytes"),
        (standard(b"x" * 32)[:-1], "no base64 text"),
        ("your_32_byte_base64_key", "no base64 text"),
        ("密" * 11, "no base64 text"),
        (f'"{standard(b"x" * 32)}"', "no base64 text"),
        (f"{standard(b'x' * 32)},{standard(b'y' * 8)}", r"key number 2 in .*8 bytes"),
    ],
)
def test_a_wrong_key_is_named_and_not_shown(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        Keys.from_environment({KEY_VARIABLE: text})
    said = str(caught.value)
    assert KEY_VARIABLE in said
    assert "openssl rand -base64 32" in said.partition("Next: ")[2]
    assert not text.strip(' ,"') or text.strip('"') not in said
    assert caught.value.__cause__ is None


@given(raw=st.binary(max_size=64))
def test_no_other_size_passes(raw: bytes) -> None:
    assume(len(raw) != 32)
    for write in (standard, urlsafe):
        with pytest.raises(ConfigurationError):
            Keys(write(raw))


@given(text=st.text(max_size=60))
def test_any_text_is_a_key_or_a_clear_error(text: str) -> None:
    try:
        Keys(text)
    except ConfigurationError as error:
        assert KEY_VARIABLE in str(error)  # noqa: PT017 - either way is right


@settings(max_examples=30)
@given(keys=st.lists(raw_keys, min_size=2, max_size=4, unique=True), text=texts)
def test_the_first_encrypts_and_each_decrypts(keys: list[bytes], text: str) -> None:
    names = [standard(raw) for raw in keys]
    every, newest, oldest = Keys(",".join(names)), Keys(names[0]), Keys(names[-1])
    old = oldest.encrypt(text)
    assert every.decrypt(old, "it") == text
    assert newest.decrypt(every.encrypt(text), "it") == text
    moved = every.rotated(old, "it")
    assert newest.decrypt(moved, "it") == text
    for wrong, sealed in ((oldest, moved), (newest, old)):
        with pytest.raises(DecryptionError):
            wrong.decrypt(sealed, "it")
    with pytest.raises(DecryptionError):
        newest.rotated(old, "it")
    assert every.decrypt(every.rotated(moved, "it"), "it") == text


@pytest.mark.parametrize("damaged", ["", "x", "gAAAAA", "密", "gAAAAABm" + "A" * 80])
def test_what_cannot_be_read_says_what_it_is_and_what_to_do(damaged: str) -> None:
    keys = Keys(generate_key())
    for read in (keys.decrypt, keys.rotated):
        with pytest.raises(
            InvalidToken, match=rf"^The app_secret of app 'x' .*{KEY_VARIABLE}.*Next: "
        ) as caught:
            read(damaged, "The app_secret of app 'x'")
        assert isinstance(caught.value, DecryptionError)


def test_keys_show_nothing() -> None:
    made = generate_key()
    assert made not in repr(Keys(made)) + str(Keys(made)) + str(vars(Keys(made)))


@given(secret=texts, token=texts, context=texts)
def test_a_box_opens_with_its_secret_in_its_place(secret: str, token: str, context: str) -> None:
    sealed = TokenBox(secret, context).seal(token)
    assert TokenBox(secret, context).open(sealed) == token
    assert TokenBox(secret + "x", context).open(sealed) is None
    assert TokenBox(secret, context + "x").open(sealed) is None
    assert TokenBox(context + "x", secret).open(sealed) is None


@given(damage=st.integers(0, 10_000), change=st.characters())
def test_a_damaged_box_stays_shut(damage: int, change: str) -> None:
    box = TokenBox("secret", "place")
    sealed = box.seal("t-1")
    place = damage % len(sealed)
    damaged = sealed[:place] + change + sealed[place + 1 :]
    # The last character of base64 carries bits that count for nothing.
    assert box.open(damaged) in ({"t-1", None} if place >= len(sealed) - 4 or damaged == sealed else {None})
