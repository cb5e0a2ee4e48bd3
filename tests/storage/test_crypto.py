"""The operator's keys, and the boxes that only an app's own secret opens."""

from __future__ import annotations

import base64
import binascii
import subprocess
from collections.abc import Sequence

import pytest
from cryptography.fernet import Fernet, InvalidToken
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lark_provider.errors import ConfigurationError
from lark_provider.storage.crypto import KEY_VARIABLE, EncryptionKeys, TokenBox, generate_key
from lark_provider.storage.errors import DecryptionError

raw_keys = st.binary(min_size=32, max_size=32)
texts = st.text(min_size=1, max_size=300)
PLACE = ("registry", "cli_a", "https://open.feishu.cn")
SEALS = EncryptionKeys(generate_key())


def unseal(keys: EncryptionKeys, sealed: str, place: Sequence[str] = PLACE) -> str:
    return keys.unseal(sealed, place, "it", "altered")


def standard(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def urlsafe(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


@given(raw=raw_keys, text=texts)
def test_a_key_is_good_in_either_alphabet(raw: bytes, text: str) -> None:
    for encode, other in ((standard, urlsafe), (urlsafe, standard)):
        sealed = EncryptionKeys(encode(raw)).encrypt_for_0_1(text)
        assert text not in sealed or len(text) < 4
        assert EncryptionKeys(f" {other(raw)}\n").decrypt(sealed, "it") == text


def test_a_key_of_openssl() -> None:
    for _ in range(5):
        command = ["openssl", "rand", "-base64", "32"]  # as the guide has it
        process = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - fixed
        keys = EncryptionKeys(process.stdout)
        assert keys.decrypt(keys.encrypt_for_0_1("secret"), "it") == "secret"
    assert {"+", "/"} & set(standard(b"\xfb\xff" * 16))
    keys = EncryptionKeys(standard(b"\xfb\xff" * 16))
    assert keys.decrypt(keys.encrypt_for_0_1("密"), "it") == "密"


def test_a_key_of_ours_is_a_fernet_key() -> None:
    key = generate_key()
    Fernet(key)
    assert EncryptionKeys(key).encrypt_for_0_1("x")
    assert generate_key() != key


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not set"),
        (" , ,", "is not set"),
        ("3yX9kL2mP5nQ8rT1uV4wZ6aB7cD0eF1g==", "24 bytes|not base64 text"),  # the guide's sample
        ("3yX9kL2mP5nQ8rT1uV4wZ6aB7cD0eF1g", "24 bytes"),  # and without what is too much in it
        (standard(b"x" * 16), "16 bytes"),
        (standard(b"x" * 31), "31 bytes"),
        (standard(b"x" * 33), "33 bytes"),
        (standard(b"x" * 32)[:-1], "text that is not base64"),
        ("your_32_byte_base64_key", "text that is not base64"),
        ("密" * 11, "text that is not base64"),
        (f'"{standard(b"x" * 32)}"', "text that is not base64"),
        (f"{standard(b'x' * 32)},{standard(b'y' * 8)}", r"key number 2 in .*8 bytes"),
    ],
)
def test_a_wrong_key_is_named_and_not_shown(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        EncryptionKeys.from_environment({KEY_VARIABLE: text})
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
            EncryptionKeys(write(raw))


def test_what_is_not_text_when_decrypted_is_a_clear_error() -> None:
    """As with another key that has the half in common which signs."""
    key = generate_key()
    with pytest.raises(DecryptionError):
        EncryptionKeys(key).decrypt(Fernet(key).encrypt(b"\xff").decode(), "it")


@given(text=st.text(max_size=60))
def test_any_text_is_a_key_or_a_clear_error(text: str) -> None:
    try:
        EncryptionKeys(text)
    except ConfigurationError as error:
        assert KEY_VARIABLE in str(error)  # noqa: PT017 - either way is right


@settings(max_examples=30)
@given(keys=st.lists(raw_keys, min_size=2, max_size=4, unique_by=lambda raw: raw[:16]), text=texts)
def test_the_first_encrypts_and_each_decrypts(keys: list[bytes], text: str) -> None:
    names = [standard(raw) for raw in keys]
    every, newest, oldest = (
        EncryptionKeys(",".join(names)),
        EncryptionKeys(names[0]),
        EncryptionKeys(names[-1]),
    )
    old = oldest.encrypt_for_0_1(text)
    assert every.decrypt(old, "it") == text
    assert newest.decrypt(every.encrypt_for_0_1(text), "it") == text
    for wrong, sealed in ((oldest, every.encrypt_for_0_1(text)), (newest, old)):
        with pytest.raises(DecryptionError):
            wrong.decrypt(sealed, "it")
    for sealed, valid in (
        (every.encrypt_for_0_1(text, PLACE), newest),
        (oldest.encrypt_for_0_1(text, PLACE), every),
    ):
        assert valid.is_marked(sealed)
        assert not valid.is_moved(sealed, PLACE), "also when the older keys have been removed"
        assert valid.is_moved(sealed, PLACE[:1])
    old_seal = oldest.seal(text, PLACE)
    assert unseal(every, old_seal) == text
    assert unseal(newest, every.seal(text, PLACE)) == text
    for wrong, sealed in ((oldest, every.seal(text, PLACE)), (newest, old_seal)):
        with pytest.raises(DecryptionError, match=f"it was encrypted with another key than {KEY_VARIABLE}"):
            unseal(wrong, sealed)


def test_a_registry_that_was_written_before_an_upgrade_opens_after_it() -> None:
    """What is stored is derived from the key in a certain way, which no version may change."""
    keys = EncryptionKeys(standard(bytes(range(32))))
    sealed = "v1.7627f11e.hY_AL-wOTxw09rg5PeOcvVKP-po-h-NRrNK_sBJs62wsXg"
    assert unseal(keys, sealed) == "secret"
    for_0_1 = (
        "gFCGEqfJqowHJBf4iT53xUi3qXTwBpj39wyWIw_AwRNDS0I3i-yoavEjiYBgD2SkjVDcVXoyHXRJXiyJgats23mEjzRT12eA-A=="
    )
    assert keys.decrypt(for_0_1, "it") == "secret"
    assert keys.is_marked(for_0_1)
    assert not keys.is_moved(for_0_1, PLACE)
    assert keys.is_moved(for_0_1, PLACE[:2])


@given(place=st.lists(texts, max_size=3), other=st.lists(texts, max_size=3), text=texts)
def test_a_seal_opens_in_its_place_alone(place: list[str], other: list[str], text: str) -> None:
    sealed = SEALS.seal(text, place)
    assert unseal(SEALS, sealed, place) == text
    assert SEALS.seal(text, place) != sealed, "another nonce each time"
    if other != place:
        with pytest.raises(DecryptionError, match=r"^altered$"):
            unseal(SEALS, sealed, other)


@given(data=st.data())
def test_a_seal_that_was_changed_anywhere_opens_no_more(data: st.DataObject) -> None:
    sealed = SEALS.seal("secret", PLACE)
    place = data.draw(st.integers(0, len(sealed) - 1))
    change = data.draw(st.sampled_from("Aaz09_-+/=. \n\u5bc6"))
    for damaged in (sealed[:place] + change + sealed[place + 1 :], sealed[:place], sealed + change):
        if damaged != sealed:
            with pytest.raises(DecryptionError, match=r"altered|encrypted with another key"):
                unseal(SEALS, damaged)


@pytest.mark.parametrize("damaged", ["", "x", "gAAAAA", "密", "gAAAAABm" + "A" * 80])
def test_what_cannot_be_read_says_what_it_is_and_what_to_do(damaged: str) -> None:
    keys = EncryptionKeys(generate_key())
    with pytest.raises(InvalidToken, match=rf"^The app_secret of app 'x' .*{KEY_VARIABLE}.*Next: ") as caught:
        keys.decrypt(damaged, "The app_secret of app 'x'")
    assert isinstance(caught.value, DecryptionError)
    with pytest.raises(DecryptionError, match=r"^altered$"):
        unseal(keys, damaged)


def test_keys_show_nothing() -> None:
    key = generate_key()
    assert key not in repr(EncryptionKeys(key)) + str(EncryptionKeys(key)) + str(vars(EncryptionKeys(key)))


@given(secret=texts, token=texts, context=texts)
def test_a_box_opens_with_its_secret_in_its_place(secret: str, token: str, context: str) -> None:
    sealed = TokenBox(secret, context).seal(token)
    assert TokenBox(secret, context).open(sealed) == token
    assert TokenBox(secret + "x", context).open(sealed) is None
    assert TokenBox(secret, context + "x").open(sealed) is None
    assert TokenBox(context + "x", secret).open(sealed) is None


def decode(sealed: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(sealed.encode("ascii", "replace"))
    except binascii.Error:
        return None


@given(damage=st.integers(0, 10_000), change=st.characters() | st.sampled_from("-_+/=?"))
def test_a_damaged_box_stays_shut(damage: int, change: str) -> None:
    box = TokenBox("secret", "place")
    sealed = box.seal("t-1")
    place = damage % len(sealed)
    damaged = sealed[:place] + change + sealed[place + 1 :]
    # Some characters decode alike, such as "_" and "/", and the last one carries bits that count for nothing.
    assert box.open(damaged) == ("t-1" if decode(damaged) == decode(sealed) else None)
