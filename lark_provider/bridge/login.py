"""The token of the bridge's account in Airflow, renewed before it expires."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from lark_provider.bridge.errors import AirflowRefusedError
from lark_provider.bridge.settings import PASSWORD, USERNAME, Credentials
from lark_provider.support.secret import Secret

TOKEN_PATH = "/auth/token"  # noqa: S105 - a path
_DEFAULT_SECONDS, _SHARE = 3600.0, 0.8

Send = Callable[[str, Mapping[str, str]], Awaitable[tuple[int, Any]]]
"""Posts JSON to a path, and returns status and parsed answer."""


class Login:
    """Fetches tokens, one at a time: a waiter uses the token that was fetched before its turn.

    Args:
        credentials: The account, or a token that is not renewed.
        send: Posts to Airflow.
    """

    def __init__(self, credentials: Credentials, send: Send) -> None:
        self._credentials, self._send = credentials, send
        self._lock = asyncio.Lock()
        self._token: Secret | None = credentials.token
        self._renew_at = float("inf")

    async def obtain_token(self) -> Secret:
        """Return a token, fetching it if there is none or four fifths of its life are over.

        See POST /auth/token of the Simple and of the FAB auth manager.

        Raises:
            AirflowRefusedError: Airflow refuses the account.
            AirflowUnavailableError: Airflow was not reached.
        """
        if self._token is not None and time.monotonic() < self._renew_at:
            return self._token
        async with self._lock:
            if self._token is None or time.monotonic() >= self._renew_at:
                began = time.monotonic()
                self._token = await self._fetch()
                self._renew_at = began + _SHARE * compute_lifetime(self._token)
            return self._token

    def drop(self, token: Secret) -> bool:
        """Forget a token that was rejected, and return whether another one can be fetched.

        Args:
            token: The rejected token; a newer one stays.
        """
        if self._credentials.token is not None:
            return False
        if self._token == token:
            self._token = None
        return True

    async def _fetch(self) -> Secret:
        account = {
            "username": self._credentials.username or "",
            "password": self._credentials.password or "",
        }
        status, answer = await self._send(TOKEN_PATH, account)
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise AirflowRefusedError(
                f"Airflow gave no token to {self._credentials.username} (status {status}). Next: "
                f"check {USERNAME} and {PASSWORD}, and that its auth manager serves POST {TOKEN_PATH}.",
                status=status,
            )
        return Secret(token)


def compute_lifetime(token: str) -> float:
    """Return how long a token is valid, in seconds, by its own times: no clock is compared.

    Args:
        token: A JSON web token; an hour is assumed of any other.
    """
    try:
        middle = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return max(1.0, float(claims["exp"]) - float(claims["iat"]))
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return _DEFAULT_SECONDS
