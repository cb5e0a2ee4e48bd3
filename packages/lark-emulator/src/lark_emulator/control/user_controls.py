"""Tokens of users for Python callers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lark_emulator.control import plane, user_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark_emulator.control.plane import Operation


class UserControls(ABC):
    """The part of `Controls` about users who let an app act for them."""

    @abstractmethod
    def _do(self, operation: Operation, spec: dict[str, Any]) -> dict[str, Any]:
        """Perform an operation on the server's thread, which alone touches the state."""

    def authorize_as(self, user_id: str, *, deny: bool = False) -> None:
        """Put a user at the browser of the authorization page, who agrees at once, or refuses.

        Args:
            user_id: The user_id of the user who sees the authorization page; empty = the first user.
            deny: Whether the user refuses the authorization.

        Raises:
            ValueError: there is no such user.
        """
        self._do(user_tokens.visit, {"user_id": user_id, "deny": deny})

    def user_token(
        self, user_id: str, *, app_id: str | None = None, scopes: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Issue tokens of a user, as if they had been at the authorization page.

        Args:
            user_id: The user_id of the user for whom tokens are issued.
            app_id: The id of the app that may act for the user; absent = the app that exists from the start.
            scopes: The scopes that the user grants to the app; absent = all.

        Returns:
            `user_access_token`, `expires_in`, `refresh_token`, `refresh_token_expires_in`, `open_id`.

        Raises:
            ValueError: there is no such user or app.
        """
        spec = {
            "user_id": user_id,
            "app_id": app_id,
            "scopes": None if scopes is None else list(scopes),
        }
        return self._do(user_tokens.issue, spec)

    def revoke_tokens(
        self, app_id: str | None = None, *, tenant_key: str | None = None, user_id: str | None = None
    ) -> int:
        """Make tokens invalid at once, of one app, tenant or user or of all; return how many there were.

        With `user_id`, the refresh tokens of that user are revoked, too.
        """
        spec = {"app_id": app_id, "tenant_key": tenant_key, "user_id": user_id}
        revoked: int = self._do(plane.revoke_tokens, spec)["revoked"]
        return revoked
