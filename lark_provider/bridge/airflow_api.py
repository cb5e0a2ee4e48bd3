"""A small client of Airflow's REST API: bounded in concurrency and time, with typed errors."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

import orjson

from lark_provider.bridge.errors import (
    AirflowRefusedError,
    AirflowTooLongError,
    AirflowUnavailableError,
)
from lark_provider.bridge.login import Login
from lark_provider.bridge.server_clock import ServerClock
from lark_provider.bridge.settings import PASSWORD, TOKEN, URL, USERNAME, Credentials
from lark_provider.engine import http
from lark_provider.engine.pools import USER_AGENT
from lark_provider.protocol.hitl.model import is_segment
from lark_provider.protocol.hitl.proof import CLICK_PATH, BridgeSecrets
from lark_provider.support import measured

PAGE = 100
"""Airflow cuts larger pages silently: `[api] maximum_page_limit`."""
REQUESTS_AT_ONCE = 4
"""A worker of an API server has 15 connections to its database; others need some, too."""
_MAX_PAGES = 1000
_MAX_BYTES = 32 * 2**20
"""The longest answer that is read: the log of a task can be longer than the bridge has memory."""
_OK, _UNAUTHORIZED, _NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 200, 401, 404, 429, 500
_ROLE_STEP = "give the bridge's account a role that reads all DAGs, such as Viewer"
_TOKEN_STEP = f"check {USERNAME} and {PASSWORD}, or renew {TOKEN}"
_NO_ROUTE = "Not Found"
"""The detail of a path that a server does not have; Airflow names the resource that is missing."""
Params: TypeAlias = Mapping[str, str | int | Sequence[str]]


class AirflowApi:
    """Reads Airflow as one account. For one event loop; `close` it.

    Args:
        credentials: Where it is, and as whom.
        verify: Whether to check its certificate; or the path of a private authority's.
        timeout: Seconds for a request.
    """

    def __init__(self, credentials: Credentials, *, verify: bool | str = True, timeout: float = 30.0) -> None:
        self._url = credentials.url
        self._timeout = timeout
        self._library = http.choose_library()
        # The proxies of the environment are those on the way to Lark; Airflow is near.
        self._client = self._library.AsyncClient(
            trust_env=False,
            verify=verify,
            timeout=timeout,
            headers={"User-Agent": USER_AGENT},
            limits=self._library.Limits(max_connections=4 * REQUESTS_AT_ONCE),
        )
        self._login = Login(credentials, self._post)
        self._turns, self._clicks = asyncio.Semaphore(REQUESTS_AT_ONCE), asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._clock = ServerClock()

    def __repr__(self) -> str:
        """Return where it is."""
        return f"<AirflowApi {self._url}>"

    def now(self) -> datetime:
        """Return the time by the clock of Airflow's server, as its answers tell it, never ahead of it.

        Before the first answer it is this machine's.
        """
        return self._clock.now()

    async def get(self, path: str, params: Params | None = None) -> Any:
        """Read a resource.

        Args:
            path: Below `/api/v2`; with `/ui/` in front, of the web page's own API.
            params: Query parameters; a list repeats one.

        Returns:
            The parsed answer; None if there is no such resource, or if no URL names it, as the run `.`.

        Raises:
            AirflowRefusedError: The account may not read it, or the request is invalid; or a proxy has
                answered in place of Airflow, whose 404 or web page says nothing about the resource.
            AirflowUnavailableError: Airflow was not reached, or failed.
        """
        if not all(map(is_segment, path.split("/")[1:])):
            return None
        url = path if path.startswith("/ui/") else f"/api/v2{path}"
        async with self._turns:
            token = await self._login.obtain_token()
            status, answer = await self._send("GET", url, token, params)
            if status == _UNAUTHORIZED and self._login.drop(token):
                token = await self._login.obtain_token()
                status, answer = await self._send("GET", url, token, params)
        if status == _NOT_FOUND and _names_resource(answer):
            return None
        # If a proxy's 404 were read as "there is none", every open question would be withdrawn.
        is_found = status == _OK and isinstance(answer, dict)
        if status == _NOT_FOUND or (status < 400 and not is_found):  # noqa: PLR2004 - refused
            raise AirflowRefusedError(
                f"GET {url} was answered with status {status}, and not by Airflow's REST API. Next: check "
                f"{URL}, and the path and login of a proxy in front of Airflow.",
                status=status,
            )
        if status >= 400:  # noqa: PLR2004 - refused
            raise AirflowRefusedError(
                f"Airflow refused GET {url} with status {status}: {_read_detail(answer)}. Next: "
                f"{_TOKEN_STEP if status == _UNAUTHORIZED else _ROLE_STEP}.",
                status=status,
            )
        return answer

    async def read_pages(self, path: str, key: str, params: Params) -> list[dict[str, Any]]:
        """Read all pages of a collection; what changes meanwhile may be missing, or be there twice.

        Args:
            path: The path below `/api/v2`; one that begins with `/ui/` belongs to the web page's own API.
            key: The key under which each answer holds its items, such as `task_instances`.
            params: Query parameters; they must name an order, so that pages fit together.

        Raises:
            AirflowRefusedError: As for `get`.
            AirflowUnavailableError: As for `get`.
        """
        return [entry async for page in self.iterate_pages(path, key, params) for entry in page]

    async def iterate_pages(
        self, path: str, key: str, params: Params
    ) -> AsyncGenerator[Sequence[dict[str, Any]], None]:
        """Read a collection as `read_pages` does, and yield each page once those before it were yielded.

        Args:
            path: The path below `/api/v2`; one that begins with `/ui/` belongs to the web page's own API.
            key: The key under which each answer holds its items, such as `task_instances`.
            params: Query parameters; they must name an order, so that pages fit together.

        Raises:
            AirflowRefusedError: As for `get`.
            AirflowUnavailableError: As for `get`.
        """
        first = await self.get(path, {**params, "limit": PAGE, "offset": 0}) or {}
        items = first.get(key, ())
        yield items
        total = min(int(first.get("total_entries") or 0), PAGE * _MAX_PAGES)
        step = len(items)  # Airflow's own limit may be lower.
        offsets = range(step, total, step) if step else ()
        requests = [
            asyncio.ensure_future(self.get(path, {**params, "limit": PAGE, "offset": offset}))
            for offset in offsets
        ]
        try:
            for request in requests:
                yield ((await request) or {}).get(key, ())
        finally:
            for request in requests:
                request.cancel()
            await asyncio.gather(*requests, return_exceptions=True)

    async def deliver(
        self, secrets: BridgeSecrets, event_id: str, body: bytes, path: str = CLICK_PATH
    ) -> tuple[int, dict[str, Any] | None]:
        """Deliver a click, or something else, to the plugin.

        Args:
            secrets: They sign it when its turn has come, as a signature is valid for a minute.
            event_id: Its id, which is signed with it.
            body: JSON.
            path: The plugin's endpoint.

        Returns:
            Status and answer; None if it is not a JSON object, as the plugin's always is.

        Raises:
            AirflowUnavailableError: Airflow was not reached.
        """
        async with self._clicks:
            signed = secrets.make_headers("POST", path, int(time.time()), event_id, body)
            all_headers = {"Content-Type": "application/json", **signed}
            status, answer = await self._request("POST", path, content=body, headers=all_headers)
        return status, answer if isinstance(answer, dict) else None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _post(self, path: str, json: Mapping[str, str]) -> tuple[int, Any]:
        return await self._request_checked("POST", path, json=dict(json))

    async def _send(self, method: str, path: str, token: str, params: Params | None) -> tuple[int, Any]:
        return await self._request_checked(
            method, path, params=params, headers={"Authorization": f"Bearer {token}"}
        )

    async def _request_checked(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        status, answer = await self._request(method, path, **options)
        if status == _TOO_MANY or status >= _SERVER_ERROR:
            raise AirflowUnavailableError(
                f"Airflow answered {method} {path} with status {status}: {_read_detail(answer)}. Next: look "
                "in the API server's log."
            )
        return status, answer

    async def _request(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        began = time.monotonic()
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream(method, self._url + path, **options) as response,
            ):
                content = await _read_content(response, f"{method} {path}")
        except (self._library.HTTPError, TimeoutError, OSError) as error:
            measured.AIRFLOW_ERRORS.add()
            raise AirflowUnavailableError(
                f"Cannot reach Airflow at {self._url} ({type(error).__name__} on {method} {path}). Next: "
                "check that its API server runs and is reachable from here."
            ) from None
        measured.AIRFLOW_SECONDS.observe(time.monotonic() - began)
        if response.status_code >= _SERVER_ERROR:
            measured.AIRFLOW_ERRORS.add()
        with contextlib.suppress(ValueError, TypeError):  # A proxy may leave the header out.
            self._clock.add(parsedate_to_datetime(response.headers.get("date", "")))
        try:
            return response.status_code, orjson.loads(content)
        except orjson.JSONDecodeError:
            return response.status_code, None


async def _read_content(response: Any, request: str) -> bytes:
    """Return the content of an answer.

    Raises:
        AirflowTooLongError: It is too long.
    """
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > _MAX_BYTES:
            raise AirflowTooLongError(
                f"Airflow's answer to {request} must have at most {_MAX_BYTES:,} bytes, got more. Next: read "
                "it on Airflow's own page.",
                status=response.status_code,
            )
    return bytes(content)


def _names_resource(answer: Any) -> bool:
    return isinstance(answer, dict) and answer.get("detail", _NO_ROUTE) != _NO_ROUTE


def _read_detail(answer: Any) -> str:
    detail = answer.get("detail") if isinstance(answer, dict) else None
    return " ".join(str(detail or "no reason").split())[:200].rstrip(".")
