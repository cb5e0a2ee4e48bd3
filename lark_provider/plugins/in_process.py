"""Call Airflow's own REST API in this process, as a user: its checks and its audit log apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx

from lark_provider.plugins import users
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.hitl.model import is_segment

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

    from lark_provider.plugins.asgi import AsgiApplication

API = "/api/v2"
TOKEN_SECONDS = 30
_SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True)
class AirflowReply:
    """An answer of Airflow's.

    Attributes:
        status: The HTTP status.
        body: Its JSON; None if it is none.
    """

    status: int
    body: Any

    @property
    def is_ok(self) -> bool:
        """Return whether it succeeded."""
        return self.status == httpx.codes.OK

    @property
    def is_unavailable(self) -> bool:
        """Return whether the same request can succeed later."""
        return self.status >= _SERVER_ERRORS or self.status == httpx.codes.TOO_MANY_REQUESTS

    @property
    def detail(self) -> str:
        """Return the reason that Airflow gave for a refusal; empty if it gave none as text."""
        reason = self.body.get("detail") if isinstance(self.body, dict) else None
        return reason if isinstance(reason, str) else ""


class InProcess:
    """Airflow's REST API, as a user. A context manager.

    The token is made here, is valid for 30 seconds and leaves this process nowhere.

    Args:
        app: Airflow's own application, as `scope["app"]` is; `cached_app()` would build another one.
        user: The user.
    """

    def __init__(self, app: AsgiApplication, user: BaseUser) -> None:
        token = users.find_auth_manager().generate_jwt(user, expiration_time_in_seconds=TOKEN_SECONDS)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self._http = httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers={"Authorization": f"Bearer {token}"}
        )

    async def __aenter__(self) -> Self:
        """Return it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        await self._http.aclose()

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str
    ) -> AirflowReply:
        """Call an endpoint.

        Args:
            method: The method.
            path: Below `/api/v2`, quoted.
            body: JSON.
            query: Parameters.

        Raises:
            InvalidRequestError: An id could lead to another path, as that of the run `.`.
        """
        if not all(map(is_segment, path.split("/")[1:])):
            raise InvalidRequestError(
                f"An id in the path must not consist of dots alone, got {path!r}. Next: act in Airflow."
            )
        response = await self._http.request(method, API + path, json=body, params=query or None)
        try:
            content = response.json()
        except ValueError:
            content = None
        return AirflowReply(response.status_code, content)
