"""Send the probes' requests to a tenant: one at a time, each once and unchanged."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from lark_provider.engine import credentials, http
from lark_provider.engine.drivers.blocking import drive
from lark_provider.engine.session import Session
from lark_provider.protocol import tokens
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.protocol.tokens import App
from lark_provider.verify.probe import CannotProbeError, Reply, Request

_CALL_SECONDS = 30.0


class Tenant:
    """Sends requests with an app's token.

    Retries, pacing and caches of the clients are left out: they would hide what is asked for here.
    Making it sends nothing; see `authorize`.

    Args:
        app_id: The app; else the default one.
        tenant_key: The tenant, if it is a store app.

    Attributes:
        app: The app.

    Raises:
        LarkError: There are no credentials.
    """

    def __init__(self, app_id: str | None = None, tenant_key: str | None = None) -> None:
        self._session = Session(
            app_id=app_id, tenant_key=tenant_key, timeout=_CALL_SECONDS, policy=RetryPolicy(max_retries=0)
        )
        self.app: App = drive(credentials.find(self._session), self._session)
        self._token = ""
        self._http = http.choose_library().Client(timeout=_CALL_SECONDS)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._http.close()

    def authorize(self) -> None:
        """Fetch the token, which is the first request.

        Raises:
            LarkError: No token was returned.
        """
        self._token, _ = drive(tokens.fetch(self.app), self._session)

    def send(self, request: Request) -> Reply:
        """Send a request, and return what was answered. Call `authorize` before.

        Raises:
            CannotProbeError: There was no answer; the request may have been performed.
        """
        headers = {"Authorization": f"Bearer {self._token}"} if request.authorized else {}
        options: dict[str, Any] = {"headers": headers, "params": request.params or None}
        if request.form is not None:
            options["data"] = request.form
        elif request.body is not None:
            options["json"] = request.body
        try:
            response = self._http.request(
                request.method, f"{self.app.base_url}/open-apis{request.path}", **options
            )
        except http.find_library(self._http).HTTPError as error:
            where = f"{request.method} {request.path}"
            raise CannotProbeError(f"{where} had no answer: {type(error).__name__}") from None
        try:
            answer = response.json()
        except ValueError:
            return Reply(response.status_code, -1, "the answer is not JSON")
        if not isinstance(answer, dict) or not isinstance(answer.get("code"), int):
            return Reply(response.status_code, -1, "the answer has no code")
        data = answer.get("data")
        return Reply(
            response.status_code,
            answer["code"],
            str(answer.get("msg", "")),
            data if isinstance(data, dict) else {},
        )
