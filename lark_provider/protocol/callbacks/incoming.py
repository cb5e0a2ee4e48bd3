"""A request to a callback URL, and the keys that it is measured by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lark_provider.protocol.errors import ConfigurationError

_TIMESTAMP, _NONCE, _SIGNATURE = "x-lark-request-timestamp", "x-lark-request-nonce", "x-lark-signature"


@dataclass(frozen=True, slots=True)
class CallbackKeys:
    """The two keys of an app by which a request is known to be Lark's. A blank key counts as none.

    Attributes:
        app_id: The app, `cli_…`.
        encrypt_key: With it, Lark encrypts and signs what it sends.
        verification_token: Stands in whatever Lark sends.

    Raises:
        ConfigurationError: The app id is empty, or a key is no text.
    """

    app_id: str
    encrypt_key: str | None = field(default=None, repr=False)
    verification_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Blank keys must not prove anything."""
        if not (isinstance(self.app_id, str) and self.app_id.strip()):
            raise ConfigurationError("The callback keys name no app. Next: pass app_id, such as 'cli_…'.")
        for name in ("encrypt_key", "verification_token"):
            key = getattr(self, name)
            if not (key is None or isinstance(key, str)):
                raise ConfigurationError(
                    f"{name} of app {self.app_id} is a {type(key).__name__}. Next: pass it as text."
                )
            object.__setattr__(self, name, key if key and key.strip() else None)


class Signed(NamedTuple):
    """The headers that Lark signs with; empty texts where they are missing."""

    timestamp: str
    nonce: str
    signature: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it came.

    Attributes:
        headers: Names in any case.
        body: The raw bytes, before anything was decoded: they are what is signed.
    """

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def signed(self) -> Signed:
        """Find the headers that Lark signs with. One that came twice counts as missing."""
        found: dict[str, str] = {}
        for name, value in self.headers.items():
            lower = name.lower()
            found[lower] = "" if lower in found else value
        return Signed(found.get(_TIMESTAMP, ""), found.get(_NONCE, ""), found.get(_SIGNATURE, ""))
