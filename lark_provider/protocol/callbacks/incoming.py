"""A request to a callback URL, and the keys that verify it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.support.secret import Secret

_TIMESTAMP, _NONCE, _SIGNATURE = "x-lark-request-timestamp", "x-lark-request-nonce", "x-lark-signature"


@dataclass(frozen=True, slots=True)
class CallbackKeys:
    """The two keys of an app that prove a request to be Lark's. A blank key counts as none.

    While a key is replaced, Lark sends requests under both: the previous values are valid until they expire.

    Attributes:
        app_id: The app, `cli_…`.
        encrypt_key: With it, Lark encrypts and signs what it sends.
        verification_token: Part of everything that Lark sends.
        previous_encrypt_keys: Earlier values, each with its expiry in seconds since the epoch.
        previous_verification_tokens: Earlier values, each with its expiry.

    Raises:
        ConfigurationError: The app id is empty, a key is not a string, or only previous values are given.
    """

    app_id: str
    encrypt_key: str | None = field(default=None, repr=False)
    verification_token: str | None = field(default=None, repr=False)
    previous_encrypt_keys: tuple[tuple[str, float], ...] = field(default=(), repr=False)
    previous_verification_tokens: tuple[tuple[str, float], ...] = field(default=(), repr=False)

    def list_encrypt_keys(self, now: float) -> tuple[str, ...]:
        """Return the valid encrypt keys, the current one first; none if no key is known.

        Args:
            now: Seconds since the epoch.
        """
        return _select_valid(self.encrypt_key, self.previous_encrypt_keys, now)

    def verification_tokens(self, now: float) -> tuple[str, ...]:
        """Return the valid verification tokens, the current one first; none if no token is known.

        Args:
            now: Seconds since the epoch.
        """
        return _select_valid(self.verification_token, self.previous_verification_tokens, now)

    def __post_init__(self) -> None:
        """Check the types, and turn blank keys into None, so that they prove nothing."""
        if not (isinstance(self.app_id, str) and self.app_id.strip()):
            raise ConfigurationError(
                f"app_id must be a non-empty string, got {self.app_id!r}. Next: copy the app ID (cli_…) from "
                "the developer console."
            )
        for name in ("encrypt_key", "verification_token"):
            key = getattr(self, name)
            if not (key is None or isinstance(key, str)):
                raise ConfigurationError(
                    f"{name} of app {self.app_id} must be a string, got {type(key).__name__}. Next: copy it "
                    "from the developer console."
                )
            object.__setattr__(self, name, Secret(key) if key and key.strip() else None)
            previous = getattr(self, f"previous_{name}s")
            object.__setattr__(self, f"previous_{name}s", tuple((Secret(old), end) for old, end in previous))
            # Once the last previous value has expired, nothing would be checked any more.
            if getattr(self, name) is None and getattr(self, f"previous_{name}s"):
                raise ConfigurationError(
                    f"{name} of app {self.app_id} must be set if previous values are, got none. Next: copy "
                    "it from the developer console."
                )


def _select_valid(
    current: str | None, previous: tuple[tuple[str, float], ...], now: float
) -> tuple[str, ...]:
    if current is None:
        return ()
    if not previous:  # No key is being replaced.
        return (current,)
    return (current, *(value for value, end in previous if now < end and value.strip()))


class SignatureHeaders(NamedTuple):
    """The headers that Lark signs with; empty texts where they are missing."""

    timestamp: str
    nonce: str
    signature: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it arrived.

    Attributes:
        headers: Names in any case.
        body: The raw bytes, before decoding, since these are signed.
    """

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def read_signature_headers(self) -> SignatureHeaders:
        """Return the headers that Lark signs with. One that occurs twice counts as missing."""
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            lower = name.lower()
            headers[lower] = "" if lower in headers else value
        return SignatureHeaders(
            headers.get(_TIMESTAMP, ""), headers.get(_NONCE, ""), headers.get(_SIGNATURE, "")
        )
