"""How a click is proven to the plugin of Airflow's API servers: an HMAC over all that is delivered.

Anyone who holds the secret can act as every linked person.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from lark_provider.protocol.errors import ConfigurationError

SECRET_VARIABLE = "LARK_BRIDGE_SECRET"  # noqa: S105 - a name
TIME_HEADER = "X-Lark-Bridge-Time"
EVENT_HEADER = "X-Lark-Bridge-Event"
SIGNATURE_HEADER = "X-Lark-Bridge-Signature"
CLICK_PATH = "/lark/click"
"""The path as it is signed, whatever prefix a reverse proxy adds."""
CHECK_EVENT = "lark-provider-airflow-check"
"""The event id of a delivery that `lark-provider airflow check` makes: it is about no click."""
WINDOW_SECONDS = 60
MAX_BODY_BYTES = 64 * 1024
_SHORTEST = 32


class BridgeSecrets:
    """The secrets of bridge and plugin: the newest signs, each of them verifies.

    Args:
        text: `LARK_BRIDGE_SECRET`: one or several, separated by commas, newest first.

    Raises:
        ConfigurationError: There is none, or one is shorter than 32 bytes.
    """

    __slots__ = ("_secrets",)

    def __init__(self, text: str) -> None:
        secrets = [part.strip().encode() for part in text.split(",") if part.strip()]
        if not secrets or any(len(secret) < _SHORTEST for secret in secrets):
            lengths = ", ".join(str(len(secret)) for secret in secrets) or "none"
            raise ConfigurationError(
                f"{SECRET_VARIABLE} must be one or more secrets of at least {_SHORTEST} bytes, got lengths: "
                f"{lengths}. Next: set it to the output of `openssl rand -hex 32` in the bridge and in "
                "Airflow's API servers."
            )
        self._secrets = tuple(secrets)

    def __repr__(self) -> str:
        """Return how many there are; they are secret."""
        return f"<BridgeSecrets: {len(self._secrets)}>"

    def make_headers(self, method: str, path: str, at: int, event_id: str, body: bytes) -> dict[str, str]:
        """Return the headers that prove a request.

        Args:
            method: The HTTP method, `POST`.
            path: The path as it is signed, such as `CLICK_PATH`.
            at: The time of the request, in seconds since 1970.
            event_id: The id of what is delivered: the event of a click, or the message of a command.
            body: The whole body of the request.
        """
        proof = _compute_proof(self._secrets[0], method, path, str(at), event_id, body)
        return {TIME_HEADER: str(at), EVENT_HEADER: event_id, SIGNATURE_HEADER: proof}

    def prove(
        self, method: str, path: str, at: str, event_id: str, body: bytes, signature: str, *, now: float
    ) -> bool:
        """Return whether a request is proven, and not older or newer than a minute.

        Args:
            method: The HTTP method of the request.
            path: The path as it is signed, such as `CLICK_PATH`.
            at: The value of the header `X-Lark-Bridge-Time`.
            event_id: The value of the header `X-Lark-Bridge-Event`.
            body: The whole body of the request.
            signature: The value of the header `X-Lark-Bridge-Signature`.
            now: The current time, in seconds since 1970.
        """
        if not (at.isascii() and at.isdigit() and len(at) < _SHORTEST):
            return False
        is_recent = abs(now - int(at)) <= WINDOW_SECONDS
        # All secrets are compared, so that the time does not tell which one fits.
        fitting = (
            [
                hmac.compare_digest(_compute_proof(secret, method, path, at, event_id, body), signature)
                for secret in self._secrets
            ]
            if signature.isascii()
            else []
        )
        return is_recent and any(fitting)


def _compute_proof(secret: bytes, method: str, path: str, at: str, event_id: str, body: bytes) -> str:
    parts: Sequence[bytes] = [part.encode() for part in (method, path, at, event_id)]
    # With the lengths, so that no two requests have the same text.
    text = b"".join(len(part).to_bytes(4) + part for part in [*parts, body])
    return hmac.new(secret, text, hashlib.sha256).hexdigest()
