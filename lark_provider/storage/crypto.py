"""Encryption: of registry rows under the operator's keys, of tokens under their app's secret."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.storage.aead import KEY_BYTES, Aead, derive
from lark_provider.storage.errors import AlteredError, DecryptionError
from lark_provider.support.environment import ENVIRONMENT
from lark_provider.support.secret import Secret

KEY_VARIABLE = "LARK_CONFIG_ENCRYPTION_KEY"
_VERSION = "v1"
_FIRST_MARK = 1 << 62  # Greater than any time, so that a mark is not mistaken for one.
_SEAL = re.compile(rf"{_VERSION}\.(?P<key>[0-9a-f]{{8}})\.(?P<content>[A-Za-z0-9_-]+)")
_LOST_APP = "remove the app and add it again"
_MAKE = "`lark-provider key generate` or `openssl rand -base64 32` makes one"


def generate_key() -> str:
    """Make a key for `LARK_CONFIG_ENCRYPTION_KEY`."""
    return Fernet.generate_key().decode()


class EncryptionKeys:
    """The operator's keys: the first encrypts, each decrypts.

    Args:
        text: Base64 keys of 32 bytes separated by commas, newest first; of either base64 alphabet.

    Raises:
        ConfigurationError: None is given, or one is not such a key.
    """

    def __init__(self, text: str) -> None:
        text = Secret(text)  # Error reporters print the arguments of a function.
        parts = list(map(Secret, filter(None, map(str.strip, text.split(",")))))
        if not parts:
            raise ConfigurationError(
                f"{KEY_VARIABLE} is not set, and the registry's secrets are encrypted with it. Next: set it "
                f"in the environment; {_MAKE}."
            )
        keys = list(map(_decode_key, parts, range(1, len(parts) + 1)))
        self._fernet = MultiFernet(map(Fernet, map(base64.urlsafe_b64encode, keys)))
        self._seals: dict[str, Aead] = {}
        self._marking: list[bytes] = []
        for key in keys:
            self._seals[_compute_key_id(key)] = Aead(derive(key, "lark_provider registry"))
            self._marking.append(derive(key, "lark_provider registry: marks"))
        self._newest = next(iter(self._seals))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = ENVIRONMENT) -> EncryptionKeys:
        """Read the keys from `LARK_CONFIG_ENCRYPTION_KEY`."""
        return cls(environ.get(KEY_VARIABLE, ""))

    def __repr__(self) -> str:
        return "EncryptionKeys(***)"

    def encrypt_for_0_1(self, text: str, place: Sequence[str] = ()) -> str:
        """Encrypt under the newest key for version 0.1, with a mark of the place.

        A Fernet token authenticates the time at which it was made, which version 0.1 ignores. The mark takes
        its place: a number that can be computed from `place` only with the key.

        Args:
            text: The text.
            place: The values that belong to it and are stored beside it in clear.
        """
        return self._fernet.encrypt_at_time(text.encode(), _mark(self._marking[0], place)).decode()

    @staticmethod
    def is_marked(sealed: str) -> bool:
        """Return whether a text that decrypts carries a mark of its place; one of version 0.1 has none."""
        return _stamp(sealed) >= _FIRST_MARK

    def is_moved(self, sealed: str, place: Sequence[str]) -> bool:
        """Return whether a text that decrypts was encrypted by `encrypt_for_0_1` for another place.

        Args:
            sealed: The text; one of version 0.1 has a time instead of a mark, and is never reported as moved.
            place: The place where it is stored.
        """
        mark = _stamp(sealed)
        return mark >= _FIRST_MARK and mark not in {_mark(key, place) for key in self._marking}

    def decrypt(self, sealed: str, what: str) -> str:
        """Decrypt with the key that fits.

        Args:
            sealed: The result of `encrypt_for_0_1`, or what version 0.1 encrypted.
            what: Names it in the error's text.

        Raises:
            DecryptionError: No key fits.
        """
        try:
            return self._fernet.decrypt(sealed.encode("ascii", "replace")).decode()
        except (InvalidToken, UnicodeDecodeError):  # the latter if only the half of the key fits that signs
            raise self._make_wrong_key_error(what) from None

    def seal(self, text: str, place: Sequence[str]) -> str:
        """Encrypt under the newest key, and bind it to its place.

        Args:
            text: The text.
            place: The values that belong to it and are stored beside it in clear; if one is changed, the text
                does not decrypt.
        """
        return f"{_VERSION}.{self._newest}.{self._seals[self._newest].seal(text, (_VERSION, *place))}"

    def unseal(
        self, sealed: str, place: Sequence[str], what: str, altered: str, *, lost: str = _LOST_APP
    ) -> str:
        """Decrypt what `seal` returned, with the key that it names.

        Args:
            sealed: The text.
            place: The values that belong to the text and are stored in clear, as they were passed to `seal`.
            what: Names it in the error's text.
            altered: The error's text if the key is known and something was changed.
            lost: The next step in the error's text if the key is lost.

        Raises:
            DecryptionError: The key is not known.
            AlteredError: The text or its place was changed.
        """
        match = _SEAL.fullmatch(sealed)
        if match is None:
            raise AlteredError(altered)
        seal = self._seals.get(match["key"])
        if seal is None:
            raise self._make_wrong_key_error(what, lost)
        text = seal.open(match["content"], (_VERSION, *place))
        if text is None:
            raise AlteredError(altered)
        return text

    @staticmethod
    def _make_wrong_key_error(what: str, lost: str = _LOST_APP) -> DecryptionError:
        return DecryptionError(
            f"{what} was encrypted with another key than {KEY_VARIABLE} holds. Next: set the key it was "
            "encrypted with (several may stand there, separated by commas, newest first); if that key is "
            f"lost, {lost}."
        )


def _decode_key(text: str, place: int) -> bytes:
    bare = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    wanted = min(len(text) - len(bare), -len(bare) % 4)  # Python versions differ with more "=".
    try:
        raw = base64.b64decode(bare + "=" * wanted, validate=True)
        actual = f"{len(raw)} bytes"
    except (binascii.Error, ValueError):
        raw, actual = b"", "text that is not base64"
    if len(raw) != KEY_BYTES:
        which = f"key number {place} in {KEY_VARIABLE}" if place > 1 else KEY_VARIABLE
        raise ConfigurationError(
            f"{which} must be {KEY_BYTES} random bytes in base64 (44 characters), got {actual}. Next: "
            f"{_MAKE}."
        )
    return raw


def _stamp(sealed: str) -> int:
    """Return the time of a Fernet token, or the mark that is written in its place."""
    return int.from_bytes(base64.urlsafe_b64decode(sealed)[1:9], "big")


def _mark(key: bytes, place: Sequence[str]) -> int:
    digest = hmac.digest(key, orjson.dumps(list(place)), "sha256")
    return _FIRST_MARK | int.from_bytes(digest[:8], "big") >> 2


def _compute_key_id(key: bytes) -> str:
    """Return an id that reveals nothing of a key, to distinguish another key from altered content."""
    return derive(key, "lark_provider registry: id of the key")[:4].hex()


class TokenBox:
    """Encrypt the tokens of one app under a key derived from the app's secret.

    A process that has the secret could fetch a token anyway; one without it can read none.

    Args:
        app_secret: The app's secret.
        context: The token's key in the database; a token moved to another one does not decrypt.
    """

    def __init__(self, app_secret: str, context: str) -> None:
        key = derive(app_secret.encode(), f"lark_provider tokens\0{context}")
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, token: str) -> str:
        """Encrypt a token."""
        return self._fernet.encrypt(token.encode()).decode()

    def open(self, sealed: str) -> str | None:
        """Decrypt a token; return None if it was encrypted under another key or context."""
        try:
            return self._fernet.decrypt(sealed.encode("ascii", "replace")).decode()
        except InvalidToken:
            return None
