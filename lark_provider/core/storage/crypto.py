"""Two ways to encrypt: registry entries under the operator's keys, tokens under their app's own secret."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lark_provider.core.storage.errors import DecryptionError
from lark_provider.protocol.errors import ConfigurationError

KEY_VARIABLE = "LARK_CONFIG_ENCRYPTION_KEY"
KEY_BYTES = 32
_MAKE = "`lark-provider key generate` or `openssl rand -base64 32` makes one"


def generate_key() -> str:
    """Make a key for `LARK_CONFIG_ENCRYPTION_KEY`."""
    return Fernet.generate_key().decode()


class Keys:
    """The operator's keys: the first encrypts, each decrypts.

    Args:
        text: Base64 keys of 32 bytes separated by commas, newest first; of either base64 alphabet.

    Raises:
        ConfigurationError: None is given, or one is no such key.
    """

    def __init__(self, text: str) -> None:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:
            raise ConfigurationError(
                f"{KEY_VARIABLE} is not set, and the registry's secrets are encrypted with it. Next: set it "
                f"in the environment; {_MAKE}."
            )
        self._fernet = MultiFernet([Fernet(_key(part, place)) for place, part in enumerate(parts, start=1)])

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Keys:
        """Read the keys from `LARK_CONFIG_ENCRYPTION_KEY`."""
        return cls(environ.get(KEY_VARIABLE, ""))

    def __repr__(self) -> str:
        return "Keys(***)"

    def encrypt(self, text: str) -> str:
        """Encrypt under the newest key."""
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, sealed: str, what: str) -> str:
        """Decrypt with whichever key fits.

        Args:
            sealed: What `encrypt` returned.
            what: What it is, for the error's text.

        Raises:
            DecryptionError: None fits.
        """
        try:
            return self._fernet.decrypt(sealed.encode("ascii", "replace")).decode()
        except InvalidToken:
            raise self._wrong(what) from None

    def rotated(self, sealed: str, what: str) -> str:
        """The same content, under the newest key.

        Raises:
            DecryptionError: None fits.
        """
        try:
            return self._fernet.rotate(sealed.encode("ascii", "replace")).decode()
        except InvalidToken:
            raise self._wrong(what) from None

    @staticmethod
    def _wrong(what: str) -> DecryptionError:
        return DecryptionError(
            f"{what} was encrypted with another key than {KEY_VARIABLE} holds. Next: set the key it was "
            "encrypted with (several may stand there, separated by commas, newest first); if that key is "
            "lost, remove the app and add it again."
        )


def _key(text: str, place: int) -> bytes:
    bare = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    wanted = min(len(text) - len(bare), -len(bare) % 4)  # with more "=" some Pythons read on, and some do not
    try:
        raw = base64.b64decode(bare + "=" * wanted, validate=True)
        found = f"{len(raw)} bytes"
    except (binascii.Error, ValueError):
        raw, found = b"", "no base64 text"
    if len(raw) != KEY_BYTES:
        which = f"key number {place} in {KEY_VARIABLE}" if place > 1 else KEY_VARIABLE
        raise ConfigurationError(
            f"{which} is {found}, and has to be {KEY_BYTES} random bytes in base64 (44 characters). Next: "
            f"{_MAKE}."
        )
    return base64.urlsafe_b64encode(raw)


class TokenBox:
    """Encrypts the tokens of one app under a key derived from the app's secret.

    Whoever has the secret could fetch a token anyway; whoever has not reads nothing.

    Args:
        app_secret: The app's secret.
        context: Where the token is kept; a token moved elsewhere does not decrypt.
    """

    def __init__(self, app_secret: str, context: str) -> None:
        derive = HKDF(SHA256(), length=KEY_BYTES, salt=None, info=f"lark_provider tokens\0{context}".encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(derive.derive(app_secret.encode())))

    def seal(self, token: str) -> str:
        """Encrypt a token."""
        return self._fernet.encrypt(token.encode()).decode()

    def open(self, sealed: str) -> str | None:
        """Decrypt a token; None if it is not ours to read."""
        try:
            return self._fernet.decrypt(sealed.encode("ascii", "replace")).decode()
        except InvalidToken:
            return None
